"""Reports faults of exported events that a command is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.backtest.export import BadExport
from app.cli.errors import CommandError
from streams.exits import Exit


@contextmanager
def reading_export(files: Sequence[Path]) -> Iterator[None]:
    """End the command with a sentence if one of these files cannot be read.

    Raises:
        CommandError: it cannot.
    """
    try:
        yield
    except BadExport as error:
        raise CommandError(Exit.REFUSED, str(error)) from None
    except OSError as error:
        message = f"{error.filename or files[0]} cannot be read: {error.strerror or error}"
        raise CommandError(Exit.REFUSED, message) from None
