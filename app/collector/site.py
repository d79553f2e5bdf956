"""The collector's HTTP site: routes, bodies, who sent them, and which answer each gets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from app.collector import cloudevents, links, responses, segment, snowplow
from app.collector.bodies import MemoryBudget, Reservation, inflate, too_large
from app.collector.calls import utf8_text, write_key_of
from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.mail_handlers import MailHandlers
from app.collector.metrics import Metrics
from app.collector.openapi import SEGMENT_BATCHES, SEGMENT_CALLS, TP2, openapi_document
from app.collector.rates import without_port
from app.collector.reception import Reception
from app.collector.router import Handler, Router
from app.http.refusals import method_not_allowed
from app.http.serving import listen, server_options
from app.http.workarounds import send_continue
from streams.clock import monotonic_s, now_ms

log = logging.getLogger(__name__)
BODY_S: Final = 20.0
"""How long a sender may take over a body."""
IDLE_S: Final = 120.0
"""How long a connection may take over the head of its next request; more than the proxies in front wait by default."""
FOLLOW_S: Final = 1.0
"""How long somebody who clicked waits for Kafka before being sent on."""
STOP_S: Final = 8.0
"""Longest orderly stop: less than the 10 s that Docker waits before it kills."""
SNIPPET: Final = Path(__file__).with_name("static") / "leadglow.js"
SEGMENT_PATHS: Final = (*SEGMENT_CALLS, *SEGMENT_CALLS.values(), *SEGMENT_BATCHES)
Read = Callable[[Inbound], Delivery]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings say about HTTP."""

    body_bytes: int = 5 * 1024 * 1024
    in_flight_bytes: int = 64 * 1024 * 1024
    proxies: int = 0
    """How many stand in front and append to X-Forwarded-For."""
    public_url: str = ""


