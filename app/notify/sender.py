"""The one place that sends: HTTP requests and mails, within limits of time and size, to allowed addresses only."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final, Protocol

import aiohttp
import aiosmtplib

from app.notify.addresses import AllowedResolver, ForbiddenAddress, Lookup, look_up, resolve_allowed, socket_maker
from app.notify.kinds.base import Answer, Delivery, HttpKind, Request, refused
from app.notify.kinds.hubspot import HubSpot
from app.notify.kinds.mail import Mail
from app.notify.kinds.salesforce import Salesforce
from app.notify.outcomes import DELIVERED, Outcome, Result
from app.notify.routes import Destination
from streams.clock import now_ms

TIMEOUT_S: Final = 15.0
CONNECT_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 64 * 1024
"""Of a webhook's answer, which is only shown; those of customer systems list each alert."""
MAX_LIST_BYTES: Final = 1024 * 1024
_UNAUTHORIZED: Final = 401


class Sender(Protocol):
    """Sends deliveries to one destination; it never raises for an answer or a network."""

    async def send(self, delivery: Delivery) -> list[Outcome]:
        """Send; returns the outcome of each alert."""

    async def close(self) -> None:
        """Close all connections."""


def make_sender(destination: Destination, lookup: Lookup = look_up) -> Sender:
    """The sender for a destination; to be made in the event loop. ``lookup`` resolves names."""
    if isinstance(destination.kind, Mail):
        return MailSender(destination, destination.kind, lookup)
    return HttpSender(destination, destination.kind, lookup)


class HttpSender:
    """Sends requests, follows no redirects, and reads only the beginning of an answer."""

    def __init__(self, destination: Destination, kind: HttpKind, lookup: Lookup) -> None:
        """Nothing is connected yet."""
        self._kind = kind
        lists = isinstance(kind, HubSpot | Salesforce)
        self._most_bytes = MAX_LIST_BYTES if lists else MAX_ANSWER_BYTES
        self._needs_body = lists
        self.last: Answer | None = None
        """For people who test a route."""
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
                self.last = Answer(response.status, response.headers.get("retry-after"), body, whole)
                return self.last
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


class MailSender:
    """Sends mails, each over its own connection to a checked address."""

    def __init__(self, destination: Destination, kind: Mail, lookup: Lookup) -> None:
        """Nothing is connected yet."""
        self._networks = destination.networks
        self._kind = kind
        self._lookup = lookup

    async def send(self, delivery: Delivery) -> list[Outcome]:
        """Send one mail about all alerts."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                outcome = await self._send(delivery)
        except aiosmtplib.SMTPAuthenticationError as error:
            outcome = Outcome(Result.RETRY, f"the login failed: {error.code}")
        except aiosmtplib.SMTPRecipientsRefused as error:
            outcome = _of_code(max((each.code for each in error.recipients), default=0), "the recipients")
        except aiosmtplib.SMTPResponseException as error:
            outcome = _of_code(error.code, "the mail")
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            outcome = Outcome(Result.RETRY, explain(error))
        return [outcome] * len(delivery.alerts)

    async def _send(self, delivery: Delivery) -> Outcome:
        kind = self._kind
        rows = await resolve_allowed(kind.host, kind.port, self._networks, self._lookup)
        opened = await _connect(rows)
        client = aiosmtplib.SMTP(
            hostname=kind.host,
            sock=opened,
            use_tls=kind.security == "tls",
            start_tls=kind.security == "starttls",
            username=kind.user or None,
            password=kind.password or None,
            timeout=TIMEOUT_S,
        )
        async with client:
            await client.send_message(kind.message(delivery))
        return DELIVERED

    async def close(self) -> None:
        """There is no connection between mails."""


async def _connect(rows: list[tuple[object, ...]]) -> socket.socket:
    """A connection to the first address that accepts one."""
    failure: OSError = OSError("no address")
    for family, kind, proto, _, address in rows:
        opened = socket.socket(family, kind, proto)  # type: ignore[arg-type]
        opened.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(opened, address), CONNECT_S)  # type: ignore[arg-type]
            return opened
        except OSError as error:  # TimeoutError is one
            opened.close()
            failure = error
    raise failure


def _of_code(code: int, about: str) -> Outcome:
    """The outcome of an SMTP reply: 5xx is final."""
    return refused(f"{about} refused: {code}") if 500 <= code < 600 else Outcome(Result.RETRY, f"reply {code}")


def explain(error: BaseException) -> str:
    """Why an attempt failed, without anything secret: libraries quote URLs in their messages."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddress):
            return str(cause)
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {getattr(cause, 'verify_message', '') or cause.reason or 'failed'}"
        cause = cause.__cause__ or getattr(cause, "os_error", None) or cause.__context__
    if isinstance(error, TimeoutError):
        return "no answer in time"
    strerror = getattr(error, "strerror", "")
    return f"{type(error).__name__}: {strerror}" if strerror else type(error).__name__
