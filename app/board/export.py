"""The ranking as a CSV file, written while it is read."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from app.board import responses
from app.board.filters import PARAMETERS
from app.board.lead_columns import TRAIT
from app.board.parameters import MAX_LIMIT, check_parameters, parse_filters
from app.board.routing import CURRENT_VIEWER
from app.board.service import BoardService
from app.freshness import Freshness

MAX_EXPORTED: Final = 10_000
_CUT: Final = "Not all leads: this file ends after {most}. Use filters, or `leadglow leads export` for all leads."
_COLUMNS: Final = (
    "lead_id", "scorecard", "score", "exact", "grade", "stage", "fit", "engagement", "last_seen_at",
    "name", "title", "company", "channel",
)  # fmt: skip


async def export_leads(request: web.Request, service: BoardService) -> web.StreamResponse:
    """Send the filtered ranking, up to a limit."""
    check_parameters(request, *PARAMETERS, beginning=TRAIT)
    filters, role = parse_filters(request), request[CURRENT_VIEWER].role
    service.check_filters(filters)
    freshness = service.freshness
    page = await service.list_leads(filters, None, MAX_LIMIT, role, extras=True)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": 'attachment; filename="leads.csv"',
            **responses.freshness_headers(freshness),
        }
    )
    responses.set_security_headers(response)
    await response.prepare(request)
    await response.write(responses.csv_line(list(_COLUMNS)).encode())
    sent = 0
    while True:
        rows = page["leads"][: MAX_EXPORTED - sent]
        lines = [responses.csv_line([row[name] for name in _COLUMNS]) for row in rows]
        await response.write("".join(lines).encode("utf-8", "replace"))
        sent += len(rows)
        is_cut = sent == MAX_EXPORTED and (page["next"] is not None or len(rows) < len(page["leads"]))
        if page["next"] is None or is_cut:
            latest = freshness if freshness.is_notable else service.freshness
            await response.write(_notes(latest, is_cut).encode())
            return response
        page = await service.list_leads(filters, page["next"], MAX_LIMIT, role, extras=True)


def _notes(freshness: Freshness, is_cut: bool) -> str:
    """Last lines of the file: that leads are missing, or scores incomplete. Nothing if it is complete."""
    notes = [freshness.describe()] if freshness.is_notable else []
    if is_cut:
        notes.append(_CUT.format(most=MAX_EXPORTED))
    return "".join(responses.csv_line([f"NOTE: {note}"] + [None] * (len(_COLUMNS) - 1)) for note in notes)
