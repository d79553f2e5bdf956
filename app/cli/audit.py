"""What commands write to the audit log."""

import sys
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


def note_command(settings: Settings, action: Action, outcome: str = "done", **more: Any) -> None:
    """Write what somebody did on the command line; with ``-`` to stderr, as stdout has the results.

    Raises:
        CommandError: the audit log cannot be written.
    """
    log = _open(settings)
    log.write(action, name_local_author(), outcome, **more)
    log.close()


def _open(settings: Settings) -> AuditLog:
    try:
        return AuditLog(settings.audit_log, "command", sys.stderr)
    except AuditLogUnwritable as error:
        raise CommandError(Exit.REFUSED, str(error)) from None
