"""The JSON API under /api/v1: what the command line says, byte for byte."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from app.board import responses
from app.board.openapi import A_MONTH, A_PAGE, MOST_A_PAGE, MOST_CHARS, MOST_DAYS, MOST_EXPORTED, document
from app.board.routing import WHO, Handler, Route
from app.board.service import Desk, Filters
from app.board.sse import Live
from app.http.refusals import Refusal
from app.instants import parse_instant_in_query
from streams.clock import now_ms

BASE: Final = "/api/v1"
_ID: Final = "{id:[^/]+}"
_COLUMNS: Final = ("lead_id", "scorecard", "score", "exact", "grade", "stage", "fit", "engagement", "last_seen_at")
_EXTRAS: Final = ("name", "title", "company", "channel")
_FILTERS: Final = ("scorecard", "stage", "grade", "category", "channel", "q")
_UNKNOWN: Final = "There is no such lead: no event with this id was scored."


class Api:
    """Handlers of the API."""

    def __init__(self, desk: Desk, live: Live) -> None:
        """``desk`` answers, ``live`` streams."""
        self._desk = desk
        self._live = live
        self._shown: tuple[dict[str, Any], bytes] = ({}, b"")
        """The last page of the ranking that was sent, and its bytes: most ask for the same."""

    def routes(self) -> list[Route]:
        """Every route: (method, path, name, handler)."""
        return [
            ("GET", f"{BASE}/leads", "api_leads", self._leads),
            ("GET", f"{BASE}/leads.csv", "api_export", self._export),
            ("GET", f"{BASE}/leads/{_ID}", "api_lead", self._lead),
            ("GET", f"{BASE}/leads/{_ID}/curve", "api_curve", self._of_lead(self._desk.curve)),
            ("GET", f"{BASE}/leads/{_ID}/timeline", "api_timeline", self._timeline),
            ("GET", f"{BASE}/leads/{_ID}/alerts", "api_alerts", self._alerts),
            ("GET", f"{BASE}/alerts", "api_alerts", self._alerts),
            ("GET", f"{BASE}/channels", "api_channels", self._channels),
            ("GET", f"{BASE}/scorecards", "api_scorecards", self._scorecards),
            ("GET", f"{BASE}/scorecards/{{name}}", "api_scorecard", self._scorecard),
            ("GET", f"{BASE}/flow", "api_flow", self._flow),
            ("GET", f"{BASE}/stream/alerts", "stream", self._live.alerts),
            ("GET", f"{BASE}/stream/leads", "stream", self._live.leads),
            ("GET", f"{BASE}/stream/leads/{_ID}", "stream", self._live.lead),
            ("GET", f"{BASE}/openapi.json", "openapi", self._openapi),
        ]

    async def _leads(self, request: web.Request) -> web.Response:
        known(request, *_FILTERS, "cursor", "limit")
        filters = filters_of(request)
        self._desk.require_known(filters)
        page = await self._desk.leads(filters, cursor_of(request), limit_of(request), request[WHO].role)
        if page is not self._shown[0]:
            self._shown = page, responses.encoded(page)
        return responses.tagged(request, self._shown[1])

    async def _lead(self, request: web.Request) -> web.Response:
        known(request, "at")
        view = await self._desk.lead(request.match_info["id"], at_of(request), request[WHO].role)
        if view is None:
            raise Refusal(404, "unknown_lead", _UNKNOWN)
        return responses.tagged(request, responses.encoded(view))

    def _of_lead(self, read: Any) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            known(request, "scorecard")
            found = await read(request.match_info["id"], request.query.get("scorecard"), request[WHO].role)
            return responses.tagged(request, responses.encoded(found))

        return handler

    async def _timeline(self, request: web.Request) -> web.Response:
        known(request)
        rows = await self._desk.timeline(request.match_info["id"], request[WHO].role)
        return responses.tagged(request, responses.encoded({"events": rows}))

    async def _alerts(self, request: web.Request) -> web.Response:
        known(request, "cursor", "limit")
        lead_id = request.match_info.get("id")
        page = await self._desk.alerts(cursor_of(request), limit_of(request), request[WHO].role, lead_id)
        return responses.tagged(request, responses.encoded(page))

    async def _channels(self, request: web.Request) -> web.Response:
        known(request, "scorecard", "touch", "days")
        touch = request.query.get("touch", "first")
        if touch not in ("first", "last"):
            raise Refusal(400, "bad_touch", "`touch` is `first` or `last`.")
        days = number_of(request, "days", A_MONTH, MOST_DAYS)
        found = await self._desk.channels(request.query.get("scorecard"), request[WHO].role, touch, days)
        return responses.tagged(request, responses.encoded(found))

    async def _scorecards(self, request: web.Request) -> web.Response:
        known(request)
        choices = self._desk.choices(None, request[WHO].role)
        return responses.tagged(request, responses.encoded({"scorecards": choices["scorecards"]}))

    async def _scorecard(self, request: web.Request) -> web.Response:
        known(request)
        return responses.tagged(request, responses.encoded(await self._desk.scorecard(request.match_info["name"])))

    async def _flow(self, request: web.Request) -> web.Response:
        known(request)
        return responses.tagged(request, responses.encoded(await self._desk.flow()))

    async def _openapi(self, request: web.Request) -> web.Response:
        return responses.tagged(request, responses.encoded(document()))

    async def _export(self, request: web.Request) -> web.StreamResponse:
        """The list as filtered, up to a bound, as CSV; made while it is sent."""
        known(request, *_FILTERS)
        filters, role = filters_of(request), request[WHO].role
        self._desk.require_known(filters)
        page = await self._desk.leads(filters, None, MOST_A_PAGE, role, extras=True)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": 'attachment; filename="leads.csv"',
            }
        )
        responses.careful(response)
        await response.prepare(request)
        await response.write(responses.csv_line([*_COLUMNS, *_EXTRAS]).encode())
        sent = 0
        while True:
            lines = [responses.csv_line([row[name] for name in (*_COLUMNS, *_EXTRAS)]) for row in page["leads"]]
            await response.write("".join(lines).encode("utf-8", "replace"))
            sent += len(lines)
            if page["next"] is None or sent >= MOST_EXPORTED:
                return response
            page = await self._desk.leads(filters, page["next"], MOST_A_PAGE, role, extras=True)


def known(request: web.Request, *names: str) -> None:
    """Refuse a parameter that means nothing here, or stands twice: a filter that is misspelt would show everybody."""
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise Refusal(400, "repeated_parameter", f"`{name}` may stand in the address once.")
        if name not in names:
            there = ", ".join(f"`{each}`" for each in names) or "none"
            raise Refusal(400, "unknown_parameter", f"This address takes no such parameter; it takes: {there}.")


def filters_of(request: web.Request) -> Filters:
    """What to list; an empty parameter is none."""
    said = {name: request.query.get(name) or None for name in _FILTERS}
    if any(len(value) > MOST_CHARS for value in said.values() if value):
        raise Refusal(400, "too_long", f"A filter has {MOST_CHARS} characters at most.")
    return Filters(**said)


def cursor_of(request: web.Request) -> str | None:
    """Where to go on."""
    return request.query.get("cursor") or None


def limit_of(request: web.Request) -> int:
    """How many to list."""
    return number_of(request, "limit", A_PAGE, MOST_A_PAGE)


def number_of(request: web.Request, name: str, default: int, most: int) -> int:
    """A whole number from 1."""
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise Refusal(400, "bad_number", f"`{name}` is a number from 1 to {most}.")
    return int(text)


def at_of(request: web.Request) -> int | None:
    """For which instant; None for now."""
    text = request.query.get("at")
    if not text:
        return None
    try:
        return parse_instant_in_query(text, now_ms())
    except (ValueError, OverflowError) as error:
        raise Refusal(400, "bad_time", f"`at`: {error}") from None
