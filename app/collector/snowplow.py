"""The Snowplow tracker protocol: ``POST /com.snowplowanalytics.snowplow/tp2`` and ``GET /i``. Pure.

| Snowplow | Here |
| --- | --- |
| ``pv`` | page with url, path, search, title, referrer |
| ``pp`` | track "Page Ping" with the scroll offsets |
| ``se`` | track named by ``se_ac``, with category, label, property, value |
| ``ue`` | track named by its schema, ``demo_requested`` -> "Demo Requested"; its data are the properties |
| ``uid``, ``duid`` (else ``nuid``, ``tnuid``, ``userId`` of the entity ``client_session``) | userId, anonymousId |
| ``eid`` | messageId |
| ``ttm``, else ``dtm`` with ``stm`` | timestamp; timestamp with sentAt, which corrects the sender's clock |
| entities (``cx``, ``co``) | ``context.entities.NAME``, the first of each name |
| an e-mail address in an entity, see EMAIL_FIELDS | ``context.traits.email`` |
| ``utm_`` parameters of the url | ``context.campaign`` |
| ``aid``, the app id | the write key, if no header and no ``?writeKey=`` has one |

In Snowplow an event with both ``uid`` and ``duid`` means that they are one person. So an identify call is added after
the first such event of a request. Its messageId is derived from the identities and the session: it counts once.

Entities that cannot be parsed are ignored; the event still counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson
from xxhash import xxh3_128_hexdigest

from app.collector.calls import (
    DeliveryBuilder,
    check_count,
    decode_json,
    no_events,
    utf8_text,
    write_key_of,
)
from app.collector.inbound import Call, Delivery, Inbound
from app.collector.page_urls import campaign_of, page_of
from app.collector.snowplow_fields import Event, json_of, number_of, text_of, time_of
from streams.events.identities import clean_address, first_id, lead_ids, name_lead
from streams.events.rejects import Refused

POST_PATH: Final = "/com.snowplowanalytics.snowplow/tp2"
GET_PATH: Final = "/i"
QUERY: Final = {
    "e": "Kind of event: pv, pp, se or ue.",
    "aid": "The app id; it is the write key if the request has no other.",
    "uid": "The user's id.",
    "duid": "The visitor's id.",
    "eid": "The event's id.",
    "url": "The page.",
    "dtm": "When it happened, in ms since the epoch.",
    "stm": "When it was sent.",
}
"""The parameters of a GET request that the OpenAPI document lists."""
EMAIL_FIELDS: Final[Mapping[str, str]] = {
    "com.snowplowanalytics.snowplow.ecommerce/user": "email",
    "lead": "email",
    "user": "email",
    "customer": "email",
}
"""Entity -> its field with the visitor's e-mail address; ``vendor/name`` first, then ``name`` of any vendor."""
_EXPECTED: Final = "an object with the events in the array `data`"
_NO_EVENT: Final = "no_event"
_UNKNOWN: Final = "`e` must be pv, pp, se or ue"
_SCHEMA: Final = re.compile(r"iglu:([A-Za-z0-9_.-]+)/([A-Za-z0-9_-]+)/[A-Za-z0-9_-]+/[0-9-]+")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def read_snowplow(inbound: Inbound, email_fields: Mapping[str, str] = EMAIL_FIELDS) -> Delivery:
    """The calls of a tracker's request.

    Raises:
        Refusal: nothing in the request can be used.
    """
    events = _events(inbound)
    delivery = DeliveryBuilder(inbound, write_key_of(inbound) or _app_id(events))
    identified: set[str] = set()
    for event in events:
        if not isinstance(event, dict):
            delivery.add_bad(event, "not_an_object")
            continue
        shape = _SHAPES.get(text_of(event, "e"))
        if shape is None:
            delivery.add_bad(event, "unknown_type", _UNKNOWN)
            continue
        try:
            call = _call(event, shape(event), inbound, email_fields)
        except Refused as refused:
            delivery.add_bad(event, refused.reject.reason)
            continue
        identify = _identify(event, call) if delivery.add_call(call, event) else None
        if identify is not None and identify["messageId"] not in identified:
            identified.add(identify["messageId"])
            delivery.add_call(identify)
    return delivery.build()


def _events(inbound: Inbound) -> list[Any]:
    if inbound.method != "POST":
        return [
            {utf8_text(name): utf8_text(value) for name, value in reversed(inbound.query)}
        ]  # the first one of each name counts
    sent = decode_json(inbound.body)
    data = sent.get("data") if isinstance(sent, dict) else None
    if not isinstance(data, list):
        raise no_events(_EXPECTED)
    return check_count(data)


def _app_id(events: list[Any]) -> str:
    return text_of(events[0], "aid") if events and isinstance(events[0], dict) else ""


# Events ---------------------------------------------------------------------------------------------------------


def _call(event: Event, call: Call, inbound: Inbound, email_fields: Mapping[str, str]) -> Call:
    """The call with its identities, times and context."""
    message_id = text_of(event, "eid")
    if message_id:
        call["messageId"] = message_id
    call |= _times(event)
    entities, email = _entities(event, email_fields)
    call["context"] = _context(event, inbound, entities)
    session = entities.get("client_session", {})
    anonymous_id = first_id(*(text_of(event, name) for name in _ANONYMOUS), text_of(session, "userId"))
    name_lead(call, text_of(event, "uid"), anonymous_id, email)
    return call


