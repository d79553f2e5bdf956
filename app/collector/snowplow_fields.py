"""Fields of a Snowplow event, which the protocol sends as text: numbers, times and JSON. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from app.collector.calls import decode_base64, parse_lenient, rfc3339
from streams.events.rejects import Refused
from streams.events.times import epoch_ms

_NOT_JSON: Final = "not_json"

Event = Mapping[str, Any]


def text_of(event: Event, name: str) -> str:
    """A field as text; empty if it is missing."""
    value = event.get(name)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def number_of(event: Event, name: str) -> int | float | None:
    """A field as a number; None if it is not one."""
    try:
        number = float(text_of(event, name))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def time_of(event: Event, name: str) -> str | None:
    """A field in ms since the epoch as RFC 3339; None if it is not a time."""
    at_ms = epoch_ms(text_of(event, name))
    return None if at_ms is None else rfc3339(at_ms)


def json_of(event: Event, coded: str, plain: str) -> Any:
    """The JSON value of the field ``coded``, in base64, or of ``plain``; None if both are missing.

    Raises:
        Refused: it cannot be parsed.
    """
    text = event.get(coded)
    is_coded = isinstance(text, str) and bool(text)
    raw = decode_base64(text) if isinstance(text, str) and text else event.get(plain)
    if is_coded and raw is None:
        raise Refused(_NOT_JSON)
    if not isinstance(raw, str | bytes) or not raw:
        return raw or None
    try:
        return parse_lenient(raw)
    except ValueError:
        raise Refused(_NOT_JSON) from None
