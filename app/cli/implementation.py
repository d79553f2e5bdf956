"""The implementation that a command scores with."""

from __future__ import annotations

from app.cli.errors import CommandError
from app.settings import Settings
from streams.exits import Exit
from streams.implementation import AcceleratorMissing, Implementation, choose


def choose_implementation(settings: Settings) -> Implementation:
    """The implementation that the settings ask for.

    Raises:
        CommandError: it is required and cannot be imported.
    """
    try:
        return choose(settings.accelerator)
    except AcceleratorMissing as error:
        raise CommandError(Exit.REFUSED, str(error)) from None
