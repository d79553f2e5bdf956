"""Mail goes over a real SMTP server: with TLS, STARTTLS and a login, or not at all."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from app.embedded.server import free_port
from app.notify import sender as sending
from app.notify.kinds.base import Delivery
from app.notify.kinds.mail import Mail, is_address
from app.notify.outcomes import Outcome, Result
from app.notify.routes import Destination
from tests.support.certificates import Certificates, make_certificates
from tests.support.receivers import alert_of

SENDER, TO = "leadglow@acme.example", "sales@acme.example"
PLAIN = Mail("127.0.0.1", 0, "none", SENDER, (TO,), True)
LOGIN = replace(PLAIN, security="starttls", user="leadglow", password="a good one")


class Inbox:
    """Keeps mails with their sessions."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.sessions: list[Any] = []
        self.replies = {"MAIL": "250 OK", "RCPT": "250 OK", "DATA": "250 OK"}

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.replies["MAIL"]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self.replies["RCPT"]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope)
        self.sessions.append(session)
        return self.replies["DATA"]


def check(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
    return AuthResult(success=login == LoginPassword(b"leadglow", b"a good one"), handled=False)


@contextmanager
def serve(inbox: Inbox, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """Serve on a free port; ``tls`` is from the beginning, ``tls_context`` for STARTTLS."""
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), ssl_context=tls, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


async def send(kind: Mail, port: int, allowed: bool = True, **lead: Any) -> Outcome:
    networks = (ip_network("127.0.0.0/8"),) if allowed else ()
    sender = sending.make_sender(Destination("here", replace(kind, port=port), 0, 2, networks))
    [outcome] = await sender.send(Delivery((alert_of(lead={"lead_id": "x", "traits": lead}),)))
    await sender.close()
    return outcome


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def context(certificates: Certificates) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificates.server)
    return made


@pytest.fixture
def _trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))


async def test_mail_reaches_the_owner_with_both_parts() -> None:
    inbox = Inbox()
    with serve(inbox) as port:
        outcome = await send(PLAIN, port, name="Ana\r\nBcc: x@y.z <b>", owner="eva@acme.example")
    assert outcome.result == Result.DELIVERED
    [mail] = inbox.mails
    text = mail.content.decode()
    assert mail.rcpt_tos == ["eva@acme.example"]
    assert "text/plain" in text
    assert "text/html" in text
    assert "<b>" not in text.partition("text/html")[2]
    assert "\r\nBcc:" not in text


def test_a_text_is_an_address_or_not_whatever_the_parser_of_this_python_raises() -> None:
    texts = ("", "@", "a@", "@b", "a", "a b@c", "x@y.z")
    assert [text for text in texts if is_address(text)] == ["x@y.z"]


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_login_and_the_mail_are_sent_over_tls(context: ssl.SSLContext, security: Any) -> None:
    inbox = Inbox()
    options: dict[str, Any] = {"tls": context, "auth_require_tls": False}
    if security == "starttls":
        options = {"tls_context": context, "require_starttls": True, "auth_required": True}
    with serve(inbox, authenticator=check, **options) as port:
        outcome = await send(replace(LOGIN, security=security), port)
    assert outcome.result == Result.DELIVERED
    [session] = inbox.sessions
    assert session.authenticated
    assert inbox.mails[0].rcpt_tos == [TO]


@pytest.mark.usefixtures("_trusted")
async def test_a_wrong_password_is_told_and_tried_again(context: ssl.SSLContext) -> None:
    inbox = Inbox()
    with serve(inbox, tls_context=context, authenticator=check) as port:
        outcome = await send(replace(LOGIN, password="a bad one"), port)
    assert outcome == Outcome(Result.RETRY, "the login failed: 535")
    assert inbox.mails == []


async def test_nothing_is_sent_without_the_tls_that_the_file_wants() -> None:
    inbox, asked = Inbox(), []

    def note(*login: Any) -> AuthResult:
        asked.append(login)
        return AuthResult(success=True)

    with serve(inbox, authenticator=note, auth_require_tls=False) as port:
        without = await send(LOGIN, port)
        never = await send(replace(LOGIN, security="tls"), port)
    assert (without.result, never.result) == (Result.RETRY, Result.RETRY)
    assert "STARTTLS" in without.reason
    assert never.reason == "TLS: the server does not speak TLS on this port"
    assert inbox.mails == asked == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_nothing_is_sent_to_a_server_whose_certificate_nobody_signed(
    context: ssl.SSLContext, security: Any
) -> None:
    inbox = Inbox()
    options = {"tls_context": context} if security == "starttls" else {"tls": context}
    with serve(inbox, **options) as port:
        outcome = await send(replace(PLAIN, security=security), port)
    assert outcome.result == Result.RETRY
    assert outcome.reason.startswith("TLS: self-signed certificate")
    assert inbox.mails == []


@pytest.mark.parametrize(
    ("command", "reply", "result"),
    [
        ("DATA", "550 no", Result.REFUSED),
        ("DATA", "451 later", Result.RETRY),
        ("RCPT", "550 nobody here", Result.REFUSED),
        ("RCPT", "450 later", Result.RETRY),
        ("RCPT", "530 log in first", Result.RETRY),
        ("MAIL", "550 this sender may not", Result.RETRY),
        ("MAIL", "421 closing", Result.RETRY),
    ],
)
async def test_only_a_final_reply_about_the_mail_or_its_recipients_makes_a_dead_letter(
    command: str, reply: str, result: Result
) -> None:
    inbox = Inbox()
    inbox.replies[command] = reply
    with serve(inbox) as port:
        outcome = await send(PLAIN, port)
    assert outcome.result == result
    assert reply[:3] in outcome.reason


async def test_nothing_goes_to_a_private_mail_server() -> None:
    inbox = Inbox()
    with serve(inbox) as port:
        outcome = await send(PLAIN, port, allowed=False)
    assert (outcome.result, inbox.sessions) == (Result.RETRY, [])
    assert "private" in outcome.reason


@pytest.mark.parametrize("begin", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220-and so on\r\n" * 5000, b"x" * 100_000])
async def test_a_server_that_lies_is_an_outcome(begin: bytes) -> None:
    ended = asyncio.Event()

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        with suppress(ConnectionError):
            await reader.read()
        writer.transport.abort()
        ended.set()

    async with await asyncio.start_server(lie, "127.0.0.1", 0) as server:
        outcome = await send(PLAIN, server.sockets[0].getsockname()[1])
        await ended.wait()
    assert outcome == Outcome(Result.RETRY, "the reply is not SMTP")
