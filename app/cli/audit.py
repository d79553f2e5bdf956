"""What commands write to the audit log.

A command that changes something, or exports, is noted as begun before its first write that cannot be undone, and with
its outcome after it. A command that shows something is noted once, before it prints.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.audit import Action, AuditLog, AuditLogUnwritable
from app.cli.errors import CommandError
from app.scorecards.publication import name_local_author
from app.settings import Settings
from streams.exits import Exit


def require_audit_log(settings: Settings) -> None:
    """Open the audit log before anything is changed or shown, so that nothing is done that it could not note.

    Raises:
        CommandError: the audit log cannot be written.
    """
    _open(settings).close()


@contextmanager
def noted(settings: Settings, action: Action, **more: Any) -> Iterator[dict[str, Any]]:
    """Note a change before and after the block that makes it; an error is noted, and what was written before it stays.

    Yields what only the block knows, for the record of the outcome.

    Raises:
        CommandError: the audit log cannot be written, so the block is not run.
    """
    log, who = _open(settings), name_local_author()
    log.write(action, who, "begun", **more)
    found: dict[str, Any] = {}
    try:
        yield found
    except BaseException as error:
        log.write(action, who, "failed", **more | found, error=str(error) or type(error).__name__)
        raise
    else:
        log.write(action, who, "done", **more | found)
    finally:
        log.close()


def note_shown(settings: Settings, action: Action, **more: Any) -> None:
    """Note what a command is about to show.

    Raises:
        CommandError: the audit log cannot be written.
    """
    log = _open(settings)
    log.write(action, name_local_author(), "done", **more)
    log.close()


def _open(settings: Settings) -> AuditLog:
    """The log; ``-`` is stderr, as stdout has the results.

    Raises:
        CommandError: it cannot be written.
    """
    try:
        return AuditLog(settings.audit_log, "command", sys.stderr)
    except AuditLogUnwritable as error:
        raise CommandError(Exit.REFUSED, str(error)) from None
