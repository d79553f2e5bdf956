"""The reasons for rejecting a record, the size limits, and the records of ``rejected-events``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streams.events.outgoing import Outgoing
from streams.events.records import SOURCE_HEADER, Headers, Record

MAX_ID_CHARS: Final = 512
MAX_EVENT_BYTES: Final = 900_000
"""An event of this size fits into Kafka's default record limit of 1 MB together with all headers."""
REJECTED_BYTES: Final = 100_000
"""The number of bytes of a rejected record that are kept with the reason."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The reason why a record cannot be scored: a code for programs and a sentence for people."""

    reason: str
    sentence: str


REASONS: Final = {
    "empty": "the record has no value",
    "not_json": "the value is not valid JSON in UTF-8",
    "not_an_object": "the value is JSON, but not an object",
    "unknown_type": "`type` must be track, page, screen, identify, group or alias",
    "no_event": "a track call needs `event`, its name as a string",
    "no_target": "a retraction needs the id of the event that it takes back, in `properties.messageId`",
    "no_lead": "there is no `userId`, `anonymousId` or e-mail address to identify the lead, or only a placeholder",
    "bad_id": f"an id must be a text or number of 1 to {MAX_ID_CHARS} characters without control characters",
    "too_large": f"the value has more than {MAX_EVENT_BYTES} bytes",
    "bad_control": "the record has the headers of a Leadglow control record, but cannot be read",
    "not_allowed": "a public write key may not send this call: use a server key",
    "too_many_ids": "the key names more ids or sets of traits a day than its `new_ids` allows, and this event one more",
}
"""Every reason code and its sentence."""


class Refused(Exception):
    """The record cannot be scored."""

    def __init__(self, reason: str) -> None:
        """``reason`` is one of REASONS."""
        super().__init__(reason)
        self.reject = Reject(reason, REASONS[reason])


def reject_record(topic: str, record: Record, place: str, reject: Reject) -> Outgoing:
    """Build the record of ``rejected-events``: the original bytes, with the reason in the headers."""
    headers: Headers = [
        ("reason", reject.reason.encode()),
        ("message", reject.sentence.encode()),
        (SOURCE_HEADER, place.encode()),
    ]
    value = record.value
    if value is not None and len(value) > REJECTED_BYTES:
        headers.append(("truncated", b"%d" % len(value)))
        value = value[:REJECTED_BYTES]
    return Outgoing(topic, place.encode(), value, record.timestamp, headers)
