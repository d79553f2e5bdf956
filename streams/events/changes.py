"""The control record that changes the scorecards of a partition of ``lead-events``, at its place in the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from streams.events.outgoing import Outgoing
from streams.events.records import KIND_HEADER, Headers

KIND: Final = b"scorecards"
KEY: Final = b"scorecards"
_HEADER: Final = (KIND_HEADER, KIND)


class ScorecardsChange(msgspec.Struct, frozen=True):
    """From this record on, the scorecards of a publication are in use."""

    place: int
    """The offset of the publication on the topic of scorecards."""
    version: str
    quiet: bool = False
    """Whether stages change without alerts."""


_decode: Final = msgspec.msgpack.Decoder(ScorecardsChange).decode


def encode_change(topic: str, change: ScorecardsChange, at_ms: int) -> Outgoing:
    """The record for each partition of ``topic``."""
    headers: Headers = [_HEADER]
    return Outgoing(topic, KEY, msgspec.msgpack.encode(change), at_ms, headers)


def decode_change(record: Any) -> ScorecardsChange | None:
    """The change in a record; None if it is none, or damaged."""
    if not record.headers or record.headers[0] != _HEADER:
        return None
    try:
        change = _decode(record.value or b"")
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return change if change.place >= 0 else None


def find_change(records: Sequence[Any]) -> int:
    """The index of the first record that changes the scorecards; the number of records if there is none."""
    for i, record in enumerate(records):
        if record.headers and record.headers[0] == _HEADER and decode_change(record) is not None:
            return i
    return len(records)
