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
from app.collector.bodies import Held, Room, inflate, too_large
from app.collector.calls import text, write_key
from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.mail_handlers import Post
from app.collector.metrics import Metrics
from app.collector.openapi import SEGMENT_BATCHES, SEGMENT_CALLS, TP2, document
from app.collector.rates import without_port
from app.collector.reception import Reception
from app.collector.router import Doors, Handler
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
        self._post = Post(reception)
        self._room = Room(limits.in_flight_bytes)
        metrics.in_flight.set_function(lambda: self._room.held)
        self._runner: web.ServerRunner | None = None
        self._clicks: set[asyncio.Task[None]] = set()
        self._doors = Doors((method, path, self._answering(name, do)) for method, path, name, do in self.routes())
        self._preflights = self._answering("preflight", self._preflight)
        self._others = self._answering("unknown", self._unknown)

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the address."""
        server = web.Server(self._handle, keepalive_timeout=IDLE_S, auto_decompress=False, **server_options(log))
        self._runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
        return await listen(self._runner, host, port)

    async def stop(self) -> None:
        """Take no more connections and finish what is in flight."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._clicks:
            await asyncio.wait(self._clicks, timeout=FOLLOW_S)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        """What every request goes to."""
        handle = self._doors.at(request.path).get(request.method)
        if "Expect" in request.headers:
            await send_continue(request)
        if handle is None:
            handle = self._preflights if request.method == "OPTIONS" else self._others
        return await handle(request)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """Every method and path, the route that metrics know it by, and its handler."""
        track, post = self._tracking, self._posting
        return [
            *(("POST", f"/v1/{name}", "segment", track("segment", segment.read)) for name in SEGMENT_PATHS),
            ("GET", "/v1/projects/{write_key}/settings", "settings", self._settings),
            ("GET", "/sourceConfig", "settings", self._source_config),
            ("GET", "/sourceConfig/", "settings", self._source_config),
            ("POST", TP2, "snowplow", track("snowplow", snowplow.read)),
            ("GET", "/i", "snowplow", track("snowplow", snowplow.read, responses.image)),
            ("POST", "/v1/cloudevents", "cloudevents", track("cloudevents", cloudevents.read)),
            *((method, "/v1/pixel.gif", "pixel", track("pixel", links.pixel, responses.image)) for method in _LOOKING),
            *((method, "/v1/link", "links", self._follow) for method in _LOOKING),
            *((method, "/webhooks/{name}", "webhooks", post(self._post.webhook)) for method in (*_LOOKING, "POST")),
            *((method, "/unsubscribe/{token}", "unsubscribe", post(self._post.page)) for method in _LOOKING),
            ("POST", "/unsubscribe/{token}", "unsubscribe", post(self._post.unsubscribe)),
            ("GET", "/leadglow.js", "snippet", self._snippet),
            ("GET", "/openapi.json", "openapi", self._openapi),
        ]

    def _answering(self, route: str, handle: Handler) -> Handler:
        """A handler whose refusals are answers, too, and which is measured."""
        seconds = self._metrics.request_seconds.labels(route)
        by_status: dict[int, Callable[[], None]] = {}

        async def answered(request: web.BaseRequest) -> web.Response:
            began_s = monotonic_s()
            try:
                found = await handle(request)
            except Refusal as refused:
                found = self._refused(refused)
            except Exception:
                log.exception("a request to %s failed", route)
                found = self._refused(Refusal(500, "internal", "The collector failed at this: see its log."))
            origin = request.headers.get("Origin")
            if origin and self._reception.ring.allows_origin(origin):
                responses.open_to(found, origin)
            seconds.observe(monotonic_s() - began_s)
            count = by_status.get(found.status)
            if count is None:
                count = by_status[found.status] = self._metrics.requests.labels(route, found.status).inc
            count()
            return found

        return answered

    def _refused(self, refused: Refusal) -> web.Response:
        self._metrics.refused.labels(refused.code).inc()
        return responses.refusal(refused)

    # Requests -----------------------------------------------------------------------------------------------------

    async def _inbound(self, request: web.BaseRequest, held: Held) -> Inbound:
        """The request without aiohttp, its body inflated.

        Raises:
            Refusal: the body cannot be had.
        """
        headers, most = request.headers, self._limits.body_bytes
        body = await self._body(request, held, most)
        encoding = headers.get("Content-Encoding")
        if encoding and body:
            body = inflate(body, encoding, most)
            held.add(len(body))
        query = tuple(request.query.items()) if request.query_string else ()
        return Inbound(request.method, request.path, query, headers, body, now_ms(), held.remote)

    async def _body(self, request: web.BaseRequest, held: Held, most: int) -> bytes:
        content = request.content
        try:
            if content.is_eof() and content.total_bytes <= most:  # small ones come with the head
                held.add(content.total_bytes)
                return content.read_nowait()
            if (request.content_length or 0) > most:
                raise too_large(most)
            body = bytearray()
            async with asyncio.timeout(BODY_S):
                async for chunk in content.iter_any():
                    held.add(len(chunk))
                    body += chunk
                    if len(body) > most:
                        raise too_large(most)
        except TimeoutError:
            raise Refusal(408, "too_slow", f"The body did not arrive in {BODY_S:g} s: send it again.") from None
        except (ConnectionError, web.RequestPayloadError):
            raise Refusal(400, "broken_body", "The body did not arrive whole: send it again.") from None
        return bytes(body)

    def _remote(self, request: web.BaseRequest) -> str:
        """Who sent it: what the outermost of our own proxies saw."""
        proxies = self._limits.proxies
        if proxies:
            hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")]
            if len(hops) >= proxies and hops[-proxies]:
                return without_port(hops[-proxies])
        return request.remote or ""

    def _base(self, request: web.BaseRequest) -> str:
        """Where the world reaches this site."""
        return self._limits.public_url.rstrip("/") or text(f"{request.scheme}://{request.host}")

    # Handlers -----------------------------------------------------------------------------------------------------

    def _tracking(self, route: str, read: Read, answer: Callable[[], web.Response] = responses.accepted) -> Handler:
        """A handler that takes what trackers send."""

        async def tracked(request: web.BaseRequest) -> web.Response:
            with self._room.request(self._remote(request)) as held:
                await self._reception.tracked(route, await self._inbound(request, held), read)
            return answer()

        return tracked

    def _posting(self, handle: Callable[[Inbound, str], Awaitable[web.Response]]) -> Handler:
        """A handler that takes what mail services and their readers send; the last part of the path says for what."""

        async def posted(request: web.BaseRequest) -> web.Response:
            with self._room.request(self._remote(request)) as held:
                return await handle(await self._inbound(request, held), request.path.rpartition("/")[2])

        return posted

    async def _follow(self, request: web.BaseRequest) -> web.Response:
        """Send the visitor on even if Kafka is away: who clicked must get there."""
        with self._room.request(self._remote(request)) as held:
            inbound = await self._inbound(request, held)
            delivery, target = links.follow(inbound, self._reception.ring.link_secret, inbound.received_ms)
            keeping = asyncio.create_task(self._reception.visited(inbound, delivery))
            self._clicks.add(keeping)
            keeping.add_done_callback(self._click_kept)
            await asyncio.wait([keeping], timeout=FOLLOW_S)
        return responses.redirect(target)

    def _click_kept(self, task: asyncio.Task[None]) -> None:
        self._clicks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Refusal):
            self._metrics.refused.labels(error.code).inc()
        elif error is not None:
            log.error("a click was not kept", exc_info=error)

    async def _settings(self, request: web.BaseRequest) -> web.Response:
        return responses.json(
            segment.settings_stub(self._reception.ring.shown(text(request.path.split("/")[3])), self._base(request))
        )

    async def _source_config(self, request: web.BaseRequest) -> web.Response:
        headers = {"authorization": request.headers.get("Authorization", "")}
        shown = write_key(Inbound("GET", request.path, tuple(request.query.items()), headers))
        return responses.json(segment.source_config_stub(self._reception.ring.shown(shown)))

    async def _snippet(self, request: web.BaseRequest) -> web.Response:
        return responses.kept(request, SNIPPET.read_bytes(), "text/javascript; charset=utf-8")

    async def _openapi(self, request: web.BaseRequest) -> web.Response:
        return responses.json(document(self._base(request)))

    async def _preflight(self, request: web.BaseRequest) -> web.Response:
        if not self._reception.ring.allows_origin(request.headers.get("Origin", "")):
            raise Refusal(403, "origin_not_allowed", "No key is for pages of this origin: add it to a key's `origins`.")
        return responses.preflight(request.headers.get("Access-Control-Request-Headers", ""))

    async def _unknown(self, request: web.BaseRequest) -> web.Response:
        methods = self._doors.at(request.path)
        if not methods:
            raise Refusal(404, "not_found", "There is nothing here: /openapi.json lists what there is.")
        raise method_not_allowed(methods)


_LOOKING: Final = ("GET", "HEAD")
