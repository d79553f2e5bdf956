"""The publication of the scorecards that is in force in a shard, and its stored form."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

MOST: Final = 20
"""Publications whose start is remembered: a rollback takes back only so many."""


@dataclass(slots=True)
class InForce:
    """Which publication is in force, and whether every lead is settled by it."""

    place: int = -1
    """Its place on the topic of scorecards; -1 before there was a topic."""
    before: int | None = None
    """The publication before it, while some leads are not settled."""
    quiet: bool = False
    since_ms: int = 0
    """The arrival of its control record; 0 if it was in force from the start."""
    started: dict[int, int] = field(default_factory=dict)
    """Place of a publication -> the arrival of its control record; 0 if it was in force from the start."""
    settled_by: str = ""
    """The version of the scorecards by which every lead is settled."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, bytes]) -> InForce:
        """Read it from the fields of a control record."""
        before = bytes(fields.get("before", b""))
        return cls(
            int(fields.get("place", b"-1")),
            int(before) if before else None,
            fields.get("quiet") == b"1",
            int(fields.get("since", b"0")),
            msgspec.msgpack.decode(fields.get("started", b"\x80"), type=dict[int, int]),
            bytes(fields.get("scorecards", b"")).decode(),
        )

    def to_fields(self) -> dict[str, bytes]:
        """The fields for the control record."""
        return {
            "place": b"%d" % self.place,
            "before": b"" if self.before is None else b"%d" % self.before,
            "quiet": b"%d" % self.quiet,
            "since": b"%d" % self.since_ms,
            "started": msgspec.msgpack.encode(self.started),
            "scorecards": self.settled_by.encode(),
        }

    def after(self, place: int, quiet: bool, at_ms: int) -> InForce:
        """What is in force from a control record on; every lead is still to be settled."""
        started = {**self.started, place: at_ms}
        started = dict(sorted(started.items())[-MOST:])
        return InForce(place, self.place, quiet, at_ms, started, self.settled_by)

    def first_start(self, places: Collection[int]) -> int | None:
        """When the first of these publications came into force here; None if none did."""
        return min((at_ms for place, at_ms in self.started.items() if place in places), default=None)
