"""What the payload adapters share: JSON in, the engine's own checks, message ids, write keys. Pure."""

from __future__ import annotations

import base64
import binascii
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
from streams.events.identities import owner_of, plain_owner, previous_identity
from streams.events.rejects import MOST_EVENT_BYTES, REASONS, Refused

MOST_CALLS: Final = 5_000
"""In one request; the clients send 2,500 at most."""
MOST_CALL_BYTES: Final = MOST_EVENT_BYTES - 1_000
"""Leaves room for what the collector adds to a call."""
MOST_ODD_BYTES: Final = 1024 * 1024
"""Of a body that is no strict JSON: reading it takes ten times as long."""
TOO_DEEP: Final = "the event is nested more than 254 levels deep"
_NO_TARGET: Final = "no_target"
_RAW_BYTES: Final = 1_000
"""Of the request, for an event that cannot be written as JSON again."""
_AUTHORIZATION_CHARS: Final = 1_000
_HALVES: Final = re.compile("[\ud800-\udfff]")
_DIGITS: Final = 19
"""Whole numbers of fewer fit into 64 bits."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def decode_json(body: bytes) -> Any:
    """The JSON value of a body, whatever its Content-Type says.

    Raises:
        Refusal: it is none.
    """
    try:
        return parse_lenient(body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        what = "is not valid JSON in UTF-8" if body else "is empty"
        raise Refusal(400, "invalid_json", f"The body {what}. Send one event or a batch of events as JSON.") from None


def parse_lenient(raw: bytes | str) -> Any:
    """The value of JSON, or of what some senders take for it.

    ``NaN``, ``Infinity`` and numbers beyond every float become null, and halves of surrogate pairs U+FFFD: one odd
    event must not cost those beside it. No more than MOST_ODD_BYTES are read so.

    Raises:
        ValueError: it is neither.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        if len(raw) > MOST_ODD_BYTES:
            raise
        said = raw if isinstance(raw, str) else raw.decode()
    try:
        value = json.loads(said, parse_constant=_to_none, parse_float=_to_finite, parse_int=_to_int)
        return orjson.loads(_HALVES.sub("\N{REPLACEMENT CHARACTER}", json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _to_none(_: str) -> None:
    return None


def _to_finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _to_int(digits: str) -> float | None:
    return int(digits) if len(digits) < _DIGITS else _to_finite(digits)


def no_events(expected: str) -> Refusal:
    """The refusal of JSON that holds no events."""
    return Refusal(400, "not_an_object", f"The body is valid JSON, but not {expected}.")


def require_scorable(call: Call) -> None:
    """Hold a call to the rules by which the engine takes it in.

    Raises:
        Refused: the engine would reject it.
    """
    check_call(call)
    if not plain_owner(call.get("userId"), call.get("anonymousId")):
        owner_of(call)
    if call["type"] == "alias":
        previous_identity(call)
    elif call.get("event") == RETRACTION and call["type"] == "track":
        properties = call.get("properties")
        if not (isinstance(properties, dict) and known_id(properties.get("messageId"))):
            raise Refused(_NO_TARGET)


class DeliveryBuilder:
    """Puts each event of one request with the calls or with the bad ones."""

    __slots__ = ("_body", "_copies", "delivery")

    def __init__(self, inbound: Inbound, write_key: str) -> None:
        """``write_key`` is what the sender showed."""
        self.delivery = Delivery(write_key=write_key)
        self._body = inbound.body
        self._copies: dict[str, int] = {}

    def add_call(self, call: Call, sent: Any = None) -> bool:
        """Take a call if the engine would, else put ``sent``, what it was made from, with the bad ones. Says which."""
        sent = call if sent is None else sent
        try:
            require_scorable(call)
            size = len(orjson.dumps(call))
        except Refused as refused:
            return self.add_bad(sent, refused.reject.reason)
        except TypeError:  # it was decoded from JSON, so depth is all that can be wrong
            return self.add_bad(sent, "too_large", TOO_DEEP)
        if size > MOST_CALL_BYTES:
            return self.add_bad(sent, "too_large")
        message_id = call.get("messageId")
        if type(message_id) is not str or not message_id:
            call["messageId"] = self._message_id(call)
        self.delivery.calls.append(call)
        return True

    def add_bad(self, event: Any, reason: str, sentence: str = "") -> bool:
        """Put an event with the bad ones."""
        self.delivery.bad.append(BadCall(self._raw(event), reason, sentence or REASONS[reason]))
        return False

    def build(self) -> Delivery:
        """The delivery.

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
        """An id for a call without one: the same when the request is repeated, another for an equal call in it.

        ``sentAt`` does not count: clients set it anew for each try.
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
    """The events of a request, if one may send as many.

    Raises:
        Refusal: one may not.
    """
    if len(events) > MOST_CALLS:
        raise Refusal(413, "too_many_events", f"Send at most {MOST_CALLS} events in one request.")
    return events


def write_key_of(inbound: Inbound, said: Any = None) -> str:
    """What the sender shows to be let in: the Authorization header, else ``said`` in the body, else ``?writeKey=``."""
    header = inbound.header("authorization")
    shown = _basic_user(header) if 0 < len(header) <= _AUTHORIZATION_CHARS else ""
    if not shown and isinstance(said, str):
        shown = said
    return shown or utf8_text(inbound.parameter("writeKey"))


@lru_cache(maxsize=1_000)
def _basic_user(header: str) -> str:
    """The user name of Basic, or the token of Bearer; empty where there is none."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return utf8_text(rest.strip())
    if scheme.lower() != "basic":
        return ""
    return (decode_base64(rest.strip()) or b"").decode("utf-8", "replace").partition(":")[0]


def decode_base64(coded: str) -> bytes | None:
    """Bytes from base64 of either alphabet, padded or not; None if it is none."""
    plain = coded.rstrip("=").replace("-", "+").replace("_", "/").replace(" ", "+")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def utf8_text(value: str) -> str:
    """Text of a header or a query as UTF-8 can carry it."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def rfc3339(at_ms: int) -> str | None:
    """Ms since the epoch as RFC 3339 in UTC; None beyond the year 9999."""
    try:
        moment = _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
