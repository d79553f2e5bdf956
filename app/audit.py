"""The audit log: who saw, exported, erased or changed what, one JSON object a line."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Final, Literal, TextIO

from app.request_ids import REQUEST_ID
from streams.clock import now_ms
from streams.shard.alert import rfc3339
from streams.yamlfile.watched import Watched

Action = Literal[
    "sign_in", "sign_out", "see", "list", "follow", "export", "try", "change_lead", "erase", "publish", "rebuild",
    "accept_gap", "upgrade", "repartition", "replay", "update_topics", "use_file",
]  # fmt: skip
STREAM: Final = "-"


class AuditLogUnwritable(Exception):
    """The audit log cannot be written."""

    def __init__(self, target: str, error: OSError) -> None:
        super().__init__(f"the audit log {target} cannot be written ({error.strerror}): correct LEADGLOW_AUDIT_LOG.")


class AuditLog:
    """Writes the records of one process."""

    def __init__(self, target: str, process: str, stream: TextIO | None = None) -> None:
        """Open the log.

        Args:
            target: a file, ``-`` for the stream, or empty for none.
            process: the name of the command.
            stream: by default stdout.

        Raises:
            AuditLogUnwritable: the file cannot be written.
        """
        self._process = process
        try:
            self._handler = _open_target(target, stream)
        except OSError as error:
            raise AuditLogUnwritable(target, error) from None

    def write(self, action: Action, who: str, outcome: str, **more: Any) -> None:
        """Write a record; ``more`` names the role, the address, the lead and so on, where they are known."""
        if self._handler is None:
            return
        known = {name: value for name, value in more.items() if value not in (None, "", {})}
        row = {"at": rfc3339(now_ms()), "audit": action, "who": who, "outcome": outcome, "process": self._process}
        if request_id := REQUEST_ID.get():
            row["request_id"] = request_id
        text = json.dumps(row | known, ensure_ascii=False)
        self._handler.handle(logging.LogRecord("audit", logging.INFO, "", 0, text, (), None))

    def follow_file(self, file: Watched[Any]) -> None:
        """Note which contents of a file are in use, now and after each change; who made it is not known."""

        def note() -> None:
            outcome = "refused" if file.is_refused else "done"
            self.write("use_file", "unknown", outcome, file=file.label, sha256=file.sha256)

        file.on_reload = note
        note()

    def close(self) -> None:
        """Close the file."""
        if self._handler is not None:
            self._handler.close()


def require_writable(target: str) -> None:
    """Check whether the file could be opened, without making it.

    Raises:
        AuditLogUnwritable: it could not.
    """
    path = Path(target)
    if path.is_dir():
        reason = errno.EISDIR
    elif not path.parent.is_dir():
        reason = errno.ENOENT
    elif not (os.access(path, os.W_OK) if path.exists() else os.access(path.parent, os.W_OK | os.X_OK)):
        reason = errno.EACCES
    else:
        return
    raise AuditLogUnwritable(target, OSError(reason, os.strerror(reason)))


def _open_target(target: str, stream: TextIO | None) -> logging.Handler | None:
    if not target:
        return None
    if target == STREAM:
        return logging.StreamHandler(stream or sys.stdout)
    Path(target).touch(mode=0o600)  # it holds ids of leads
    return WatchedFileHandler(target, encoding="utf-8")  # opens a new file after logrotate has moved the old one
