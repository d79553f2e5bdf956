"""The collector's HTTP site: its routes, and the response of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from app.collector import cloudevents, links, openapi, responses, segment, snippet, snowplow, tracker_pixels, webhooks
from app.collector.calls import utf8_text, write_key_of
from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.mail_handlers import MailHandlers
from app.collector.metrics import STATUSES, Metrics
from app.collector.reception import Reception
from app.collector.request_reader import Limits, RequestReader
from app.collector.router import Handler, Router
from app.collector.webhooks import unsubscribe
from app.http.refusals import method_not_allowed
from app.http.serving import listen, server_options
from app.http.workarounds import send_continue
from app.request_ids import HEADER, begin_request
from streams.clock import monotonic_s
from streams.connections import BoundedServer

log = logging.getLogger(__name__)
IDLE_S: Final = 120.0
"""How long a connection may stay idle between requests; longer than the proxies in front wait by default."""
FOLLOW_S: Final = 1.0
"""How long a visitor who clicked a link waits for Kafka before the redirect."""
MAX_CONNECTIONS: Final = 10_000
STOP_S: Final = 8.0
"""Time limit of an orderly stop: less than the 10 s that Docker waits before it kills the process."""
_GET_AND_HEAD: Final = ("GET", "HEAD")
_WITH_CREDENTIALS: Final = (snowplow.POST_PATH, snowplow.GET_PATH)
"""Paths of the tracker that sends cookies unasked; a browser would not let it read the response, or not let it send."""
Reader = Callable[[Inbound], Delivery]


class Site:
    """One listening site."""

    def __init__(self, reception: Reception, limits: Limits, metrics: Metrics) -> None:
        """It listens from ``start`` on."""
        self._reception = reception
        self._metrics = metrics
        self._mail = MailHandlers(reception)
        self._reader = RequestReader(limits)
        self._proxied = limits.proxies > 0
        metrics.in_flight.set_function(lambda: self._reader.budget.reserved)
        self._runner: web.ServerRunner | None = None
        self._pending_clicks: set[asyncio.Task[None]] = set()
        self._router = Router(
            (method, path, self._wrap_handler(name, handler)) for method, path, name, handler in self.routes()
        )
        self._preflight = self._wrap_handler("preflight", self._answer_preflight)
        self._unknown = self._wrap_handler("unknown", self._refuse_unknown)

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the URL."""
        options = {"keepalive_timeout": IDLE_S, "auto_decompress": False, **server_options(log)}
        budget = self._reader.budget
        server = BoundedServer(self._handle, MAX_CONNECTIONS, self._proxied, budget.reserve_for, **options)
        self._metrics.connections.watch(server)
        self._runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
        return await listen(self._runner, host, port)

    async def stop(self) -> None:
        """Close the listener, and finish the requests in flight."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._pending_clicks:
            await asyncio.wait(self._pending_clicks, timeout=FOLLOW_S)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        """Handle any request."""
        handle = self._router.handlers_of(request.path).get(request.method)
        if "Expect" in request.headers:
            await send_continue(request)
        if handle is None:
            handle = self._preflight if request.method == "OPTIONS" else self._unknown
        return await handle(request)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """Every method and path, its name in metrics, and its handler."""
        track, get_and_head = self._tracker_handler, self._rows_for_get_and_head
        pixel = track("pixel", links.read_pixel, responses.pixel_response)
        tracker_pixel = track("pixel", tracker_pixels.read_tracker_pixel, responses.pixel_response)
        webhook = self._mail_handler(self._mail.accept_webhook)
        unsubscribe_page = self._mail_handler(self._mail.show_unsubscribe_page)
        one_click = self._mail_handler(self._mail.accept_unsubscribe)
        tp2 = track("snowplow", snowplow.read_snowplow)
        tp2_image = track("snowplow", snowplow.read_snowplow, responses.pixel_response)
        return [
            *(("POST", path, "segment", track("segment", segment.read_segment)) for path in segment.PATHS),
            ("GET", segment.SETTINGS_PATH, "settings", self._serve_segment_settings),
            *(("GET", path, "settings", self._serve_rudderstack_settings) for path in segment.SOURCE_CONFIG_PATHS),
            ("POST", snowplow.POST_PATH, "snowplow", tp2),
            ("GET", snowplow.GET_PATH, "snowplow", tp2_image),
            ("POST", cloudevents.PATH, "cloudevents", track("cloudevents", cloudevents.read_cloudevents)),
            *get_and_head(links.PIXEL_PATH, "pixel", pixel),
            *(row for path in tracker_pixels.PATHS for row in get_and_head(path, "pixel", tracker_pixel)),
            *get_and_head(links.LINK_PATH, "links", self._follow_link),
            *get_and_head(webhooks.PATH, "webhooks", webhook),
            ("POST", webhooks.PATH, "webhooks", webhook),
            *get_and_head(unsubscribe.PATH, "unsubscribe", unsubscribe_page),
            ("POST", unsubscribe.PATH, "unsubscribe", one_click),
            ("GET", snippet.PATH, "snippet", snippet.serve_snippet),
            ("GET", openapi.PATH, "openapi", self._serve_openapi),
        ]

    def _rows_for_get_and_head(self, path: str, name: str, handler: Handler) -> list[tuple[str, str, str, Handler]]:
        return [(method, path, name, handler) for method in _GET_AND_HEAD]

    def _wrap_handler(self, route: str, handle: Handler) -> Handler:
        """A handler that turns refusals into responses, and is measured."""
        seconds = self._metrics.request_seconds.labels(route)
        requests = self._metrics.requests
        by_status: dict[int, Callable[[], None]] = {each: requests.labels(route, each).inc for each in STATUSES}

        async def answer(request: web.BaseRequest) -> web.Response:
            began_s, request_id = monotonic_s(), begin_request(request.headers.get(HEADER))
            try:
                response = await handle(request)
            except Refusal as refused:
                response = self._refusal_response(refused)
            except Exception:
                log.exception("a request to %s failed", route)
                response = self._refusal_response(Refusal(500, "internal", "The collector failed: see its log."))
            response.headers[HEADER] = request_id
            origin = request.headers.get("Origin")
            if origin and self._reception.keyring.allows_origin(origin):
                responses.allow_origin(response, origin, request.path in _WITH_CREDENTIALS)
            seconds.observe(monotonic_s() - began_s)
            count = by_status.get(response.status)
            if count is None:
                count = by_status[response.status] = requests.labels(route, response.status).inc
            count()
            return response

        return answer

    def _refusal_response(self, refused: Refusal) -> web.Response:
        self._metrics.refused.labels(refused.code).inc()
        return responses.refusal_response(refused)

    # Handlers -----------------------------------------------------------------------------------------------------

    def _tracker_handler(
        self, route: str, read: Reader, respond: Callable[[], web.Response] = responses.accepted_response
    ) -> Handler:
        """A handler for events from trackers."""

        async def accept(request: web.BaseRequest) -> web.Response:
            with self._reader.reserve_memory(request) as reservation:
                inbound = await self._reader.read_request(request, reservation)
                await self._reception.accept_tracked(route, inbound, read)
            return respond()

        return accept

    def _mail_handler(self, handle: Callable[[Inbound, str], Awaitable[web.Response]]) -> Handler:
        """A handler for requests of mail services and readers; it gets the last part of the path."""

        async def accept(request: web.BaseRequest) -> web.Response:
            with self._reader.reserve_memory(request) as reservation:
                inbound = await self._reader.read_request(request, reservation)
                return await handle(inbound, request.path.rpartition("/")[2])

        return accept

    async def _follow_link(self, request: web.BaseRequest) -> web.Response:
        """Redirect a visitor to the target of a link, even if Kafka cannot be reached."""
        with self._reader.reserve_memory(request) as reservation:
            inbound = await self._reader.read_request(request, reservation)
            delivery, target = links.read_click(inbound, self._reception.keyring.link_secret, inbound.received_ms)
            task = asyncio.create_task(self._reception.accept_click(inbound, delivery))
            self._pending_clicks.add(task)
            task.add_done_callback(self._finish_click)
            await asyncio.wait([task], timeout=FOLLOW_S)
        return responses.redirect_response(target)

    def _finish_click(self, task: asyncio.Task[None]) -> None:
        self._pending_clicks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Refusal):
            self._metrics.refused.labels(error.code).inc()
        elif error is not None:
            log.error("a click was lost", exc_info=error)

    async def _serve_segment_settings(self, request: web.BaseRequest) -> web.Response:
        write_key = self._reception.keyring.check_public(utf8_text(request.path.split("/")[3]))
        return responses.json_response(segment.segment_settings(write_key, self._reader.public_url_of(request)))

    async def _serve_rudderstack_settings(self, request: web.BaseRequest) -> web.Response:
        headers = {"authorization": request.headers.get("Authorization", "")}
        write_key = write_key_of(Inbound("GET", request.path, tuple(request.query.items()), headers))
        return responses.json_response(segment.rudderstack_settings(self._reception.keyring.check_public(write_key)))

    async def _serve_openapi(self, request: web.BaseRequest) -> web.Response:
        return responses.json_response(openapi.openapi_document(self._reader.public_url_of(request)))

    async def _answer_preflight(self, request: web.BaseRequest) -> web.Response:
        sender = request.headers.get("WebHook-Request-Origin", "")
        if sender and request.path == cloudevents.PATH:
            return responses.handshake_response(sender, request.headers.get("WebHook-Request-Rate", ""))
        if not self._reception.keyring.allows_origin(request.headers.get("Origin", "")):
            raise Refusal(403, "origin_not_allowed", "No key allows pages of this origin: add it to a key's `origins`.")
        return responses.preflight_response(request.headers.get("Access-Control-Request-Headers", ""))

    async def _refuse_unknown(self, request: web.BaseRequest) -> web.Response:
        methods = self._router.handlers_of(request.path)
        if not methods:
            raise Refusal(404, "not_found", f"There is no such address: {openapi.PATH} lists all of them.")
        raise method_not_allowed(methods)
