"""The command ``leadglow``: its subcommands, and how errors are reported."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.cli.completion import add_names, completed_words
from app.cli.errors import CommandError
from app.cli.output import OutputLost, checked_output
from app.settings_source import SettingsError
from app.tracing import TracingMissing
from streams.exits import Exit

COMMANDS = (
    "demo", "worker", "collector", "board", "notify", "status", "doctor",
    "topics", "scorecards", "try", "backtest", "calibrate", "keys", "tokens", "lead", "leads", "results",
    "account", "accounts", "erase", "rebuild", "restore", "upgrade", "repartition",
)  # fmt: skip
"""Each is a module in this folder with ``register``, in the order of ``--help``."""
MODULES = {"try": "trial"}
"""Command -> its module, where the name cannot be the same."""


class Commands(TyperGroup):
    """Turns an expected error into a sentence and an exit status instead of a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order of ``COMMANDS``."""
        return [name for name in COMMANDS if name in self.commands]

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            _exit_with(Exit.REFUSED, f"the settings are wrong:\n{error}")
        except TracingMissing as missing:
            _exit_with(Exit.REFUSED, str(missing))
        except CommandError as fault:
            _exit_with(fault.status, str(fault))


def build(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """Put commands together; without any, their names alone, for completion."""
    root = typer.Typer(
        name="leadglow",
        cls=Commands,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},  # commands below inherit it
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=_HELP,
        epilog=_epilog(),
    )
    root.callback()(_root)
    for name in names:
        module = f"app.cli.{MODULES.get(name, name)}"
        if importlib.util.find_spec(module):
            importlib.import_module(module).register(root)
    if not names:
        add_names(root, COMMANDS)
    return root


def main() -> None:
    """Run the command line; an unexpected error ends it with a traceback and status 70."""
    try:
        with checked_output():
            build(_select_commands(sys.argv[1:]))(prog_name="leadglow")
    except OutputLost as lost:
        if lost.reader_gone:
            sys.exit(Exit.READER_GONE)
        print(f"leadglow: {lost}", file=sys.stderr)
        sys.exit(Exit.UNWRITTEN)
    except Exception:
        traceback.print_exc()
        print("leadglow: unexpected error: please report it with the lines above.", file=sys.stderr)
        sys.exit(Exit.TROUBLE)


def _select_commands(args: Sequence[str]) -> Sequence[str]:
    """The one command to import; all of them for help and for a mistake."""
    if (words := completed_words()) is not None:
        return words[:1] if words and words[0] in COMMANDS else ()
    return args[:1] if args and args[0] in COMMANDS else COMMANDS


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"leadglow {installed_version('leadglow')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Has no other options."""


def _exit_with(status: Exit, message: str) -> None:
    typer.echo(f"leadglow: {message}", err=True)
    raise typer.Exit(status)


_HELP = """Real-time lead scoring on event streams.

Leads glow while they engage and cool when they stop. Settings are environment variables LEADGLOW_..., or keys of
the file that LEADGLOW_SETTINGS names; docs/settings.md lists them."""


def _epilog() -> str:
    return "Exit status: " + "; ".join(f"{status} {status.meaning}" for status in Exit) + "."
