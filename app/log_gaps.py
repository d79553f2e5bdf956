"""Where shards stand in lead-events: which continue, and which need records that Kafka no longer has. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streams.publishing.catalog import Catalog
from streams.shard.alert import rfc3339
from streams.shard.in_force import InForce
from streams.shard.position import Position
from streams.store.base import Control

RESTORE: Final = b"restore"
"""The owner of a shard whose gap was accepted, until a worker writes it."""


class LogState(enum.Enum):
    """Whether a shard can continue."""

    CONTINUES = "continues"
    GAP = "gap"
    """Records after its checkpoint are gone, or those before a repartition are of no use."""
    EMPTY = "empty"
    """Redis has no state for a shard that was scored, but its log is whole."""
    BEYOND = "beyond"
    """The log ends before its checkpoint: it is another log."""


@dataclass(frozen=True, slots=True)
class ShardPlace:
    """A shard and the part of its log that is left."""

    partition: int
    control: Control
    first: int
    """The offset of the first record that is left."""
    end: int
    first_ms: int | None = None
    """The arrival of that record; None if none is left."""
    was_scored: bool = False
    """Whether it has no state, but was scored according to Kafka, so that workers refuse it."""
    divided: int = 0
    """The first record since the last repartition: those before it are of leads of other shards."""

    @property
    def position(self) -> Position:
        """How far the shard has scored."""
        return Position.from_fields(self.control.fields)

    @property
    def begin(self) -> int:
        """The offset of the first record that is left for its leads."""
        return self.first if self.control.version else max(self.first, self.divided)

    @property
    def state(self) -> LogState:
        """Whether it can continue: as workers decide it, who begin a shard without state at the first record."""
        checkpoint = self.position.checkpoint
        if max(checkpoint, self.begin) > self.end:
            return LogState.BEYOND
        is_begun = self.control.version or self.was_scored or self.divided > self.first
        if checkpoint < self.begin and is_begun:
            return LogState.GAP
        return LogState.EMPTY if self.was_scored else LogState.CONTINUES

    @property
    def missing(self) -> int:
        """The number of offsets of which the records are gone."""
        return self.begin - self.position.checkpoint if self.state is LogState.GAP else 0

    @property
    def waiting(self) -> int:
        """The number of offsets that are still to be scored."""
        return max(self.end - max(self.position.checkpoint, self.begin), 0)

    @property
    def span(self) -> tuple[str, str]:
        """The arrival of the last record before the gap and of the first one after it; empty if it is not known."""
        arrived_ms, is_known = self.position.arrived_ms, self.first_ms is not None and self.begin == self.first
        return rfc3339(arrived_ms) if arrived_ms else "", rfc3339(self.first_ms or 0) if is_known else ""

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        view: dict[str, Any] = {
            "partition": self.partition,
            "state": self.state.value,
            "scored_up_to": self.position.checkpoint,
            "log_begins_at": self.first,
            "log_ends_at": self.end,
            "waiting": self.waiting,
        }
        if self.state is LogState.GAP:
            since, until = self.span
            view["missing"] = {
                "first_offset": self.position.checkpoint,
                "last_offset": self.begin - 1,
                "offsets": self.missing,
                "after": since or None,
                "before": until or None,
            }
        return view


def name_shards(places: Sequence[ShardPlace]) -> str:
    """For messages: ``partitions 1, 2``."""
    numbers = ", ".join(str(place.partition) for place in places)
    return f"partition{'s' * (len(places) > 1)} {numbers}"


def fields_after_gap(place: ShardPlace, catalog: Catalog | None) -> dict[str, bytes]:
    """The fields of a control record that continues at the first record that is left for its leads.

    Scorecards that came into force within the gap do so at its end.
    """
    if not place.control.version:
        return {"ckpt": b"%d" % place.begin, "owner": RESTORE}
    position = place.position
    position.checkpoint, position.passed, position.fingerprint = place.first, 0, b""
    in_force = _after_gap(place.control.fields, catalog, place.partition, place.first)
    return position.to_fields() | in_force.to_fields() | {"owner": RESTORE}


def _after_gap(fields: Mapping[str, bytes], catalog: Catalog | None, partition: int, first: int) -> InForce:
    found = InForce.from_fields(fields)
    place = catalog.in_force_at(partition, first) if catalog is not None else found.place
    if found.place < 0 or place <= found.place or catalog is None:
        return found  # without a place, the worker looks for it
    item = catalog.published[place].item
    later = found.after(place, item.quiet, item.at_ms)
    if found.before is not None:  # no lead may miss a change that was not finished
        later.before = found.before
    return later
