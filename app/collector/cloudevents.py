"""CloudEvents 1.0 over HTTP: structured, binary and batched. Pure.

If ``data`` is a call of the Segment spec (it has a known ``type`` and an id), that call is used, and missing fields are
taken from the CloudEvent. Everything else becomes a track call:

| CloudEvents | Here |
| --- | --- |
| ``type`` | event |
| ``source`` and ``id``, which are unique together | messageId: both, separated by a space |
| ``time`` | timestamp |
| ``subject`` | userId; an e-mail address becomes ``context.traits.email`` instead |
| ``data`` | properties; data that are not an object become ``properties.data`` |
| ``source``, ``dataschema``, further attributes | ``context.cloudevent.NAME`` |

``userId``, ``anonymousId`` or ``traits.email`` in the data take precedence over ``subject``; so do the extension
attributes ``userid`` and ``anonymousid``. If ``subject`` is not a person's id, one of these is needed.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote

import orjson

from app.collector.calls import (
    DeliveryBuilder,
    check_count,
    decode_base64,
    decode_json,
    no_events,
    parse_lenient,
    utf8_text,
    write_key_of,
)
from app.collector.inbound import Call, Delivery, Inbound, Refusal
from streams.events.calls import TYPES
from streams.events.identities import clean_id, first_id, name_lead

PATH: Final = "/v1/cloudevents"
_EXPECTED: Final = "a CloudEvent or an array of CloudEvents"
_PREFIX: Final = "ce-"
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(.)")
_MAPPED: Final = frozenset({"id", "type", "time", "data", "data_base64", "datacontenttype", "userid", "anonymousid"})
_CALL_FIELDS: Final = ("messageId", "userId", "anonymousId")


def read_cloudevents(inbound: Inbound) -> Delivery:
    """The calls of ``/v1/cloudevents``.

    Raises:
        Refusal: nothing in the request can be used.
    """
    delivery = DeliveryBuilder(inbound, write_key_of(inbound))
    structured = inbound.header("content-type").lower().startswith("application/cloudevents")
    for event in _structured(inbound) if structured or "ce-type" not in inbound.headers else [_binary(inbound)]:
        if isinstance(event, dict):
            delivery.add_call(_call(event), event)
        else:
            delivery.add_bad(event, "not_an_object")
    return delivery.build()


def _structured(inbound: Inbound) -> list[Any]:
    sent = decode_json(inbound.body)
    if isinstance(sent, list):
        return check_count(sent)
    if not isinstance(sent, dict):
        raise no_events(_EXPECTED)
    return [sent]


def _binary(inbound: Inbound) -> dict[str, Any]:
    """The event from ``ce-`` headers, whose values are percent-encoded, and a body with its data."""
    event: dict[str, Any] = {
        utf8_text(name.removeprefix(_PREFIX)): _attribute(name, value)
        for name, value in ((name.lower(), value) for name, value in inbound.headers.items())
        if name.startswith(_PREFIX)
    }
    event.pop("data", None)
    event.pop("data_base64", None)
    if inbound.body:
        event["data"] = _read_data(inbound.body, inbound.header("content-type"))
    return event


def _attribute(name: str, value: str) -> str:
    """The value of an attribute's header: unquoted as RFC 9110 says, then percent-decoded.

    Raises:
        Refusal: it is not UTF-8.
    """
    quoted = _QUOTED.fullmatch(value.strip())
    if quoted:
        value = _ESCAPE.sub(r"\1", quoted[1])
    try:
        value.encode()
        return unquote(value, errors="strict")
    except UnicodeError:
        raise Refusal(400, "bad_header", f"The header {utf8_text(name)} is not percent-encoded UTF-8.") from None


def _read_data(raw: bytes, content_type: str) -> Any:
    """The data: JSON if possible, else text.

    Raises:
        Refusal: the Content-Type is JSON, but the data are not.
    """
    try:
        return parse_lenient(raw) if "json" in content_type.lower() else orjson.loads(raw)
    except ValueError:
        if "json" in content_type.lower():
            raise Refusal(400, "invalid_json", "The data is not valid JSON in UTF-8.") from None
        return raw.decode("utf-8", "replace")


def _call(event: dict[str, Any]) -> Call:
    data = event.get("data")
    coded = event.get("data_base64")
    if data is None and isinstance(coded, str):
        raw = decode_base64(coded)
        data = _read_data(raw, "") if raw is not None else coded
    call = data if isinstance(data, dict) and _is_call(data) else _track(event, data)
    if not call.get("messageId") and event.get("id"):
        call["messageId"] = _message_id(event)
    if not (call.get("timestamp") or call.get("originalTimestamp")) and event.get("time"):
        call["timestamp"] = event["time"]
    return call


def _message_id(event: dict[str, Any]) -> Any:
    source, own = event.get("source"), event["id"]
    if not (isinstance(source, str) and source and isinstance(own, str | int)):
        return own
    return f"{source.replace(' ', '%20')} {own}"


def _is_call(data: dict[str, Any]) -> bool:
    kind = data.get("type")
    return isinstance(kind, str) and kind in TYPES and any(data.get(name) for name in _CALL_FIELDS)


def _track(event: dict[str, Any], data: Any) -> Call:
    properties = data if isinstance(data, dict) else {} if data is None else {"data": data}
    about = {name: value for name, value in event.items() if name not in _MAPPED}
    call: Call = {"type": "track", "event": event.get("type"), "properties": properties}
    call["context"] = {"cloudevent": about}
    if isinstance(properties.get("traits"), dict):
        call["context"]["traits"] = dict(properties["traits"])
    user_id, anonymous_id = (
        first_id(properties.get(name), event.get(name.lower())) for name in ("userId", "anonymousId")
    )
    subject, email = event.get("subject"), ""
    if isinstance(subject, str) and not clean_id(user_id) and not clean_id(anonymous_id):
        user_id, email = (user_id, subject) if "@" in subject else (first_id(subject, user_id), "")
    name_lead(call, user_id, anonymous_id, email)
    return call
