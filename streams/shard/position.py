"""How far a shard has read the log, and the stored form of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from streams.events.records import fingerprint

GREATEST: Final = 2**63 - 1
"""The greatest offset that Kafka can have."""


class _Places(dict[bytes, str]):
    """Source partitions as they stand in headers -> as text; few, so none is forgotten."""

    def __missing__(self, place: bytes) -> str:
        name = self[place] = place.decode("ascii", "replace")
        return name


@dataclass(slots=True)
class Position:
    """How far a shard has read."""

    checkpoint: int = 0
    """The next offset of ``lead-events``."""
    fingerprint: bytes = b""
    """Of the record before the checkpoint: finds a topic that was recreated or cut."""
    arrived_ms: int = 0
    """The timestamp of the last record taken."""
    sources: dict[str, int] = field(default_factory=dict)
    """The highest offset taken from each source partition, and of what each other shard sent on."""
    sequence: int = 0
    """The last outbox entry's number."""
    _places: _Places = field(default_factory=_Places, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, bytes]) -> Position:
        """What the control record says; the beginning where it says nothing."""
        return cls(
            int(fields.get("ckpt", b"0")),
            bytes(fields.get("fingerprint", b"")),
            int(fields.get("arrived", b"0")),
            msgspec.msgpack.decode(fields.get("sources", b"\x80"), type=dict[str, int]),
            int(fields.get("sequence", b"0")),
        )

    def to_fields(self) -> dict[str, bytes]:
        """What goes into the control record."""
        return {
            "ckpt": b"%d" % self.checkpoint,
            "fingerprint": self.fingerprint,
            "arrived": b"%d" % self.arrived_ms,
            "sources": msgspec.msgpack.encode(self.sources),
            "sequence": b"%d" % self.sequence,
        }

    def advance_past(self, record: Any) -> None:
        """Everything up to this record was taken."""
        self.checkpoint = record.offset + 1
        self.fingerprint = fingerprint(record)
        self.arrived_ms = max(record.timestamp, 0)

    def without_taken(self, records: Sequence[Any]) -> Sequence[Any]:
        """The records, in order of their offsets, without those below the checkpoint."""
        if records and records[0].offset >= self.checkpoint:
            return records
        return [record for record in records if record.offset >= self.checkpoint]

    def is_first_time(self, source: bytes) -> bool:
        """Whether a record with these coordinates was not taken before; now it is."""
        place, _, number = source.rpartition(b":")
        try:
            name, at = self._places[place], int(number)
        except ValueError:
            return True
        if not 0 <= at <= GREATEST:  # no offset: whoever wrote that was none of ours
            return True
        if at <= self.sources.get(name, -1):
            return False
        self.sources[name] = at
        return True
