"""Kafka records: their shape, the headers of the engine, and a fingerprint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol
from zlib import crc32

SOURCE_HEADER: Final = "leadglow-source"
"""Where a record came from: ``topic:partition:offset`` of a source, or ``~partition:number`` of another shard."""
KIND_HEADER: Final = "leadglow-kind"
"""``join``, ``arrived``, ``erase`` or ``retract`` on control records; absent on events."""
Headers = list[tuple[str, bytes]]
Row = tuple[int, bytes, bytes | None, Headers]
"""A record to be sent: timestamp in ms, key, value, headers."""


class Record(Protocol):
    """What the codec reads of a Kafka record."""

    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Iterable[tuple[str, bytes]]


def fingerprint(record: Record) -> bytes:
    """Tells a record from another that may stand at the same offset of a recreated topic."""
    return b"%x-%x" % (record.timestamp, crc32(record.value or b"", crc32(record.key or b"")))
