"""The Segment protocol, used by the SDKs of Segment and RudderStack, and plain JSON. Pure.

A body is a call, an array of calls, or a batch, whatever its Content-Type and path are. The path gives a type to calls
without a known one; a known type in the body takes precedence, because the caller's code set it. Calls stay as they
were sent, except for:

* a batch's ``context``, ``sentAt`` and time, which are added to each call that has none of its own. The batch's time is
  not added to a call with ``originalTimestamp``: RudderStack puts the time of sending there.
* RudderStack's ``AnonymousId`` (base64) and ``SentAt`` headers, if the call has no such field.
* RudderStack's ``$direct``, which means no referrer.
* ``writeKey``, which is removed: keys must not get into topics.
* a ``type`` in capitals, such as ``Identify``, which some forwarders write.
* a missing ``messageId``, which becomes a hash of the call without ``sentAt``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.collector.calls import (
    DeliveryBuilder,
    check_count,
    decode_base64,
    decode_json,
    no_events,
    utf8_text,
    write_key_of,
)
from app.collector.inbound import Call, Delivery, Inbound, Refusal
from streams.events.calls import TYPES
from streams.events.identities import clean_id
from streams.events.rejects import MAX_ID_CHARS
from streams.events.times import parse_ms

_SHORT: Final = {"t": "track", "p": "page", "i": "identify", "g": "group", "a": "alias", "s": "screen"}
"""How the browser SDKs shorten the type of a call in its path."""
_IMPLIED: Final = {**_SHORT, **{kind: kind for kind in _SHORT.values()}}
CALL_PATHS: Final = {f"/v1/{name}": kind for name, kind in _IMPLIED.items()}
"""Path -> the type of a call that has no known type itself."""
BATCH_PATHS: Final = ("/v1/b", "/v1/batch", "/v1/import", "/beacon/v1/batch")
PATHS: Final = (*CALL_PATHS, *BATCH_PATHS)
SETTINGS_PATH: Final = "/v1/projects/{write_key}/settings"
SOURCE_CONFIG_PATHS: Final = ("/sourceConfig", "/sourceConfig/")
_EXPECTED: Final = "an event, an array of events or a batch"
_TIMES: Final = ("timestamp", "originalTimestamp")
_MAX_TIME_CHARS: Final = 100
_MAX_REPEATED_BYTES: Final = 20_000_000
"""Total size of a batch's context, repeated in all its calls."""


@dataclass(slots=True)
class _Shared:
    """Values that a request gives to all its calls."""

    context: dict[str, Any] = field(default_factory=dict)
    anonymous_id: str = ""
    """For calls without one."""
    sent_at: str | float = ""
    """For calls without one."""
    time: tuple[str, str | float] | None = None
    """The time, for calls without one."""


def read_segment(inbound: Inbound) -> Delivery:
    """The calls of ``/v1/track`` and the other paths.

    Raises:
        Refusal: nothing in the request can be used.
    """
    sent = decode_json(inbound.body)
    implied = _IMPLIED.get(inbound.path.rstrip("/").rpartition("/")[2])
    whole: dict[str, Any] = {}
    if isinstance(sent, list):
        events = check_count(sent)
    elif not isinstance(sent, dict):
        raise no_events(_EXPECTED)
    elif implied is None and isinstance(sent.get("batch"), list):
        whole, events = sent, check_count(sent["batch"])
    else:
        events = [sent]
    shared = _shared(inbound, whole, len(events))
    delivery = DeliveryBuilder(inbound, write_key_of(inbound, whole.get("writeKey") or _first_key(events)))
    for event in events:
        if isinstance(event, dict):
            delivery.add_call(_normal(event, implied, shared))
        else:
            delivery.add_bad(event, "not_an_object")
    return delivery.build()


def _first_key(events: list[Any]) -> Any:
    return events[0].get("writeKey") if events and isinstance(events[0], dict) else None


