"""Kafka records: their interface, the headers that the engine adds, and their fingerprint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol
from zlib import crc32

SOURCE_HEADER: Final = "leadglow-source"
"""The origin of a record: ``topic:partition:offset`` of a source topic, or ``~partition:number`` of another shard."""
KIND_HEADER: Final = "leadglow-kind"
"""``join``, ``arrived``, ``erase``, ``retract`` or ``account`` on control records; absent on events."""
Headers = list[tuple[str, bytes]]
Row = tuple[int, bytes, bytes | None, Headers]
"""A record to be sent: timestamp in ms since the epoch, key, value, headers."""


class Record(Protocol):
    """The fields of a Kafka record that the codec reads."""

    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Iterable[tuple[str, bytes]]


def fingerprint(record: Record) -> bytes:
    """A fingerprint that differs for another record at the same offset, as in a recreated topic."""
    return b"%x-%x" % (record.timestamp, crc32(record.value or b"", crc32(record.key or b"")))
