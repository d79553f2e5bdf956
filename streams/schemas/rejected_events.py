"""The headers of the records of rejected-events; the value of these records is what was rejected."""

from __future__ import annotations

from typing import Final

from streams.events.records import SOURCE_HEADER
from streams.events.rejects import REASONS, REJECTED_BYTES
from streams.schemas.fields import Field, RecordSchema, text

REJECTS: Final = RecordSchema(
    "rejected-events",
    "urn:leadglow:schema:rejected-events:1",
    "Leadglow reject: the headers of a record of rejected-events, as an object of texts",
    (
        text("reason", "Why it was rejected, for programs. The codes are in [rejects.md](rejects.md).", "unknown_type",
             choices=tuple(REASONS)),
        text("message", "The same as a sentence for people. Its words may change.", REASONS["unknown_type"]),
        text(SOURCE_HEADER, "Where it comes from. `TOPIC:PARTITION:OFFSET` of the rejected record; `collector:ROUTE` "
             "for an event inside a request that the *collector* accepted; `TOPIC:PARTITION:ID` for a record of "
             "Leadglow's own that is too large for its topic.", "web-events:3:10452"),
        Field("truncated", {"type": "string", "pattern": "^[0-9]+$"}, f"The length of the original value, in bytes, of "
              f"which the first {REJECTED_BYTES} are kept.", "250000",
              absent=f"if the value has at most {REJECTED_BYTES} bytes and is complete"),
    ),
    {},
)  # fmt: skip