def _shared(inbound: Inbound, whole: dict[str, Any], count: int) -> _Shared | None:
    """The values for all calls; None if there are none.

    Raises:
        Refusal: repeated in each call they would be too large.
    """
    if not whole and "sentat" not in inbound.headers and "anonymousid" not in inbound.headers:
        return None
    shared = _Shared()
    context = whole.get("context")
    if isinstance(context, dict) and context:
        shared.context = context
        if count > 1 and _size(context) * count > _MAX_REPEATED_BYTES:
            message = "The batch's context is too large to be added to each of its events: send smaller batches."
            raise Refusal(413, "too_large", message)
    times = [(name, whole[name]) for name in _TIMES if _is_time(whole.get(name))]
    shared.time = next((time for time in times if parse_ms(time[1]) is not None), next(iter(times), None))
    sent_at = whole.get("sentAt") or utf8_text(inbound.header("sentat"))
    if _is_time(sent_at):
        shared.sent_at = sent_at
    shared.anonymous_id = _anonymous(inbound.header("anonymousid"))
    return shared if shared.context or shared.sent_at or shared.anonymous_id or shared.time else None


def _size(context: dict[str, Any]) -> int:
    try:
        return len(orjson.dumps(context))
    except TypeError:  # nested too deep: each call is refused
        return 0


def _is_time(value: Any) -> bool:
    """Whether it can be a time; the engine reports one that it cannot read."""
    return (isinstance(value, str) and 0 < len(value) <= _MAX_TIME_CHARS) or parse_ms(value) is not None


def _anonymous(header: str) -> str:
    """The id in RudderStack's ``AnonymousId`` header; empty if there is none."""
    if not 0 < len(header) <= 4 * MAX_ID_CHARS:
        return ""
    try:
        return clean_id((decode_base64(header) or b"").decode())
    except UnicodeDecodeError:
        return ""


def _normal(call: Call, implied: str | None, shared: _Shared | None) -> Call:
    """The call, completed and cleaned."""
    kind = call.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        known = kind.lower() if isinstance(kind, str) else ""
        if kind := known if known in TYPES else implied:
            call["type"] = kind
    call.pop("writeKey", None)
    if shared is not None:
        _complete(call, shared)
    if call.get("channel") == "web":
        _plain_referrer(call)
    return call


def _complete(call: Call, shared: _Shared) -> None:
    if shared.context:
        own = call.get("context")
        if own is None or isinstance(own, dict):
            copies = {key: dict(value) if isinstance(value, dict) else value for key, value in shared.context.items()}
            call["context"] = copies | (own or {})
    if shared.sent_at and not call.get("sentAt"):
        call["sentAt"] = shared.sent_at
    if shared.anonymous_id and not clean_id(call.get("anonymousId")):
        call["anonymousId"] = shared.anonymous_id
    if shared.time and not (call.get("timestamp") or call.get("originalTimestamp")):
        call[shared.time[0]] = shared.time[1]


def _plain_referrer(call: Call) -> None:
    context = call.get("context")
    for place in (call.get("properties"), context.get("page") if isinstance(context, dict) else None):
        if isinstance(place, dict) and place.get("referrer") == "$direct":
            place["referrer"] = ""


def segment_settings(write_key: str, base_url: str) -> dict[str, Any]:
    """The settings that analytics-next requests first: send everything to this collector, and no metrics to Segment."""
    scheme, _, host = base_url.rstrip("/").rpartition("://")
    where = {"apiKey": write_key, "apiHost": f"{host}/v1", "protocol": scheme or "https"}
    return {"integrations": {"Segment.io": where}, "metrics": {"sampleRate": 0}}


def rudderstack_settings(write_key: str) -> dict[str, Any]:
    """The settings that the RudderStack SDK requests first: an enabled source without destinations."""
    source = {
        "id": "leadglow",
        "name": "leadglow",
        "writeKey": write_key,
        "enabled": True,
        "workspaceId": "leadglow",
        "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
        "connections": [],
        "destinations": [],
        "dataplanes": {},
    }
    return {"updatedAt": "2026-11-22T00:00:00.000Z", "source": source}
