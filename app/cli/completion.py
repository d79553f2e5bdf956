"""Shell completion: which commands to import for it, as importing all takes seconds."""

from collections.abc import Sequence

import typer

from app.settings_source import read_variable

VARIABLES = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""Where the shells put the words of the command line: bash, and the others."""


def completed_words() -> list[str] | None:
    """The words after ``leadglow`` on the command line that a shell completes; None if none does."""
    if not (read_variable("_LEADGLOW_COMPLETE") or "").startswith("complete_"):
        return None
    return next((text for name in VARIABLES if (text := read_variable(name))), "").split()[1:]


def add_names(root: typer.Typer, names: Sequence[str]) -> None:
    """Add commands that have only a name, for the completion of the name."""
    for name in names:
        root.command(name)(_nothing)


def _nothing() -> None:
    """Is never run."""
