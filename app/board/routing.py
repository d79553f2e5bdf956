"""Routes: their form, the paths of the API, and what the site adds to a request for its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from app.board.identity import Viewer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, str, Handler]
"""Method, path, name for metrics, handler."""

BASE: Final = "/api/v1"
API_PATHS: Final = {
    "leads": f"{BASE}/leads",
    "export": f"{BASE}/leads.csv",
    "lead": f"{BASE}/leads/{{id}}",
    "curve": f"{BASE}/leads/{{id}}/curve",
    "timeline": f"{BASE}/leads/{{id}}/timeline",
    "giveVerdict": f"{BASE}/leads/{{id}}/verdicts",
    "undoVerdict": f"{BASE}/leads/{{id}}/verdicts/undo",
    "leadAlerts": f"{BASE}/leads/{{id}}/alerts",
    "alerts": f"{BASE}/alerts",
    "accounts": f"{BASE}/accounts",
    "account": f"{BASE}/accounts/{{name}}/{{id}}",
    "accountAlerts": f"{BASE}/accounts/{{name}}/{{id}}/alerts",
    "channels": f"{BASE}/channels",
    "results": f"{BASE}/results",
    "exportResults": f"{BASE}/results.csv",
    "scorecards": f"{BASE}/scorecards",
    "versions": f"{BASE}/versions",
    "version": f"{BASE}/versions/{{version}}",
    "tryRollback": f"{BASE}/versions/{{version}}/try",
    "scorecard": f"{BASE}/scorecards/{{name}}",
    "scorecardUsage": f"{BASE}/scorecards/{{name}}/usage",
    "tryScorecards": f"{BASE}/try",
    "publishScorecards": f"{BASE}/scorecards/publish",
    "rollbackScorecards": f"{BASE}/scorecards/rollback",
    "flow": f"{BASE}/flow",
    "streamAlerts": f"{BASE}/stream/alerts",
    "streamLeads": f"{BASE}/stream/leads",
    "streamLead": f"{BASE}/stream/leads/{{id}}",
    "streamAccount": f"{BASE}/stream/accounts/{{name}}/{{id}}",
    "recordSchema": f"{BASE}/schemas/{{name}}",
    "openapi": f"{BASE}/openapi.json",
}
"""Operation of the OpenAPI document -> path."""
_POSTED: Final = frozenset(
    {"tryScorecards", "publishScorecards", "tryRollback", "rollbackScorecards", "giveVerdict", "undoVerdict"}
)

CURRENT_VIEWER = web.RequestKey("current_viewer", Viewer)
"""Who sent the request; missing for a page that shows no lead to a visitor who is not signed in."""
STILL_ALLOWED: web.RequestKey[Callable[[], bool]] = web.RequestKey("still_allowed", Callable)  # type: ignore[arg-type]
"""Returns whether the viewer is still known, with the same role."""


def method_of(operation: str) -> str:
    """The method of an operation of the API."""
    return "POST" if operation in _POSTED else "GET"