_ANONYMOUS: Final = ("duid", "nuid", "tnuid")


def _times(event: Event) -> dict[str, str]:
    true_time = time_of(event, "ttm")
    if true_time:  # set by the application, so there is no clock to correct
        return {"timestamp": true_time}
    named = (("timestamp", time_of(event, "dtm")), ("sentAt", time_of(event, "stm")))
    return {name: time for name, time in named if time}


def _identify(event: Event, call: Call) -> Call | None:
    """The call that joins the identities of an event; None if it has no user or no other identity."""
    ids = lead_ids(call)
    if not ids.user_id or not (ids.anonymous_id or ids.email):
        return None
    values = orjson.dumps([*ids, text_of(event, "sid")])
    kept = {name: call[name] for name in _IDENTIFYING if name in call}
    context = {name: value for name, value in call["context"].items() if name != "entities"}
    return {"type": "identify", "messageId": f"snowplow-{xxh3_128_hexdigest(values)}", **kept, "context": context}


_IDENTIFYING: Final[tuple[str, ...]] = ("userId", "anonymousId", "timestamp", "sentAt")


def _page_view(event: Event) -> Call:
    return {"type": "page", "properties": _page(event)}


def _page_ping(event: Event) -> Call:
    offsets = {name: number_of(event, key) for key, name in _OFFSETS.items()}
    properties = _page(event) | {name: value for name, value in offsets.items() if value is not None}
    return {"type": "track", "event": "Page Ping", "properties": properties}


_OFFSETS: Final = {"pp_mix": "min_x", "pp_max": "max_x", "pp_miy": "min_y", "pp_may": "max_y"}


def _structured(event: Event) -> Call:
    values: dict[str, Any] = {name: text_of(event, key) for key, name in _STRUCTURED.items()}
    properties = {name: value for name, value in values.items() if value}
    value = number_of(event, "se_va")
    if value is not None:
        properties["value"] = value
    return {"type": "track", "event": text_of(event, "se_ac"), "properties": properties}


_STRUCTURED: Final = {"se_ca": "category", "se_la": "label", "se_pr": "property"}


def _self_describing(event: Event) -> Call:
    outer = json_of(event, "ue_px", "ue_pr")
    inner = outer.get("data") if isinstance(outer, dict) else None
    schema = inner.get("schema") if isinstance(inner, dict) else None
    known = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if known is None:
        raise Refused(_NO_EVENT)
    data = inner.get("data") if isinstance(inner, dict) else None
    properties = data if isinstance(data, dict) else {}
    return {"type": "track", "event": readable(known[2]), "properties": properties}


def readable(name: str) -> str:
    """The name of a schema as an event name: ``demo_requested``, ``demoRequested`` -> ``Demo Requested``."""
    return " ".join(word[:1].upper() + word[1:] for word in _WORD.findall(name))


_SHAPES: Final[dict[str, Callable[[Event], Call]]] = {
    "pv": _page_view,
    "pp": _page_ping,
    "se": _structured,
    "ue": _self_describing,
}


# Context --------------------------------------------------------------------------------------------------------


def _page(event: Event) -> dict[str, Any]:
    url = text_of(event, "url")
    return dict(page_of(url, text_of(event, "page"), text_of(event, "refr"))) if url else {}


def _context(event: Event, inbound: Inbound, entities: dict[str, Any]) -> dict[str, Any]:
    page = _page(event)
    agent = text_of(event, "ua")
    if not agent and text_of(event, "p") == "web":  # on other platforms the header names a server's library
        agent = utf8_text(inbound.header("user-agent"))
    context = {
        "library": {"name": "snowplow", "version": text_of(event, "tv")},
        "page": page,
        "userAgent": agent,
        "ip": text_of(event, "ip"),
        "locale": text_of(event, "lang"),
        "timezone": text_of(event, "tz"),
        "sessionId": text_of(event, "sid"),
        "campaign": campaign_of(page.get("search", "")),
        "entities": entities,
    }
    return {name: value for name, value in context.items() if value}


def _entities(event: Event, email_fields: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The entities by name, and an e-mail address found in them."""
    found: dict[str, Any] = {}
    email = ""
    for vendor, name, data in _described(event):
        found.setdefault(name, data)
        email = email or clean_address(data.get(email_fields.get(f"{vendor}/{name}") or email_fields.get(name) or ""))
    return found, email


def _described(event: Event) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Vendor, name and data of each valid entity."""
    try:
        outer = json_of(event, "cx", "co")
    except Refused:
        return
    listed = outer.get("data") if isinstance(outer, dict) else None
    for entity in listed if isinstance(listed, list) else []:
        schema, data = (entity.get("schema"), entity.get("data")) if isinstance(entity, dict) else (None, None)
        known = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
        if known is not None and isinstance(data, dict):
            yield known[1], known[2], data
