"""What the board writes to the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

from app.audit import Action, AuditLog
from app.board.identity import Viewer
from app.board.routing import CURRENT_VIEWER

_READS: Final[dict[str, Action]] = {
    **dict.fromkeys(("page_leads", "api_leads", "page_alerts", "api_alerts"), "list"),
    **dict.fromkeys(("page_lead", "api_lead", "api_curve", "api_timeline"), "see"),
    "api_export": "export",
    "stream": "follow",
    **dict.fromkeys(("page_try", "api_try"), "try"),
}
_WRITES: Final[dict[str, Action]] = {
    **dict.fromkeys(("page_verdict", "api_verdict"), "change_lead"),
    **dict.fromkeys(("page_publish", "api_publish"), "publish"),
    "login": "sign_in",
}
"""Route -> action, for requests that change something."""


class BoardAudit:
    """Writes one record for each request that shows or changes something about leads or scorecards."""

    def __init__(self, log: AuditLog, resolve_id: Callable[[str, str], str | None]) -> None:
        """``resolve_id(id, role)`` returns the id behind a masked one."""
        self._log = log
        self._resolve_id = resolve_id

    def note(self, request: web.Request, route: str, status: int) -> None:
        """Write a record, unless the request is of no interest. A stream is noted at its begin, with status 200."""
        action = self._action_of(request, route)
        viewer: Viewer | None = request.get(CURRENT_VIEWER)
        if action is None or (viewer is None and action != "sign_in"):
            return
        outcome = "done" if status < 400 else "refused" if status < 500 else "failed"
        role = viewer.role if viewer is not None else ""
        self._log.write(
            action,
            viewer.name if viewer is not None else "unknown",
            outcome,
            role=role,
            address=request.remote,
            status=status,
            lead_id=self._lead_of(request, role),
            version=request.match_info.get("version"),
            query=dict(request.query) if action in {"list", "export", "follow"} else None,
        )

    @staticmethod
    def _action_of(request: web.Request, route: str) -> Action | None:
        if request.path == "/logout":
            return "sign_out"
        return _READS.get(route) if request.method in {"GET", "HEAD"} or route in _READS else _WRITES.get(route)

    def _lead_of(self, request: web.Request, role: str) -> str | None:
        given = request.match_info.get("id")
        return None if given is None else self._resolve_id(given, role) or given
