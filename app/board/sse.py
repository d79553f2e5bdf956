"""Streams of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from app.board import responses
from app.board.broadcast import AlertSent, LeadChanged, LeadIndexed, Listener, News, Notice
from app.board.metrics import Metrics
from app.board.routing import CURRENT_VIEWER, STILL_ALLOWED
from app.board.service import BoardService
from app.http.refusals import Refusal
from streams.clock import monotonic_s

HEARTBEAT_S: Final = 15.0
WRITE_TIMEOUT_S: Final = 10.0
"""How long a client may take to receive an event."""
SETTLE_S: Final = 0.12
"""From a change to its event: longer than a page of the ranking is shared (`ranking.FRESH_S`)."""
PACE_S: Final = 0.25
"""Minimum time between two events about changed leads."""
SendEvent = Callable[[str, Any], Awaitable[None]]


class StreamComplete(Exception):
    """The stream is complete."""


class EventStreams:
    """Opens streams of server-sent events."""

    def __init__(self, service: BoardService, metrics: Metrics) -> None:
        """There are no streams yet."""
        self._service = service
        self._metrics = metrics
        metrics.streams.set_function(lambda: len(service.tails.broadcast))

    async def stream_alerts(self, request: web.Request) -> web.StreamResponse:
        """Stream all alerts."""
        role = request[CURRENT_VIEWER].role

        async def send_news(send_event: SendEvent, news: News) -> None:
            await self._send_alerts(send_event, news, role)

        return await self._stream(request, lambda notice: type(notice) is AlertSent, send_news)

    async def stream_leads(self, request: web.Request) -> web.StreamResponse:
        """Stream the ids of changed leads of a scorecard, a few times per second.

        With ``indexed=yes`` those that changed in the search index, for a list that needs it.
        """
        indexed = request.query.get("indexed") == "yes"
        card, role = self._service.find_scorecard(request.query.get("scorecard")).name, request[CURRENT_VIEWER].role

        def is_wanted(notice: Notice) -> bool:
            if indexed:
                return type(notice) is LeadIndexed
            return type(notice) is LeadChanged and notice.scorecard in (None, card)

        async def send_news(send_event: SendEvent, news: News) -> None:
            named = [] if news.flooded else [self._service.mask.mask_id(lead_id, role) for lead_id in news.changed]
            await send_event("changed", {"lead_ids": named, "all": news.flooded})

        return await self._stream(request, is_wanted, send_news, PACE_S)

    async def stream_lead(self, request: web.Request) -> web.StreamResponse:
        """Stream a lead whenever its score changes, and its alerts; ends when the lead is erased."""
        given, role = request.match_info["id"], request[CURRENT_VIEWER].role
        view = await self._service.get_lead(given, None, role)
        if view is None:
            raise Refusal(404, "unknown_lead", "There is no such lead: no event with this id was scored.")
        lead_id = self._service.mask.resolve_id(view["lead_id"], role) or given
        ids = {lead_id, given}

        async def send_news(send_event: SendEvent, news: News) -> None:
            await self._send_alerts(send_event, news, role)
            if news.changed:
                found = await self._service.get_lead(given, None, role)
                if found is None:
                    await send_event("gone", {"lead_id": view["lead_id"]})
                    raise StreamComplete
                ids.add(self._service.mask.resolve_id(found["lead_id"], role) or given)
                await send_event("lead", found)

        def is_wanted(notice: Notice) -> bool:
            return type(notice) is not LeadIndexed and notice.lead_id in ids

        return await self._stream(request, is_wanted, send_news, PACE_S)

    async def stream_account(self, request: web.Request) -> web.StreamResponse:
        """Stream the alerts of an account."""
        given, role = request.match_info["id"], request[CURRENT_VIEWER].role
        of = self._service.accounts.find_id(request.match_info["name"], given, role)

        async def send_news(send_event: SendEvent, news: News) -> None:
            await self._send_alerts(send_event, news, role)

        return await self._stream(request, lambda notice: type(notice) is AlertSent and notice.lead_id == of, send_news)

    async def _send_alerts(self, send_event: SendEvent, news: News, role: str) -> None:
        for alerted in news.alerts:
            event = "account_alert" if "account" in alerted.alert else "alert"
            await send_event(event, self._service.mask.mask_alert(alerted.alert, role))

    async def _stream(
        self,
        request: web.Request,
        is_wanted: Callable[[Notice], bool],
        send_news: Callable[[SendEvent, News], Awaitable[None]],
        pace_s: float = 0.0,
    ) -> web.StreamResponse:
        viewer = request[CURRENT_VIEWER].name
        with self._service.tails.broadcast.listen(is_wanted, viewer) as listener:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
            responses.set_security_headers(response)
            await response.prepare(request)
            try:
                await _write(response, b"retry: 2000\n\n")
                await self._feed(request, response, listener, (send_news, pace_s))
            except (ConnectionError, TimeoutError):
                self._metrics.lost.inc()
            except StreamComplete:
                pass
            except Refusal:
                pass  # Redis does not respond: the client reconnects, and gets the refusal
            if listener.lost:
                self._metrics.lost.inc()
        return response

    async def _feed(
        self,
        request: web.Request,
        response: web.StreamResponse,
        listener: Listener,
        how: tuple[Callable[[SendEvent, News], Awaitable[None]], float],
    ) -> None:
        send_news, pace_s = how

        async def send_event(event: str, value: Any) -> None:
            data = responses.encode_json(value)  # JSON has no line breaks, so it is one line of data
            await _write(response, b"event: " + event.encode() + b"\ndata: " + data + b"\n\n")

        sent_s = 0.0
        while not listener.lost:
            news = await listener.wait_for_news(HEARTBEAT_S)
            if not news:
                if listener.lost or not request[STILL_ALLOWED]():
                    return
                await _write(response, b": heartbeat\n\n")
                continue
            if pace_s:
                await asyncio.sleep(max(SETTLE_S, sent_s + pace_s - monotonic_s()))
                more = listener.take_news()
                changed = list(dict.fromkeys([*news.changed, *more.changed]))
                news = News(news.alerts + more.alerts, changed, news.flooded or more.flooded)
                sent_s = monotonic_s()
            if not request[STILL_ALLOWED]():
                return
            await send_news(send_event, news)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(data)
