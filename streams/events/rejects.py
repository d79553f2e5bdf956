"""Limits, reasons for rejection, and the records of ``rejected-events``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streams.events.outgoing import Outgoing
from streams.events.records import SOURCE_HEADER, Headers, Record

MOST_ID_CHARS: Final = 512
MOST_EVENT_BYTES: Final = 900_000
"""What fits into a record of Kafka's usual 1 MB with all that is added to it."""
REJECTED_BYTES: Final = 100_000
"""Bytes of a reject_record record that are kept with the reason."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be scored: a code for machines and a sentence for people."""

    reason: str
    sentence: str


REASONS: Final = {
    "empty": "the record has no value",
    "not_json": "the value is not valid JSON in UTF-8",
    "not_an_object": "the value is JSON, but not an object",
    "unknown_type": "`type` must be track, page, screen, identify, group or alias",
    "no_event": "a track call needs `event`, its name as a string",
    "no_target": "a retraction needs the id of the event that it takes back, in `properties.messageId`",
    "no_lead": "there is no `userId`, `anonymousId` or e-mail address to know the lead by",
    "bad_id": f"an id must be a string of 1 to {MOST_ID_CHARS} characters without control characters",
    "too_large": f"the value has more than {MOST_EVENT_BYTES} bytes",
    "bad_control": "the record claims to be one of Leadglow's own, but cannot be read",
    "not_allowed": "a public write key may not say this: send it with a server key",
}
"""Every reason code, with the sentence that goes with it."""


class Refused(Exception):
    """The record cannot be scored."""

    def __init__(self, reason: str) -> None:
        """``reason`` is one of REASONS."""
        super().__init__(reason)
        self.reject = Reject(reason, REASONS[reason])


def reject_record(topic: str, record: Record, place: str, reject: Reject) -> Outgoing:
    """A record that could not be scored: the original bytes, and why."""
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
