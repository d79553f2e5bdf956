"""One-click unsubscription, RFC 8058: a POST to a signed address unsubscribes, a GET shows a button.

Mail scanners follow every link, so a GET changes nothing. No cookies, no scripts, no login, no redirect. A mail's
headers are ``List-Unsubscribe: <https://HOST/unsubscribe/TOKEN>`` and
``List-Unsubscribe-Post: List-Unsubscribe=One-Click``. The token does not expire: people unsubscribe from old mails.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Any, Final

import msgspec

from app.collector.calls import parse_lenient
from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.vocabulary import UNSUBSCRIBED
from app.collector.webhooks import mail
from app.collector.webhooks.payloads import fields_of
from app.collector.webhooks.signatures import is_equal

PATH: Final = "/unsubscribe/{token}"
ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")
MAX_BYTES: Final = 8192
"""Longest body to parse; anybody can send one."""
_LABEL: Final = b"leadglow unsubscribe\n"
"""Keeps other signatures with the same secret from being valid here."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who unsubscribes, and from which mails; it has a user or an address."""

    user_id: str = ""
    email: str = ""
    list_id: str = ""
    campaign_id: str = ""


def unsubscribe_token(secret: bytes, ticket: Ticket) -> str:
    """The last part of an unsubscribe address: base64url of a JSON array, a dot, base64url of its HMAC-SHA256.

    The array is ``[userId, e-mail, list, campaign]``, the HMAC over "leadglow unsubscribe", a line feed and the part
    before the dot; neither part is padded. It takes five lines in any language.

    Raises:
        ValueError: the ticket names nobody, or there is no secret.
    """
    if not secret or not (ticket.user_id or mail.address_of(ticket.email)):
        sentence = "a secret, and a userId or an e-mail address, are needed"
        raise ValueError(sentence)
    fields = msgspec.json.encode([ticket.user_id, ticket.email, ticket.list_id, ticket.campaign_id])
    payload = _base64url(fields)
    return f"{payload}.{_signature(secret, payload)}"


def confirmation_page(inbound: Inbound, secret: bytes) -> str:
    """The page with a button, which sends the same form as a mail program.

    Raises:
        Refusal: 404, the address was not made with this secret.
    """
    ticket = _ticket(inbound, secret)
    name, value = ONE_CLICK
    button = (
        f'<form method="post"><input type="hidden" name="{name}" value="{value}">'
        '<button type="submit">Unsubscribe</button></form>'
    )
    return _html("Unsubscribe", f"<p>Stop sending{_what(ticket)}{_whom(ticket)}?</p>{button}")


def done_page(inbound: Inbound, secret: bytes) -> str:
    """The page after the button.

    Raises:
        Refusal: 404, the address was not made with this secret.
    """
    ticket = _ticket(inbound, secret)
    return _html("Unsubscribed", f"<p>No more{_what(ticket)}{_whom(ticket)}.</p>")


def read_unsubscribe(inbound: Inbound, secret: bytes) -> Delivery:
    """The call "Unsubscribed", which is the same if the request is repeated.

    The sender's address and user agent are left out, because they belong to the mailbox service.

    Raises:
        Refusal: 405, 400 or 404: not a POST, not a one-click form, or not an address made with this secret.
    """
    ticket = _ticket(inbound, secret)
    if inbound.method != "POST":
        raise Refusal(405, "method_not_allowed", "A POST unsubscribes; a GET shows the page.")
    if len(inbound.body) > MAX_BYTES or ONE_CLICK not in fields_of(inbound):
        sentence = "The body must be List-Unsubscribe=One-Click, as a form."
        raise Refusal(400, "not_one_click", sentence)
    event = mail.MailEvent(
        UNSUBSCRIBED,
        key=mail.derived_id(ticket.user_id, ticket.email.lower(), ticket.list_id, ticket.campaign_id),
        email=mail.address_of(ticket.email),
        at_ms=inbound.received_ms,
        user_id=ticket.user_id,
        campaign_id=ticket.campaign_id,
        details={"kind": "one_click", "list_id": ticket.list_id},
    )
    return Delivery(calls=[mail.call_of("unsubscribe", event)])


def _ticket(inbound: Inbound, secret: bytes) -> Ticket:
    payload, _, signature = inbound.path.rpartition("/")[2].partition(".")
    if secret and is_equal(signature, _signature(secret, payload)):
        try:
            ticket = _ticket_of(parse_lenient(base64.urlsafe_b64decode(payload + "==")))
        except (ValueError, TypeError):  # signed elsewhere with the same secret
            ticket = Ticket()
        if ticket.user_id or mail.address_of(ticket.email):
            return ticket
    sentence = "This unsubscribe address is not valid: use the one in the mail unchanged."
    raise Refusal(404, "unknown_address", sentence)


def _ticket_of(fields: Any) -> Ticket:
    """The ticket that a token has; other languages write an id as a number, and what is missing as null."""
    if not isinstance(fields, list):
        return Ticket()
    return Ticket(*(field if isinstance(field, str) else mail.text_of(field) for field in fields))


def _signature(secret: bytes, payload: str) -> str:
    signed = _LABEL + payload.encode("utf-8", "surrogatepass")
    return _base64url(hmac.digest(secret, signed, sha256))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# The page ------------------------------------------------------------------------------------------------------------


def _what(ticket: Ticket) -> str:
    return f" <b>{escape(ticket.list_id)}</b>" if ticket.list_id else " these mails"


def _whom(ticket: Ticket) -> str:
    return f" to <b>{escape(ticket.email)}</b>" if ticket.email else ""


def _html(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex">'
        '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )
