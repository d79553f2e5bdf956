"""What the OpenAPI document says of bodies and parameters."""

from __future__ import annotations

from typing import Any, Final

from app.collector.calls import MOST_CALLS
from streams.events.calls import TYPES
from streams.events.rejects import MOST_ID_CHARS

Part = dict[str, Any]


def ref(name: str) -> Part:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


BYTES: Final = {"type": "string", "contentMediaType": "image/gif"}
_ID: Final = {"type": ["string", "null"], "maxLength": MOST_ID_CHARS}
_TIME: Final = {"type": "string", "format": "date-time"}
_OBJECT: Final = {"type": ["object", "null"]}
_CALL: Final[dict[str, Part]] = {
    "type": {"type": "string", "enum": sorted(TYPES)},
    "event": {"type": "string", "description": "The name of a track call."},
    "messageId": {"type": "string", "description": "The same in every repetition: an event counts once."},
    "userId": _ID,
    "anonymousId": _ID,
    "timestamp": {**_TIME, "description": "When it happened, by the sender's clock."},
    "originalTimestamp": _TIME,
    "sentAt": {**_TIME, "description": "When it was sent, by the same clock: corrects it."},
    "properties": _OBJECT,
    "traits": _OBJECT,
    "context": _OBJECT,
    "previousId": _ID,
    "groupId": _ID,
    "writeKey": {"type": "string"},
}
SCHEMAS: Final[dict[str, Part]] = {
    "Accepted": {"type": "object", "required": ["success"], "properties": {"success": {"const": True}}},
    "Error": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "string", "description": "For machines."},
            "message": {"type": "string", "description": "A sentence that says what to do."},
        },
    },
    "Call": {"type": "object", "properties": _CALL, "description": "A call of the Segment spec; more fields are kept."},
    "Calls": {"type": "array", "items": ref("Call"), "maxItems": MOST_CALLS},
    "Batch": {
        "type": "object",
        "required": ["batch"],
        "properties": {
            "batch": ref("Calls"),
            "context": {**_OBJECT, "description": "Goes into each call that says nothing else."},
            "sentAt": _TIME,
            "timestamp": _TIME,
            "writeKey": {"type": "string"},
        },
    },
    "SnowplowPayload": {
        "type": "object",
        "required": ["schema", "data"],
        "properties": {
            "schema": {"type": "string"},
            "data": {
                "type": "array",
                "maxItems": MOST_CALLS,
                "items": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
    },
    "CloudEvent": {
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1},
            "type": {"type": "string", "minLength": 1},
            "subject": {"type": "string"},
            "time": _TIME,
            "datacontenttype": {"type": "string"},
            "dataschema": {"type": "string"},
            "data": {},
            "data_base64": {"type": "string"},
        },
    },
}
SNOWPLOW_QUERY: Final = {
    "e": "Kind of event: pv, pp, se or ue.",
    "aid": "The app id, which is the write key where no other is shown.",
    "uid": "The user's id.",
    "duid": "The visitor's id.",
    "eid": "The event's id.",
    "url": "The page.",
    "dtm": "When it happened, in ms since the epoch.",
    "stm": "When it was sent.",
}
LINK_QUERY: Final = {
    "to": "Where the link leads, http or https.",
    "sig": "The signature over all others.",
    "event": "The name of the event.",
    "userId": "Who clicks.",
    "anonymousId": "Who clicks.",
    "email": "Who clicks.",
    "messageId": "Makes all clicks one event.",
    "expires": "Until when the link works, in seconds since the epoch.",
}
PIXEL_QUERY: Final = {
    "writeKey": "A public write key.",
    "type": "The type of call; without it track where there is `event`, else page.",
    "event": "The name of a track call.",
    "userId": "Who looks.",
    "anonymousId": "Who looks.",
    "email": "Who looks.",
    "messageId": "Makes all that have it one event.",
}
