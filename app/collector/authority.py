"""What a key may say. Pure.

A public write key stands in the source of a web page: whoever sends with it may be a visitor, or anybody. It may say
what a visitor does and who they say they are; not what only a mail service, a CRM or the collector itself can know.
"""

from __future__ import annotations

import json
from typing import Final

from app.collector.inbound import BadCall, Call
from app.collector.keyring import Key
from app.collector.vocabulary import MAIL_EVENTS
from streams.events.calls import RETRACTION

STAMP_FIELD: Final = "leadglow"
"""Where a call says by which key it came; what a client sends there is never kept."""
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
"""What a CRM says became of a lead."""
_TRUSTED_ONLY: Final = (
    (frozenset({RETRACTION}), "takes points back, which"),
    (MAIL_EVENTS, "is an event of a mail service, which"),
    (VERDICTS, "is a verdict of a CRM, which"),
)
_MARKS: Final = frozenset({"automated", "automated_reason"})


def stamp_call(call: Call, key: Key | None, webhook_name: str = "") -> Call | BadCall:
    """The call as it may go on, with the key that it came by; a BadCall where the key may not say this.

    ``key`` is None where the way in has its own proof, a signature: ``webhook_name`` is its name then. To be done
    before machines are judged, whose marks a public key may not set. The ids of a public key's events are its own:
    else it could use up that of an event to come.
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
    """Why a public key may not say this; None where it may."""
    event = call.get("event")
    if call.get("type") != "track" or not isinstance(event, str):
        return None
    for events, what in _TRUSTED_ONLY:
        if event in events:
            return f"`{event}` {what} a public key may not send: send it with a server key"
    return None
