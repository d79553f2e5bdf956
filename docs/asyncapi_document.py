"""Makes docs/asyncapi.json: every topic that others write to or read, as an AsyncAPI 3 document."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from docs.record_examples import examples
from streams.events.calls import TYPES
from streams.events.rejects import REASONS, REJECTED_BYTES
from streams.schemas import RECORDS
from streams.schemas.fields import DRAFT, SCHEMA_TYPE, Schema
from streams.transport.topics import Topics

TOPICS = Topics()
KEY = {"type": "string", "description": "The id of the lead."}
ACCOUNT_KEY = {"type": "string", "description": "`account:` and the value of the key."}
SCORE_KEY = {"type": "string", "description": "The id of the lead; for all but the first scorecard, ID/SCORECARD."}


def document() -> dict[str, Any]:
    """The whole document; operations are named from Leadglow's point of view."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leadglow",
            "version": version("leadglow"),
            "description": "Real-time lead scoring. Names of topics are the defaults; settings change them. "
            "docs/records.md explains every field.",
        },
        "defaultContentType": "application/json",
        "channels": {
            **{name: _channel("What leads do, as calls of the Segment spec.", "call") for name in TOPICS.sources},
            TOPICS.handoff: _channel(
                "A lead or an account entered or left a stage. Deduplicate by `id`.", "alert", "account_alert"
            ),
            TOPICS.lead_scores: _channel("The current score of each lead on each scorecard. Compacted.", "score"),
            TOPICS.rejected: _channel("Events that could not be read, with the reason.", "reject"),
        },
        "operations": {
            **{f"read-{name}": _operation("receive", name) for name in TOPICS.sources},
            "send-alerts": _operation("send", TOPICS.handoff),
            "send-scores": _operation("send", TOPICS.lead_scores),
            "send-rejects": _operation("send", TOPICS.rejected),
        },
        "components": {"messages": _messages()},
    }


def _channel(description: str, *messages: str) -> dict[str, Any]:
    found = {each: {"$ref": f"#/components/messages/{each}"} for each in messages}
    return {"description": description, "messages": found}


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _messages() -> dict[str, Any]:
    found = examples()
    return {
        "call": {
            "title": "A call of the Segment spec",
            "payload": _schema(call_schema()),
            "examples": [{"payload": {"type": "track", "event": "Demo Requested", "messageId": "m-3", "userId": "ana",
                                      "timestamp": "2026-11-24T09:05:00Z"}}],
        },
        "alert": {
            "title": "An alert, as a structured CloudEvent",
            "contentType": "application/cloudevents+json",
            "payload": _schema(RECORDS["handoff-event"].to_json()),
            "bindings": _key(KEY),
            "examples": [{"payload": found["entered"]}],
        },
        "account_alert": {
            "title": "An alert about an account, as a structured CloudEvent",
            "contentType": "application/cloudevents+json",
            "payload": _schema(RECORDS["account-event"].to_json()),
            "bindings": _key(ACCOUNT_KEY),
            "examples": [{"payload": found["account"]}],
        },
        "score": {
            "title": "A score; an empty value is a tombstone: the lead was merged or erased",
            "payload": _schema(RECORDS["lead-scores"].to_json()),
            "bindings": _key(SCORE_KEY),
            "examples": [{"payload": found["score"]}],
        },
        "reject": {
            "title": f"A rejected record: its value, of which {REJECTED_BYTES} bytes are kept, with the reason in "
            f"headers ({len(REASONS)} codes)",
            "contentType": "application/octet-stream",
            "headers": _schema(RECORDS["rejected-events"].to_json()),
            "examples": [{"headers": found["reject"]}],
        },
    }  # fmt: skip


def _schema(schema: Schema) -> dict[str, Any]:
    return {"schemaFormat": f"{SCHEMA_TYPE};version=draft-2020-12", "schema": schema}


def _key(schema: Schema) -> dict[str, Any]:
    return {"kafka": {"key": schema}}


def call_schema() -> Schema:
    """What every call needs; the rest of the Segment spec is read as far as it is there."""
    text: Schema = {"type": "string"}
    anything: Schema = {"type": "object"}
    return {
        "$schema": DRAFT,
        "type": "object",
        "properties": {
            "type": {"enum": sorted(TYPES)},
            "event": {**text, "description": "The name of a track call, which signals match."},
            "messageId": {**text, "description": "Recognizes a repetition. Without one, every record counts."},
            "userId": {**text, "description": "The lead, if it is known."},
            "anonymousId": {**text, "description": "The visitor, whose events the lead gets once both ids are sent."},
            "timestamp": {**text, "description": "When it happened; by default, when the record was written."},
            "properties": anything,
            "traits": anything,
            "context": anything,
        },
        "required": ["type"],
        "if": {"properties": {"type": {"const": "track"}}},
        "then": {"required": ["event"]},
    }


def document_text() -> str:
    """The document as a file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
