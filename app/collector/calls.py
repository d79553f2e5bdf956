"""Shared by the payload adapters: parsing JSON, the engine's checks, message ids, write keys. Pure."""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson
from xxhash import xxh3_128_hexdigest

from app.collector.inbound import BadCall, Call, Delivery, Inbound, Refusal
from streams.events.calls import RETRACTION, check_call, known_id
from streams.events.identities import owner_of, plain_owner
from streams.events.rejects import MAX_EVENT_BYTES, REASONS, Refused

MAX_CALLS: Final = 5_000
"""Events in one request; the SDKs send at most 2,500."""
MAX_CALL_BYTES: Final = MAX_EVENT_BYTES - 1_000
"""Leaves room for the fields that the collector adds."""
MAX_ODD_BYTES: Final = 1024 * 1024
"""Size of a body that is not strict JSON, which takes ten times as long to parse."""
TOO_DEEP: Final = "the event is nested more than 254 levels deep"
_NO_TARGET: Final = "no_target"
_RAW_BYTES: Final = 1_000
"""How much of the body is kept for an event that cannot be encoded as JSON again."""
_AUTHORIZATION_CHARS: Final = 1_000
_HALVES: Final = re.compile("[\ud800-\udfff]")
_DIGITS: Final = 19
"""Whole numbers with fewer digits fit into 64 bits."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def decode_json(body: bytes) -> Any:
    """The JSON value of a body, whatever its Content-Type is.

    Raises:
        Refusal: it is not JSON.
    """
    try:
        return parse_lenient(body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        what = "is not valid JSON in UTF-8" if body else "is empty"
        raise Refusal(400, "invalid_json", f"The body {what}. Send one event or a batch of events as JSON.") from None


def parse_lenient(raw: bytes | str) -> Any:
    """Parse JSON, also in the variants that some senders use.

    ``NaN``, ``Infinity`` and numbers beyond every float become null, halves of surrogate pairs U+FFFD, and bytes that
    are not UTF-8 the letters of ISO 8859-1. Texts may have raw control characters. One odd event must not cost the
    others. This is done for at most MAX_ODD_BYTES.

    Raises:
        ValueError: it cannot be parsed.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        if len(raw) > MAX_ODD_BYTES:
            raise
        text = raw if isinstance(raw, str) else raw.decode("utf-8", _LATIN)
    try:
        value = json.loads(text, strict=False, parse_constant=_to_none, parse_float=_to_finite, parse_int=_to_int)
        return orjson.loads(_HALVES.sub("\N{REPLACEMENT CHARACTER}", json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _to_latin(error: UnicodeError) -> tuple[str, int]:
    """ISO 8859-1 for bytes that are not UTF-8: with one character for all of them, ids of strangers would be equal."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


_LATIN: Final = "leadglow.latin"
codecs.register_error(_LATIN, _to_latin)


def _to_none(_: str) -> None:
    return None


def _to_finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _to_int(digits: str) -> float | None:
    return int(digits) if len(digits) < _DIGITS else _to_finite(digits)


def no_events(expected: str) -> Refusal:
    """The refusal of JSON that has no events."""
    return Refusal(400, "not_an_object", f"The body is valid JSON, but not {expected}.")


def require_scorable(call: Call) -> None:
    """Check a call as the engine will check it.

    Raises:
        Refused: the engine would reject it.
    """
    check_call(call)
    if not plain_owner(call.get("userId"), call.get("anonymousId")):
        owner_of(call)
    if call.get("event") == RETRACTION and call["type"] == "track":
        properties = call.get("properties")
        if not (isinstance(properties, dict) and known_id(properties.get("messageId"))):
            raise Refused(_NO_TARGET)


class DeliveryBuilder:
    """Builds the delivery of a request, event by event."""

    __slots__ = ("_body", "_copies", "delivery")

    def __init__(self, inbound: Inbound, write_key: str) -> None:
        """``write_key`` is the key that the sender gave."""
        self.delivery = Delivery(write_key=write_key)
        self._body = inbound.body
        self._copies: dict[str, int] = {}

    def add_call(self, call: Call, sent: Any = None) -> bool:
        """Add a valid call, or ``sent``, which it was made from, as a bad event. Returns whether it is valid."""
        sent = call if sent is None else sent
        try:
            require_scorable(call)
            size = len(orjson.dumps(call))
        except Refused as refused:
            return self.add_bad(sent, refused.reject.reason)
        except TypeError:  # it was parsed from JSON, so it can only be nested too deep
            return self.add_bad(sent, "too_large", TOO_DEEP)
        if size > MAX_CALL_BYTES:
            return self.add_bad(sent, "too_large")
        message_id = call.get("messageId")
        if type(message_id) is not str or not message_id:
            call["messageId"] = self._message_id(call)
        self.delivery.calls.append(call)
        return True

    def add_bad(self, event: Any, reason: str, sentence: str = "") -> bool:
        """Add an event that cannot be used."""
        self.delivery.bad.append(BadCall(self._raw(event), reason, sentence or REASONS[reason]))
        return False

    def build(self) -> Delivery:
        """Return the delivery.

        Raises:
            Refusal: nothing in the request can be used.
        """
        delivery = self.delivery
        if delivery.bad and not delivery.calls:
            first = delivery.bad[0]
            what = "The event" if len(delivery.bad) == 1 else f"None of the {len(delivery.bad)} events can be used: one"
            raise Refusal(400, first.reason, f"{what} was refused: {first.sentence}.")
        return delivery

    def _message_id(self, call: Call) -> str:
        """An id for a call without one: the same if the request is sent again, another for an equal call in it.

        ``sentAt`` is ignored, because clients change it with each attempt.
        """
        given = call.pop("messageId", None)
        if type(given) is int:
            return str(given)
        sent_at = call.pop("sentAt", None)
        digest = xxh3_128_hexdigest(orjson.dumps(call, option=orjson.OPT_SORT_KEYS))
        if sent_at is not None:
            call["sentAt"] = sent_at
        copies = self._copies[digest] = self._copies.get(digest, 0) + 1
        return f"auto-{digest}" if copies == 1 else f"auto-{digest}-{copies}"

    def _raw(self, event: Any) -> bytes:
        try:
            return orjson.dumps(event)
        except TypeError:
            pass
        try:
            return msgspec.json.encode(event)
        except (RecursionError, TypeError, msgspec.MsgspecError):
            return self._body[:_RAW_BYTES]


def check_count(events: list[Any]) -> list[Any]:
    """Return the events of a request, unless there are too many.

    Raises:
        Refusal: there are too many.
    """
    if len(events) > MAX_CALLS:
        raise Refusal(413, "too_many_events", f"Send at most {MAX_CALLS} events in one request.")
    return events


def write_key_of(inbound: Inbound, in_body: Any = None) -> str:
    """The sender's key: from the Authorization header, else ``in_body``, else ``?writeKey=``."""
    header = inbound.header("authorization")
    shown = _basic_user(header) if 0 < len(header) <= _AUTHORIZATION_CHARS else ""
    if not shown and isinstance(in_body, str):
        shown = in_body
    return shown or utf8_text(inbound.parameter("writeKey"))


@lru_cache(maxsize=1_000)
def _basic_user(header: str) -> str:
    """The user name of Basic, or the token of Bearer; empty if there is none."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return utf8_text(rest.strip())
    if scheme.lower() != "basic":
        return ""
    return (decode_base64(rest.strip()) or b"").decode("utf-8", "replace").partition(":")[0]


def decode_base64(coded: str) -> bytes | None:
    """Bytes from base64 of either alphabet, with or without padding; None if it is not base64."""
    plain = coded.rstrip("=").replace("-", "+").replace("_", "/").replace(" ", "+")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def utf8_text(value: str) -> str:
    """The text of a header or query, made encodable as UTF-8."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def rfc3339(at_ms: int) -> str | None:
    """Ms since the epoch as RFC 3339 in UTC; None beyond the year 9999."""
    try:
        moment = _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
