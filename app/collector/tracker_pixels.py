"""The tracking pixels of Segment and RudderStack, for mails and AMP pages: calls of the Segment protocol by GET. Pure.

``GET /v1/pixel/track?data=…`` has a call as JSON in base64; ``GET /pixel/v1/page?writeKey=…&anonymousId=…`` has its
fields, with dots in the names of inner ones: ``properties.plan=pro``. Values are texts then.

Each request is an event of its own; requests with the same ``messageId`` are one event.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from msgspec.structs import replace
from xxhash import xxh3_128_hexdigest

from app.collector.calls import TOO_DEEP, decode_base64, decode_json, no_events, utf8_text
from app.collector.inbound import Call, Delivery, Inbound, Refusal
from app.collector.segment import read_segment

PATHS: Final = ("/v1/pixel/{type}", "/pixel/v1/{type}")
"""The pixel of Segment, and that of RudderStack."""
QUERY: Final = {
    "writeKey": "A public write key; it may be in `data`.",
    "data": "The call as JSON in base64, in place of its fields.",
    "userId": "Who views the page or mail.",
    "anonymousId": "Who views the page or mail.",
    "event": "The name of a track call.",
}
"""The parameters that the OpenAPI document lists; all other fields of a call may be given, too."""
_MAX_DEPTH: Final = 4
_EXPECTED: Final = "one event"


def read_tracker_pixel(inbound: Inbound) -> Delivery:
    """The call of a pixel.

    Raises:
        Refusal: it cannot be used.
    """
    call = _call_of(inbound)
    context = call.setdefault("context", {})
    if isinstance(context, dict):
        for name, value in (("ip", inbound.remote), ("userAgent", inbound.header("user-agent"))):
            if value:
                context.setdefault(name, utf8_text(value))
        page, properties = context.get("page"), call.setdefault("properties", {})
        if isinstance(page, dict) and isinstance(properties, dict) and inbound.path.endswith("/page"):
            call["properties"] = page | properties
    unique = f"{inbound.received_ms} {inbound.remote} ".encode() + _encoded(call)
    call.setdefault("messageId", f"pixel-{xxh3_128_hexdigest(unique)}")
    return read_segment(replace(inbound, body=_encoded(call)))


def _encoded(call: Call) -> bytes:
    try:
        return orjson.dumps(call)
    except TypeError:
        raise Refusal(413, "too_large", f"The event was refused: {TOO_DEEP}.") from None


def _call_of(inbound: Inbound) -> Call:
    coded = inbound.parameter("data")
    if not coded:
        return _nested(inbound)
    call = decode_json(decode_base64(utf8_text(coded)) or b"")
    if not isinstance(call, dict):
        raise no_events(_EXPECTED)
    return call


def _nested(inbound: Inbound) -> Call:
    """The parameters as an object; a dot in a name leads into an inner one. The first one of each name counts."""
    call: dict[str, Any] = {}
    for name, value in inbound.query:
        *path, last = utf8_text(name).split(".", _MAX_DEPTH)
        place: Any = call
        for part in path:
            place = place.setdefault(part, {}) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.setdefault(last, utf8_text(value))
    return call
