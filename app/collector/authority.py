"""Which calls a key may send. Pure.

A public write key is visible in the source of a web page, so anybody can use it. It may send what visitors do and who
they say they are, but nothing that only a mail service, a CRM or the collector itself can know.
"""

from __future__ import annotations

import json
from typing import Final

from app.collector.inbound import BadCall, Call
from app.collector.keyring import Key
from app.collector.vocabulary import MAIL_EVENTS
from streams.events.calls import RETRACTION

STAMP_FIELD: Final = "leadglow"
"""The field of a call that names its key; a value from the client is always replaced."""
NOT_ALLOWED: Final = "not_allowed"
VERDICTS: Final = frozenset(
    {
        "Deal Lost",
        "Deal Won",
        "Lead Accepted",
        "Lead Disqualified",
        "Lead Qualified",
        "Lead Rejected",
        "Opportunity Created",
        "Opportunity Lost",
        "Opportunity Won",
    }
)
"""Events with a CRM's verdict about a lead."""
_TRUSTED_ONLY: Final = (
    (frozenset({RETRACTION}), "takes points back, which"),
    (MAIL_EVENTS, "is an event of a mail service, which"),
    (VERDICTS, "is a verdict of a CRM, which"),
)
_MARKS: Final = frozenset({"automated", "automated_reason"})


def stamp_call(call: Call, key: Key | None, webhook_name: str = "") -> Call | BadCall:
    """The call with the name of its key added; a BadCall if the key may not send it.

    ``key`` is None for signed requests, and ``webhook_name`` names their webhook. Call this before machines are marked,
    because a public key may not set these marks. Ids of a public key's events get a prefix, so that they cannot take
    the id of an event of another sender.
    """
    if key is None or not key.public:
        return {**call, STAMP_FIELD: {"key": key.name if key is not None else webhook_name}}
    sentence = _forbidden(call)
    if sentence is not None:
        return BadCall(json.dumps(call).encode(), NOT_ALLOWED, sentence)
    stamped: Call = {**call, STAMP_FIELD: {"key": key.name, "public": True}}
    message_id = call.get("messageId")
    if isinstance(message_id, str) and message_id:
        stamped["messageId"] = f"public:{key.name}:{message_id}"
    properties = call.get("properties")
    if isinstance(properties, dict) and not _MARKS.isdisjoint(properties):
        stamped["properties"] = {name: value for name, value in properties.items() if name not in _MARKS}
    return stamped


def _forbidden(call: Call) -> str | None:
    """Why a public key may not send this call; None if it may."""
    event = call.get("event")
    if call.get("type") != "track" or not isinstance(event, str):
        return None
    for events, description in _TRUSTED_ONLY:
        if event in events:
            return f"`{event}` {description} a public key may not send: send it with a server key"
    return None
