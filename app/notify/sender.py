"""Makes senders, and sends HTTP requests within limits of time and size, to allowed addresses only."""

from __future__ import annotations

from typing import Final, Protocol

import aiohttp

from app.notify.addresses import AllowedResolver, Lookup, look_up, socket_maker
from app.notify.failures import explain
from app.notify.kinds.base import Answer, Delivery, HttpKind, Request, first_words, refused
from app.notify.kinds.hubspot import HubSpot
from app.notify.kinds.mail import Mail
from app.notify.kinds.salesforce import Salesforce
from app.notify.mail_sender import CONNECT_S, TIMEOUT_S, MailSender
from app.notify.outcomes import Outcome, Result
from app.notify.routes import Destination
from streams.clock import now_ms

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Of a webhook's answer, which is only shown; those of customer systems list each alert."""
MAX_LIST_BYTES: Final = 1024 * 1024
_UNAUTHORIZED: Final = 401


class Sender(Protocol):
    """Sends deliveries to one destination; it never raises for an answer or a network."""

    last: str
    """What the receiver answered last, for people who test a route; empty without an answer."""

    async def send(self, delivery: Delivery) -> list[Outcome]:
        """Send; returns the outcome of each alert."""

    async def close(self) -> None:
        """Close all connections."""


def make_sender(destination: Destination, lookup: Lookup = look_up) -> Sender:
    """The sender for a destination; to be made in the event loop. ``lookup`` resolves names."""
    if isinstance(destination.kind, Mail):
        return MailSender(destination.kind, destination.networks, lookup)
    return HttpSender(destination, destination.kind, lookup)


class HttpSender:
    """Sends requests, follows no redirects, and reads only the beginning of an answer."""

    def __init__(self, destination: Destination, kind: HttpKind, lookup: Lookup) -> None:
        """Nothing is connected yet."""
        self._kind = kind
        lists = isinstance(kind, HubSpot | Salesforce)
        self._most_bytes = MAX_LIST_BYTES if lists else MAX_ANSWER_BYTES
        self._needs_body = lists
        self.last = ""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=AllowedResolver(destination.networks, lookup),
                socket_factory=socket_maker(destination.networks),
                use_dns_cache=False,
                limit=destination.parallel,
            ),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, connect=CONNECT_S),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept-encoding": "identity"},
            skip_auto_headers={"User-Agent"},
        )

    async def send(self, delivery: Delivery) -> list[Outcome]:
        """Send; alerts that the destination cannot have are refused without a request."""
        crm = getattr(self._kind, "crm", None)
        whys = [crm.why_not(alert) if crm else "" for alert in delivery.alerts]
        left = tuple(alert for alert, why in zip(delivery.alerts, whys, strict=True) if not why)
        sent = iter(await self._send(Delivery(left, delivery.digest)) if left else ())
        return [refused(why) if why else next(sent) for why in whys]

    async def _send(self, delivery: Delivery) -> list[Outcome]:
        if isinstance(self._kind, Salesforce) and not self._kind.token and (failure := await self._log_in()):
            return [failure] * len(delivery.alerts)
        answer = await self._exchange(self._kind.request(delivery, now_ms()))
        if isinstance(answer, Outcome):
            return [answer] * len(delivery.alerts)
        if isinstance(self._kind, Salesforce) and answer.status == _UNAUTHORIZED:
            self._kind = self._kind.without_token()
        if self._needs_body and not answer.whole and answer.status < 300:
            return [Outcome(Result.RETRY, "the answer ended early or was too long")] * len(delivery.alerts)
        return self._kind.outcomes(delivery, answer, now_ms())

    async def _log_in(self) -> Outcome | None:
        """Get a token; returns why that failed."""
        assert isinstance(self._kind, Salesforce)
        answer = await self._exchange(self._kind.token_request())
        if isinstance(answer, Outcome):
            return answer
        with_token = self._kind.with_token(answer)
        if with_token is None:
            return Outcome(Result.RETRY, f"no token: status {answer.status}")
        self._kind = with_token
        return None

    async def _exchange(self, request: Request) -> Answer | Outcome:
        """Send a request; the failures of a network become outcomes, in words without the URL."""
        try:
            async with self._session.request(
                request.method, request.url, data=request.body, headers=request.headers, allow_redirects=False
            ) as response:
                body, whole = await self._read(response)
                self.last = f"status {response.status}: {first_words(body.decode(errors='replace'))}"
                return Answer(response.status, response.headers.get("retry-after"), body, whole)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Outcome(Result.RETRY, explain(error))

    async def _read(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        """The beginning of an answer, and whether it is all; a broken body does not change the status."""
        found = bytearray()
        try:
            async for part in response.content.iter_any():
                found += part
                if len(found) > self._most_bytes:
                    response.close()
                    return bytes(found[: self._most_bytes]), False
        except (aiohttp.ClientError, OSError, TimeoutError):
            response.close()
            return bytes(found), False
        return bytes(found), True

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
