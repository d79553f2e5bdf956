"""Sends mails over SMTP, within a limit of time and to allowed addresses only."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import aiosmtplib

from app.notify.addresses import Lookup, Network, resolve_allowed
from app.notify.failures import explain
from app.notify.kinds.base import Delivery, first_words, refused
from app.notify.kinds.mail import Mail
from app.notify.outcomes import DELIVERED, Outcome, Result
from streams.clock import now_ms

TIMEOUT_S: Final = 15.0
CONNECT_S: Final = 5.0


class MailSender:
    """Sends mails, each over its own connection to a checked address."""

    def __init__(self, kind: Mail, networks: tuple[Network, ...], lookup: Lookup) -> None:
        """Nothing is connected yet; private ``networks`` are allowed."""
        self._networks = networks
        self._kind = kind
        self._lookup = lookup
        self.last = ""

    async def send(self, delivery: Delivery) -> list[Outcome]:
        """Send one mail about all alerts.

        A reply 5xx about a recipient or the mail itself is final. All others are about the server or its settings.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                outcome = await self._send(delivery)
        except aiosmtplib.SMTPRecipientsRefused as error:
            outcome = self._about_message(max(error.recipients, key=lambda each: each.code), "the recipients")
        except aiosmtplib.SMTPDataError as error:
            outcome = self._about_message(error, "the mail")
        except aiosmtplib.SMTPAuthenticationError as error:
            outcome = self._about_server(error, "the login failed")
        except aiosmtplib.SMTPResponseException as error:
            outcome = self._about_server(error, "the server refused")
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            outcome = Outcome(Result.RETRY, explain(error))
        return [outcome] * len(delivery.alerts)

    def _about_message(self, reply: aiosmtplib.SMTPResponseException, about: str) -> Outcome:
        """530 to 539 are about the login, so a correct one helps."""
        if 500 <= reply.code < 530 or 540 <= reply.code < 600:
            self._note(reply)
            return refused(f"{about} refused: {reply.code}")
        return self._about_server(reply, f"{about} not accepted")

    def _about_server(self, reply: aiosmtplib.SMTPResponseException, about: str) -> Outcome:
        if reply.code < 0:
            return Outcome(Result.RETRY, "the reply is not SMTP")
        self._note(reply)
        return Outcome(Result.RETRY, f"{about}: {reply.code}")

    def _note(self, reply: aiosmtplib.SMTPResponseException) -> None:
        self.last = f"{reply.code} {first_words(reply.message)}"

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
            _, self.last = await client.send_message(kind.message(delivery, now_ms()))
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
