"""Schemas of bodies in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from app.collector.calls import MAX_CALLS
from streams.events.calls import TYPES
from streams.events.rejects import MAX_ID_CHARS

Part = dict[str, Any]


def ref(name: str) -> Part:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


BYTES: Final = {"type": "string", "contentMediaType": "image/gif"}
_ID: Final = {"type": ["string", "number", "null"], "maxLength": MAX_ID_CHARS}
_TIME: Final = {"type": ["string", "number"], "format": "date-time"}
_OBJECT: Final = {"type": ["object", "null"]}
_CALL: Final[dict[str, Part]] = {
    "type": {"type": "string", "enum": sorted(TYPES)},
    "event": {"type": "string", "description": "The name of a track call."},
    "messageId": {
        "type": "string",
        "description": "The same whenever the event is sent again, so that it counts once.",
    },
    "userId": _ID,
    "anonymousId": _ID,
    "timestamp": {**_TIME, "description": "When it happened, by the sender's clock."},
    "originalTimestamp": _TIME,
    "sentAt": {**_TIME, "description": "When it was sent, by the same clock; used to correct it."},
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
            "code": {"type": "string", "description": "For programs."},
            "message": {"type": "string", "description": "For people: what to do."},
        },
    },
    "Call": {
        "type": "object",
        "properties": _CALL,
        "description": "A call of the Segment spec; further fields are kept.",
    },
    "Calls": {"type": "array", "items": ref("Call"), "maxItems": MAX_CALLS},
    "Batch": {
        "type": "object",
        "required": ["batch"],
        "properties": {
            "batch": ref("Calls"),
            "context": {**_OBJECT, "description": "Added to each call that has none of its own."},
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
                "maxItems": MAX_CALLS,
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
