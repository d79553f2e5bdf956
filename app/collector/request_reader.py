"""From an aiohttp request to an ``Inbound``: the sender's address, and the inflated body within its limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from app.collector.bodies import MemoryBudget, Reservation, inflate, too_large
from app.collector.calls import utf8_text
from app.collector.inbound import Inbound, Refusal
from app.collector.rates import without_port
from streams.clock import now_ms

BODY_S: Final = 20.0
"""How long a sender may take to send a body."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings about HTTP."""

    body_bytes: int = 5 * 1024 * 1024
    in_flight_bytes: int = 64 * 1024 * 1024
    proxies: int = 0
    """How many proxies in front append to X-Forwarded-For."""
    public_url: str = ""


class RequestReader:
    """Reads requests, and limits the bytes that all of them hold together."""

    def __init__(self, limits: Limits) -> None:
        """Nothing is held yet."""
        self._limits = limits
        self.budget = MemoryBudget(limits.in_flight_bytes)

    def reserve_memory(self, request: web.BaseRequest) -> Reservation:
        """Memory for a request, held until the ``with`` block ends.

        Raises:
            Refusal: 503, on entry: too much is in flight.
        """
        return self.budget.reserve_for(self._sender_of(request))

    async def read_request(self, request: web.BaseRequest, reservation: Reservation) -> Inbound:
        """The request without aiohttp, its body inflated.

        Raises:
            Refusal: the body is incomplete, slow, damaged or too large.
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
            if content.is_eof() and content.total_bytes <= limit:  # a small body arrives with the head
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
            raise Refusal(408, "too_slow", f"The body did not arrive within {BODY_S:g} s: send it again.") from None
        except (ConnectionError, web.RequestPayloadError):
            raise Refusal(400, "broken_body", "The body is incomplete: send it again.") from None
        return bytes(body)

    def _sender_of(self, request: web.BaseRequest) -> str:
        """The sender's address, as the outermost of our own proxies saw it."""
        proxies = self._limits.proxies
        if proxies:
            hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")]
            if len(hops) >= proxies and hops[-proxies]:
                return without_port(hops[-proxies])
        return request.remote or ""

    def public_url_of(self, request: web.BaseRequest) -> str:
        """The URL of this collector for the outside world."""
        return self._limits.public_url.rstrip("/") or utf8_text(f"{request.scheme}://{request.host}")
