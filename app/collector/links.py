"""For mails and pages without an SDK: a 1x1 picture that counts, and links that count clicks. Pure.

``GET /v1/pixel.gif?writeKey=…&event=Newsletter+Read&userId=u-42&p.issue=12`` is a call: ``type`` (or track where an
``event`` is named, else page), ``userId``, ``anonymousId``, ``email``, ``messageId``, and ``p.NAME`` for properties,
which are strings. A page without ``p.url`` is the one that the Referer header names.

``GET /v1/link?to=…&event=…&userId=…&sig=…`` is a click: it becomes a track call with the target as ``properties.url``,
then the visitor goes on to the target. ``sign_link`` writes the query. The signature covers everything that is used, so
nobody can turn such a link to another target or into another lead's click; parameters that others append, as mail
services do, are left alone.

Each request is an event of its own, unless it has a ``messageId``: then all that have it are one.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from xxhash import xxh3_128_hexdigest

from app.collector.calls import DeliveryBuilder, utf8_text, write_key_of
from app.collector.inbound import Call, Delivery, Inbound, Refusal
from app.collector.page_urls import campaign_of, page_of
from streams.events.identities import name_lead

PIXEL_PATH: Final = "/v1/pixel.gif"
PIXEL_QUERY: Final = {
    "writeKey": "A public write key.",
    "type": "The type of call; by default track if there is an `event`, else page.",
    "event": "The name of a track call.",
    "userId": "Who views the page.",
    "anonymousId": "Who views the page.",
    "email": "Who views the page.",
    "messageId": "All requests with the same one are one event.",
}
LINK_PATH: Final = "/v1/link"
LINK_QUERY: Final = {
    "to": "The target of the link, http or https.",
    "sig": "The signature of all other parameters.",
    "event": "The name of the event.",
    "userId": "Who clicks.",
    "anonymousId": "Who clicks.",
    "email": "Who clicks.",
    "messageId": "All clicks with the same one are one event.",
    "expires": "When the link expires, in seconds since the epoch.",
}
GIF: Final = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002014400" + "3b")
"""One transparent pixel."""
CLICKED: Final = "Link Clicked"
"""The event of a link that names none."""
_IDENTITIES: Final = ("userId", "anonymousId", "email")
_SIGNED: Final = frozenset(LINK_QUERY) - {"sig"}
_PROPERTY: Final = "p."
_URL_SAFE: Final = "%/:?#[]@!$&'()*+,;=~"
_MOST_TARGET_CHARS: Final = 4_000
_MOST_DIGITS: Final = 12

Pairs = Sequence[tuple[str, str]]


def read_pixel(inbound: Inbound) -> Delivery:
    """The call of a pixel.

    Raises:
        Refusal: it cannot be used. The picture can be answered all the same.
    """
    said = _said(inbound.query)
    call: Call = {"type": said.get("type") or ("track" if said.get("event") else "page")}
    if call["type"] == "track":
        call["event"] = said.get("event", "")
    properties = _properties(said)
    referer = utf8_text(inbound.header("referer"))
    context = _context(inbound, said, properties.get("url") or referer)
    if referer:
        context["page"] = page_of(referer)
        if call["type"] == "page":
            properties = context["page"] | properties
    delivery = DeliveryBuilder(inbound, write_key_of(inbound))
    delivery.add_call(_completed(call, said, properties, context, f"{inbound.received_ms} {inbound.remote}"))
    return delivery.build()


def sign_link(target: str, secret: bytes, **what: str) -> str:
    """The query of a link to ``target``.

    ``what`` is one of userId, anonymousId and email at least, and, as wanted, event, messageId, expires (seconds
    since the epoch) and ``p.NAME`` for properties.

    Raises:
        ValueError: the link would not work.
    """
    pairs = [("to", target), *sorted(what.items())]
    unknown = [name for name in what if name == "to" or not _is_signed(name)]
    if unknown:
        message = f"a link has no {', '.join(unknown)}"
        raise ValueError(message)
    if not secret or not _is_target(target) or not any(what.get(name) for name in _IDENTITIES):
        message = "a link needs a secret, an http or https target, and a userId, anonymousId or email"
        raise ValueError(message)
    return urlencode([*pairs, ("sig", _signature(pairs, secret))])


def read_click(inbound: Inbound, secret: bytes, now_ms: int) -> tuple[Delivery, str]:
    """The call of a click, and where to send the visitor, as ASCII.

    Raises:
        Refusal: the link was not made by ``sign_link`` with this secret, or its time is over.
    """
    pairs = [(utf8_text(name), utf8_text(value)) for name, value in inbound.query if _is_signed(name)]
    given = utf8_text(inbound.parameter("sig"))
    if not secret or not hmac.compare_digest(_signature(pairs, secret).encode(), given.encode()):
        raise Refusal(403, "bad_signature", "This link was changed on its way, or was not made here.")
    said = dict(pairs)
    target = said.get("to", "")
    if not _is_target(target):
        raise Refusal(400, "bad_target", "This link leads nowhere that it may lead to.")
    expires = said.get("expires", "")
    if expires and not (expires.isdecimal() and len(expires) <= _MOST_DIGITS and int(expires) * 1000 > now_ms):
        raise Refusal(410, "link_expired", "The time of this link is over.")
    call: Call = {"type": "track", "event": said.get("event") or CLICKED}
    properties = _properties(said) | {"url": target}
    delivery = DeliveryBuilder(inbound, "")
    delivery.add_call(_completed(call, said, properties, _context(inbound, said, target), f"{now_ms} {inbound.remote}"))
    return delivery.delivery, quote(target, safe=_URL_SAFE)


def _is_signed(name: str) -> bool:
    return name in _SIGNED or name.startswith(_PROPERTY)


def _signature(pairs: Pairs, secret: bytes) -> str:
    """Over the decoded pairs in the order of their names: mail services change order and escapes."""
    digest = hmac.digest(secret, urlencode(sorted(pairs)).encode(), sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _is_target(target: str) -> bool:
    """Whether a browser reads it as what we read: a web address with a host, and no tricks."""
    if len(target) > _MOST_TARGET_CHARS or not target.isprintable() or any(char in target for char in ' \\"<>'):
        return False
    try:
        parts = urlsplit(target)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _said(query: Pairs) -> dict[str, str]:
    """The parameters; the first of a name counts."""
    return {utf8_text(name): utf8_text(value) for name, value in reversed(query)}


def _properties(said: dict[str, str]) -> dict[str, str]:
    return {name[2:]: value for name, value in said.items() if name.startswith(_PROPERTY) and len(name) > 2}


def _context(inbound: Inbound, said: dict[str, str], url: str) -> dict[str, Any]:
    context: dict[str, Any] = {"library": {"name": "leadglow-links"}}
    for name, value in (("ip", inbound.remote), ("userAgent", inbound.header("user-agent"))):
        if value:
            context[name] = utf8_text(value)
    campaign = campaign_of(page_of(url).get("search", ""))
    if campaign:
        context["campaign"] = campaign
    return context


def _completed(
    call: Call, said: dict[str, str], properties: dict[str, str], context: dict[str, Any], request: str
) -> Call:
    """The call with what it says; ``request`` tells it from another one that says the same."""
    unique = f"{request} {context.get('userAgent', '')} {sorted(said.items())}"
    call["messageId"] = said.get("messageId") or f"link-{xxh3_128_hexdigest(unique.encode())}"
    call |= {"properties": properties, "context": context}
    name_lead(call, *(said.get(name, "") for name in _IDENTITIES))
    return call
