"""The form that publishes scorecards or goes back to a version, and what it sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from app.board.publishing import MAX_NOTE_CHARS, Terms
from app.scorecards.publication import is_held


def describe_offer(report: dict[str, Any], most_alerts: int, sent: Terms | None = None) -> dict[str, Any]:
    """What the form needs of the report about a change; ``sent`` was refused, and is filled in again."""
    alerts = report.get("alerts", 0)
    return {
        "instead_of": report["old_version"],
        "alerts": alerts,
        "most_alerts": most_alerts,
        "held": is_held(alerts, most_alerts, quiet=False),
        "max_note": MAX_NOTE_CHARS,
        "note": sent.note if sent else "",
        "quiet": sent is not None and sent.quiet,
    }


def read_terms(form: Mapping[str, str]) -> Terms:
    """How a change is published, by the fields of the form."""
    note = form.get("note", "").strip()[:MAX_NOTE_CHARS]
    return Terms(form.get("instead_of", ""), note, "quiet" in form, "confirmed" in form)


def redirect_to_versions(done: dict[str, Any]) -> web.Response:
    """Show the versions after a publication."""
    query = "published" if done["published"] else "unchanged"
    return web.Response(status=303, headers={"Location": f"/versions?done={query}"})
