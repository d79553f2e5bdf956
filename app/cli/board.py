"""``leadglow board``: shows leads over HTTP until it is told to stop."""

from __future__ import annotations

import typer

from app.board.site import is_loopback
from app.cli.common import CommandError
from app.cli.serving import serve
from app.settings import Settings, variable
from app.settings_source import load_settings
from app.wiring import make_board
from streams.exits import Exit


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(board)


def board() -> None:
    """Show leads in a browser and by an API until stopped.

    Reads Redis and follows Kafka; it changes nothing in either. Without the access file that LEADGLOW_BOARD_ACCESS
    names, it shows itself to this machine only. While Redis is away the answer is 503, and /ready says so. Stop it with
    Ctrl-C or SIGTERM.
    """
    settings = load_settings()
    _check_settings(settings)
    serve("board", settings, make_board, "Correct the file, or name another one.")


def _check_settings(settings: Settings) -> None:
    if settings.board_access is None and not is_loopback(settings.board_host):
        message = (
            f"the board on {settings.board_host} would show every lead to whoever reaches it: make an access file with "
            f"`leadglow tokens new NAME --file access.yaml` and name it in {variable('board_access')}, or set "
            f"{variable('board_host')}=127.0.0.1."
        )
        raise CommandError(Exit.REFUSED, message)