class Site:
    """One listening site."""

    def __init__(self, reception: Reception, limits: Limits, metrics: Metrics) -> None:
        """Nothing listens before ``start``."""
        self._reception = reception
        self._limits = limits
        self._metrics = metrics
        self._mail = MailHandlers(reception)
        self._budget = MemoryBudget(limits.in_flight_bytes)
        metrics.in_flight.set_function(lambda: self._budget.reserved)
        self._runner: web.ServerRunner | None = None
        self._pending_clicks: set[asyncio.Task[None]] = set()
        self._router = Router((method, path, self._wrap_handler(name, do)) for method, path, name, do in self.routes())
        self._preflight = self._wrap_handler("preflight", self._answer_preflight)
        self._unknown = self._wrap_handler("unknown", self._refuse_unknown)

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the address."""
        server = web.Server(self._handle, keepalive_timeout=IDLE_S, auto_decompress=False, **server_options(log))
        self._runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
        return await listen(self._runner, host, port)

    async def stop(self) -> None:
        """Take no more connections and finish what is in flight."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._pending_clicks:
            await asyncio.wait(self._pending_clicks, timeout=FOLLOW_S)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        """What every request goes to."""
        handle = self._router.handlers_of(request.path).get(request.method)
        if "Expect" in request.headers:
            await send_continue(request)
        if handle is None:
            handle = self._preflight if request.method == "OPTIONS" else self._unknown
        return await handle(request)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """Every method and path, the route that metrics know it by, and its handler."""
        track, post = self._tracker_handler, self._mail_handler
        return [
            *(("POST", f"/v1/{name}", "segment", track("segment", segment.read_segment)) for name in SEGMENT_PATHS),
            ("GET", "/v1/projects/{write_key}/settings", "settings", self._serve_segment_settings),
            ("GET", "/sourceConfig", "settings", self._serve_rudderstack_settings),
            ("GET", "/sourceConfig/", "settings", self._serve_rudderstack_settings),
            ("POST", TP2, "snowplow", track("snowplow", snowplow.read_snowplow)),
            ("GET", "/i", "snowplow", track("snowplow", snowplow.read_snowplow, responses.pixel_response)),
            ("POST", "/v1/cloudevents", "cloudevents", track("cloudevents", cloudevents.read_cloudevents)),
            *(
                (method, "/v1/pixel.gif", "pixel", track("pixel", links.read_pixel, responses.pixel_response))
                for method in _GET_AND_HEAD
            ),
            *((method, "/v1/link", "links", self._follow_link) for method in _GET_AND_HEAD),
            *(
                (method, "/webhooks/{name}", "webhooks", post(self._mail.accept_webhook))
                for method in (*_GET_AND_HEAD, "POST")
            ),
            *(
                (method, "/unsubscribe/{token}", "unsubscribe", post(self._mail.show_unsubscribe_page))
                for method in _GET_AND_HEAD
            ),
            ("POST", "/unsubscribe/{token}", "unsubscribe", post(self._mail.accept_unsubscribe)),
            ("GET", "/leadglow.js", "snippet", self._serve_snippet),
            ("GET", "/openapi.json", "openapi", self._serve_openapi),
        ]

    def _wrap_handler(self, route: str, handle: Handler) -> Handler:
        """A handler whose refusals are answers, too, and which is measured."""
        seconds = self._metrics.request_seconds.labels(route)
        by_status: dict[int, Callable[[], None]] = {}

        async def answered(request: web.BaseRequest) -> web.Response:
            began_s = monotonic_s()
            try:
                response = await handle(request)
            except Refusal as refused:
                response = self._refusal_response(refused)
            except Exception:
                log.exception("a request to %s failed", route)
                response = self._refusal_response(
                    Refusal(500, "internal", "The collector failed at this: see its log.")
                )
            origin = request.headers.get("Origin")
            if origin and self._reception.keyring.allows_origin(origin):
                responses.allow_origin(response, origin)
            seconds.observe(monotonic_s() - began_s)
            count = by_status.get(response.status)
            if count is None:
                count = by_status[response.status] = self._metrics.requests.labels(route, response.status).inc
            count()
            return response

        return answered

    def _refusal_response(self, refused: Refusal) -> web.Response:
        self._metrics.refused.labels(refused.code).inc()
        return responses.refusal_response(refused)

    # Requests -----------------------------------------------------------------------------------------------------

    async def _read_request(self, request: web.BaseRequest, reservation: Reservation) -> Inbound:
        """The request without aiohttp, its body inflated.

        Raises:
            Refusal: the body cannot be had.
        """
        headers, limit = request.headers, self._limits.body_bytes
        body = await self._read_body(request, reservation, limit)
        encoding = headers.get("Content-Encoding")
        if encoding and body:
            body = inflate(body, encoding, limit)
            reservation.reserve(len(body))
        query = tuple(request.query.items()) if request.query_string else ()
        return Inbound(request.method, request.path, query, headers, body, now_ms(), reservation.remote)

    async def _read_body(self, request: web.BaseRequest, reservation: Reservation, limit: int) -> bytes:
        content = request.content
        try:
            if content.is_eof() and content.total_bytes <= limit:  # small ones come with the head
                reservation.reserve(content.total_bytes)
                return content.read_nowait()
            if (request.content_length or 0) > limit:
                raise too_large(limit)
            body = bytearray()
            async with asyncio.timeout(BODY_S):
                async for chunk in content.iter_any():
                    reservation.reserve(len(chunk))
                    body += chunk
                    if len(body) > limit:
                        raise too_large(limit)
        except TimeoutError:
            raise Refusal(408, "too_slow", f"The body did not arrive in {BODY_S:g} s: send it again.") from None
        except (ConnectionError, web.RequestPayloadError):
            raise Refusal(400, "broken_body", "The body did not arrive whole: send it again.") from None
        return bytes(body)

    def _sender_of(self, request: web.BaseRequest) -> str:
        """Who sent it: what the outermost of our own proxies saw."""
        proxies = self._limits.proxies
        if proxies:
            hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")]
            if len(hops) >= proxies and hops[-proxies]:
                return without_port(hops[-proxies])
        return request.remote or ""

    def _base_url(self, request: web.BaseRequest) -> str:
        """Where the world reaches this site."""
        return self._limits.public_url.rstrip("/") or utf8_text(f"{request.scheme}://{request.host}")

    # Handlers -----------------------------------------------------------------------------------------------------

    def _tracker_handler(
        self, route: str, read: Read, answer: Callable[[], web.Response] = responses.accepted_response
    ) -> Handler:
        """A handler that takes what trackers send."""

        async def tracked(request: web.BaseRequest) -> web.Response:
            with self._budget.reserve_for(self._sender_of(request)) as reservation:
                await self._reception.accept_tracked(route, await self._read_request(request, reservation), read)
            return answer()

        return tracked

    def _mail_handler(self, handle: Callable[[Inbound, str], Awaitable[web.Response]]) -> Handler:
        """A handler that takes what mail services and their readers send; the last part of the path says for what."""

        async def posted(request: web.BaseRequest) -> web.Response:
            with self._budget.reserve_for(self._sender_of(request)) as reservation:
                return await handle(await self._read_request(request, reservation), request.path.rpartition("/")[2])

        return posted

    async def _follow_link(self, request: web.BaseRequest) -> web.Response:
        """Send the visitor on even if Kafka is away: who clicked must get there."""
        with self._budget.reserve_for(self._sender_of(request)) as reservation:
            inbound = await self._read_request(request, reservation)
            delivery, target = links.read_click(inbound, self._reception.keyring.link_secret, inbound.received_ms)
            keeping = asyncio.create_task(self._reception.accept_click(inbound, delivery))
            self._pending_clicks.add(keeping)
            keeping.add_done_callback(self._finish_click)
            await asyncio.wait([keeping], timeout=FOLLOW_S)
        return responses.redirect_response(target)

    def _finish_click(self, task: asyncio.Task[None]) -> None:
        self._pending_clicks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Refusal):
            self._metrics.refused.labels(error.code).inc()
        elif error is not None:
            log.error("a click was not kept", exc_info=error)

    async def _serve_segment_settings(self, request: web.BaseRequest) -> web.Response:
        return responses.json_response(
            segment.segment_settings(
                self._reception.keyring.check_public(utf8_text(request.path.split("/")[3])), self._base_url(request)
            )
        )

    async def _serve_rudderstack_settings(self, request: web.BaseRequest) -> web.Response:
        headers = {"authorization": request.headers.get("Authorization", "")}
        shown = write_key_of(Inbound("GET", request.path, tuple(request.query.items()), headers))
        return responses.json_response(segment.rudderstack_settings(self._reception.keyring.check_public(shown)))

    async def _serve_snippet(self, request: web.BaseRequest) -> web.Response:
        return responses.cached_file(request, SNIPPET.read_bytes(), "text/javascript; charset=utf-8")

    async def _serve_openapi(self, request: web.BaseRequest) -> web.Response:
        return responses.json_response(openapi_document(self._base_url(request)))

    async def _answer_preflight(self, request: web.BaseRequest) -> web.Response:
        if not self._reception.keyring.allows_origin(request.headers.get("Origin", "")):
            raise Refusal(403, "origin_not_allowed", "No key is for pages of this origin: add it to a key's `origins`.")
        return responses.preflight_response(request.headers.get("Access-Control-Request-Headers", ""))

    async def _refuse_unknown(self, request: web.BaseRequest) -> web.Response:
        methods = self._router.handlers_of(request.path)
        if not methods:
            raise Refusal(404, "not_found", "There is nothing here: /openapi.json lists what there is.")
        raise method_not_allowed(methods)


_GET_AND_HEAD: Final = ("GET", "HEAD")
