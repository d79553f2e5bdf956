"""The position of a shard in the log, and its stored form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from streams.events.records import fingerprint

RANKING: Final = b"3"
"""The form of the ranking and schedule: 1 has published scores as places, 2 has those by ``rank_of``, and 3 has in the
schedule also the leads and redirects that only wait to be forgotten.

Releases before 3 write their own form, which tells that leads that they changed may be missing in the schedule."""
MAX_OFFSET: Final = 2**63 - 1
"""The greatest offset that Kafka can have."""


@dataclass(slots=True)
class Position:
    """How far a shard has processed its partition, and each source of it."""

    checkpoint: int = 0
    """The next offset of ``lead-events``."""
    passed: int = 0
    """The offset after the marks of transactions that follow the checkpoint; less if none do."""
    fingerprint: bytes = b""
    """The fingerprint of the record before the checkpoint; it detects a recreated or truncated topic."""
    arrived_ms: int = 0
    """The timestamp of the last processed record."""
    sources: dict[str, int] = field(default_factory=dict)
    """The highest processed offset of each source partition, and number of the records that each shard forwarded."""
    sequence: int = 0
    """The number of the last outbox entry."""
    ranking: bytes = RANKING
    """The form that the ranking and schedule have for every lead."""
    _names: dict[bytes, str] = field(default_factory=dict, repr=False, compare=False)
    """A cache: source partition as in the header -> as text. There are few, so none is removed."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, bytes]) -> Position:
        """Read the position from the fields of a control record; missing fields mean the beginning."""
        return cls(
            int(fields.get("ckpt", b"0")),
            int(fields.get("passed", b"0")),
            bytes(fields.get("fingerprint", b"")),
            int(fields.get("arrived", b"0")),
            msgspec.msgpack.decode(fields.get("sources", b"\x80"), type=dict[str, int]),
            int(fields.get("sequence", b"0")),
            _known_form(fields["ranking"]) if "ranking" in fields else b"1" if fields else RANKING,
        )

    def to_fields(self) -> dict[str, bytes]:
        """The fields for the control record."""
        return {
            "ckpt": b"%d" % self.checkpoint,
            "passed": b"%d" % self.passed,
            "fingerprint": self.fingerprint,
            "arrived": b"%d" % self.arrived_ms,
            "sources": msgspec.msgpack.encode(self.sources),
            "sequence": b"%d" % self.sequence,
            "ranking": self.ranking,
        }

    @property
    def ranked(self) -> bool:
        """Whether every lead has its place in the ranking and the schedule, in the current form."""
        return self.ranking == RANKING

    def pass_marks(self, offset: int) -> None:
        """Note that only marks of transactions are left before this offset."""
        if offset > self.checkpoint:
            self.passed = offset

    @property
    def scored(self) -> int:
        """The offset before which no records are left to score."""
        return max(self.checkpoint, self.passed)

    def advance_past(self, record: Any) -> None:
        """Note that all records up to this one are processed."""
        self.checkpoint = record.offset + 1
        self.fingerprint = fingerprint(record)
        self.arrived_ms = max(record.timestamp, 0)

    def without_taken(self, records: Sequence[Any]) -> Sequence[Any]:
        """The records at or after the checkpoint; ``records`` are in the order of their offsets."""
        if records and records[0].offset >= self.checkpoint:
            return records
        return [record for record in records if record.offset >= self.checkpoint]

    def is_first_time(self, source: bytes) -> bool:
        """Whether a record with this source header is new; it is noted as processed."""
        return self.are_new([source])[0]

    def are_new(self, sources: Sequence[bytes]) -> list[bool]:
        """Whether each record, in order, is new by its source header; all are noted as processed."""
        names, highest, new = self._names, self.sources, [True] * len(sources)
        for i, source in enumerate(sources):
            place, _, number = source.rpartition(b":")
            name = names.get(place)
            if name is None:
                name = names[place] = place.decode("ascii", "replace")
            try:
                at = int(number)
            except ValueError:
                continue
            if at <= highest.get(name, -1):
                new[i] = at < 0
            elif at <= MAX_OFFSET:  # else it is not an offset: Leadglow did not write this header
                highest[name] = at
        return new


def _known_form(ranking: bytes) -> bytes:
    """The form of a ranking; 1 for that of a later release, which so learns that this one has changed leads."""
    return bytes(ranking) if ranking in (b"1", b"2", RANKING) else b"1"
