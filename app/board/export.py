"""The ranking as a CSV file, written while it is read."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from app.board import responses
from app.board.parameters import FILTERS, MAX_LIMIT, check_parameters, parse_filters
from app.board.routing import CURRENT_VIEWER
from app.board.service import BoardService

MAX_EXPORTED: Final = 10_000
_COLUMNS: Final = (
    "lead_id", "scorecard", "score", "exact", "grade", "stage", "fit", "engagement", "last_seen_at",
    "name", "title", "company", "channel",
)  # fmt: skip


async def export_leads(request: web.Request, service: BoardService) -> web.StreamResponse:
    """Send the filtered ranking, up to a limit."""
    check_parameters(request, *FILTERS)
    filters, role = parse_filters(request), request[CURRENT_VIEWER].role
    service.check_filters(filters)
    page = await service.list_leads(filters, None, MAX_LIMIT, role, extras=True)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": 'attachment; filename="leads.csv"',
        }
    )
    responses.set_security_headers(response)
    await response.prepare(request)
    await response.write(responses.csv_line(list(_COLUMNS)).encode())
    sent = 0
    while True:
        lines = [responses.csv_line([row[name] for name in _COLUMNS]) for row in page["leads"]]
        await response.write("".join(lines).encode("utf-8", "replace"))
        sent += len(lines)
        if page["next"] is None or sent >= MAX_EXPORTED:
            return response
        page = await service.list_leads(filters, page["next"], MAX_LIMIT, role, extras=True)
