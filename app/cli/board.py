"""``leadglow board``: shows leads over HTTP until it is stopped."""

from __future__ import annotations

import typer

from app.board.site import is_loopback
from app.cli.errors import CommandError
from app.cli.reachable import check_permissions, check_store
from app.cli.serving import serve
from app.settings import Settings, variable
from app.settings_source import load_settings
from app.wiring import make_board, make_store
from streams.exits import Exit


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(board)


def board() -> None:
    """Show leads in a browser and through an API until stopped.

    Writes only where somebody with the role editor publishes scorecards, or with the role sales gives a verdict.
    Without an access file (LEADGLOW_BOARD_ACCESS) it must listen on a loopback address. While Redis cannot be reached,
    or has the state of another number of partitions, requests for leads and /ready get 503. Stop it with Ctrl-C or
    SIGTERM.
    """
    settings = load_settings()
    _check_settings(settings)
    remedy = "Correct the file, or name another one."
    serve("board", settings, make_board, remedy, lambda built: _check_servers(settings))


async def _check_servers(settings: Settings) -> None:
    """See that the board may read Redis and Kafka; requests are answered meanwhile."""
    store = make_store(settings, url=settings.board_redis)
    try:
        await check_store(store, writes=False)
    finally:
        await store.close()
    await check_permissions(settings, "board")


def _check_settings(settings: Settings) -> None:
    if settings.board_access is None and not is_loopback(settings.board_host):
        message = (
            f"the board on {settings.board_host} would show every lead to anybody who can reach it: make an access "
            f"file with `leadglow tokens new NAME --file access.yaml` and set {variable('board_access')} to its path, "
            f"or set {variable('board_host')}=127.0.0.1."
        )
        raise CommandError(Exit.REFUSED, message)
