"""For mails and pages without an SDK: a tracking pixel, and signed links that count clicks. Pure.

``GET /v1/pixel.gif?writeKey=…&event=Newsletter+Read&userId=u-42&p.issue=12`` is a call: ``type`` (or track where an
``event`` is named, else page), ``userId``, ``anonymousId``, ``email``, ``messageId``, and ``p.NAME`` for properties,
which are strings. Without ``p.url``, a page is taken from the Referer header.

``GET /v1/link?to=…&event=…&userId=…&sig=…`` is a click: it becomes a track call with the target as ``properties.url``,
then the visitor is redirected to the target. ``sign_link`` makes the query. The signature covers every parameter that
is used, so nobody can change the target or the lead; parameters that mail services append are ignored.

Each request is an event of its own; requests with the same ``messageId`` are one event.
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
"""The event of a link without a name for it."""
_IDENTITIES: Final = ("userId", "anonymousId", "email")
_SIGNED: Final = frozenset(LINK_QUERY) - {"sig"}
_PROPERTY: Final = "p."
_URL_SAFE: Final = "%/:?#[]@!$&'()*+,;=~"
_MAX_TARGET_CHARS: Final = 4_000
_MAX_DIGITS: Final = 12

Pairs = Sequence[tuple[str, str]]


def read_pixel(inbound: Inbound) -> Delivery:
    """The call of a pixel.

    Raises:
        Refusal: it cannot be used.
    """
    parameters = _parameters_of(inbound.query)
    call: Call = {"type": parameters.get("type") or ("track" if parameters.get("event") else "page")}
    if call["type"] == "track":
        call["event"] = parameters.get("event", "")
    properties = _properties(parameters)
    referer = utf8_text(inbound.header("referer"))
    context = _context(inbound, parameters, properties.get("url") or referer)
    if referer:
        context["page"] = page_of(referer)
        if call["type"] == "page":
            properties = context["page"] | properties
    delivery = DeliveryBuilder(inbound, write_key_of(inbound))
    delivery.add_call(_completed(call, parameters, properties, context, f"{inbound.received_ms} {inbound.remote}"))
    return delivery.build()


def sign_link(target: str, secret: bytes, **parameters: str) -> str:
    """The query of a link to ``target``.

    ``parameters`` has at least one of userId, anonymousId and email, and optionally event, messageId, expires (seconds
    since the epoch) and ``p.NAME`` for properties.

    Raises:
        ValueError: the link would not work.
    """
    pairs = [("to", target), *sorted(parameters.items())]
    unknown = [name for name in parameters if name == "to" or not _is_signed(name)]
    if unknown:
        message = f"a link has no {', '.join(unknown)}"
        raise ValueError(message)
    if not secret or not _is_target(target) or not any(parameters.get(name) for name in _IDENTITIES):
        message = "a link needs a secret, an http or https target, and a userId, anonymousId or email"
        raise ValueError(message)
    return urlencode([*pairs, ("sig", _signature(pairs, secret))])


def read_click(inbound: Inbound, secret: bytes, now_ms: int) -> tuple[Delivery, str]:
    """The call of a click, and the target of the redirect, as ASCII.

    Raises:
        Refusal: the link was not made by ``sign_link`` with this secret, or it has expired.
    """
    pairs = [(utf8_text(name), utf8_text(value)) for name, value in inbound.query if _is_signed(name)]
    given = utf8_text(inbound.parameter("sig"))
    if not secret or not hmac.compare_digest(_signature(pairs, secret).encode(), given.encode()):
        raise Refusal(403, "bad_signature", "This link was changed, or was not made with this collector's secret.")
    parameters = dict(pairs)
    target = parameters.get("to", "")
    if not _is_target(target):
        raise Refusal(400, "bad_target", "The target of this link is not a web address.")
    expires = parameters.get("expires", "")
    if expires and not (expires.isdecimal() and len(expires) <= _MAX_DIGITS and int(expires) * 1000 > now_ms):
        raise Refusal(410, "link_expired", "This link has expired.")
    call: Call = {"type": "track", "event": parameters.get("event") or CLICKED}
    properties = _properties(parameters) | {"url": target}
    delivery = DeliveryBuilder(inbound, "")
    delivery.add_call(
        _completed(call, parameters, properties, _context(inbound, parameters, target), f"{now_ms} {inbound.remote}")
    )
    return delivery.delivery, quote(target, safe=_URL_SAFE)


def _is_signed(name: str) -> bool:
    return name in _SIGNED or name.startswith(_PROPERTY)


def _signature(pairs: Pairs, secret: bytes) -> str:
    """Signs the decoded pairs sorted by name, because mail services change order and escapes."""
    digest = hmac.digest(secret, urlencode(sorted(pairs)).encode(), sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _is_target(target: str) -> bool:
    """Whether it is a web address with a host, which browsers read as we do."""
    if len(target) > _MAX_TARGET_CHARS or not target.isprintable() or any(char in target for char in ' \\"<>'):
        return False
    try:
        parts = urlsplit(target)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _parameters_of(query: Pairs) -> dict[str, str]:
    """The parameters; the first one of each name counts."""
    return {utf8_text(name): utf8_text(value) for name, value in reversed(query)}


def _properties(parameters: dict[str, str]) -> dict[str, str]:
    return {name[2:]: value for name, value in parameters.items() if name.startswith(_PROPERTY) and len(name) > 2}


def _context(inbound: Inbound, parameters: dict[str, str], url: str) -> dict[str, Any]:
    context: dict[str, Any] = {"library": {"name": "leadglow-links"}}
    for name, value in (("ip", inbound.remote), ("userAgent", inbound.header("user-agent"))):
        if value:
            context[name] = utf8_text(value)
    campaign = campaign_of(page_of(url).get("search", ""))
    if campaign:
        context["campaign"] = campaign
    return context


def _completed(
    call: Call, parameters: dict[str, str], properties: dict[str, str], context: dict[str, Any], request: str
) -> Call:
    """The complete call; ``request`` makes its id differ from that of an equal request."""
    unique = f"{request} {context.get('userAgent', '')} {sorted(parameters.items())}"
    call["messageId"] = parameters.get("messageId") or f"link-{xxh3_128_hexdigest(unique.encode())}"
    call |= {"properties": properties, "context": context}
    name_lead(call, *(parameters.get(name, "") for name in _IDENTITIES))
    return call
