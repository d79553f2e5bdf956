"""Builds the control records of the new shards from those of the old ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Final

from streams.scoring.telling import Told
from streams.shard.in_force import MOST, InForce
from streams.shard.position import Position

OWNER: Final = "repartition"
Fields = Mapping[str, bytes]


class NotFinished(Exception):
    """The old shards have work left that cannot be divided."""


@dataclass(frozen=True, slots=True)
class ShardSplit:
    """What the new shards begin with."""

    controls: Sequence[Fields]
    """The control record of each old shard; empty if nothing was ever scored there."""
    new: int
    """The number of new shards."""
    forwarded: Mapping[str, int]
    """Source partition -> the offset up to which everything is on lead-events."""
    handoff_ends: Sequence[int]
    """The end of each partition of handoff."""

    @property
    def old(self) -> int:
        """The number of old shards."""
        return len(self.controls)


def parents_of(shard: int, old: int, new: int) -> range:
    """The old shards whose leads may belong to a new shard, as both are remainders of the same hash."""
    step = gcd(old, new)
    return range(shard % step, old, step)


def make_control(split: ShardSplit, shard: int) -> dict[str, bytes]:
    """The control record of a new shard; empty if nothing was ever scored in those that it comes from.

    Raises:
        NotFinished: the old shards must be finished first.
    """
    parents = [split.controls[each] for each in parents_of(shard, split.old, split.new)]
    parents = [each for each in parents if each]
    if not parents:
        return {}
    at = Position.from_fields(split.controls[shard]) if shard < split.old else Position()
    positions = [Position.from_fields(each) for each in parents]
    at.sources = join_sources([each.sources for each in positions], split.forwarded)
    at.arrived_ms = max(each.arrived_ms for each in positions)
    at.sequence, at.ranking = 0, min(each.ranking for each in positions)
    told = Told(max(Told.from_fields(each).latest_ms for each in parents))
    home = shard % len(split.handoff_ends)
    rest = {"waiting": b"0", "handoff": b"%d" % split.handoff_ends[home], "owner": OWNER.encode()}
    in_force = join_in_force([InForce.from_fields(each) for each in parents])
    return at.to_fields() | in_force.to_fields() | told.to_fields() | rest


def join_sources(parents: Sequence[Mapping[str, int]], forwarded: Mapping[str, int]) -> dict[str, int]:
    """The highest offset from each source partition: equal, or everything up to the highest is forwarded.

    Otherwise a record that is still to be forwarded to one of them would be mistaken for a repeated one.

    Raises:
        NotFinished: records are still to be forwarded.
    """
    names = {name for each in parents for name in each}
    highest = {name: max(each.get(name, -1) for each in parents) for name in sorted(names)}
    for name, offset in highest.items():
        is_equal = all(each.get(name, -1) == offset for each in parents)
        if not (is_equal or name.startswith("~") or forwarded.get(partition_of_source(name), 0) > offset):
            msg = f"{name} is forwarded up to {forwarded.get(partition_of_source(name), 0)} of {offset + 1}"
            raise NotFinished(msg)
    return highest


def partition_of_source(name: str) -> str:
    """``topic:partition`` of the name of a source; that of a join has a number before its colon."""
    place, _, partition = name.rpartition(":")
    return f"{place.partition('+')[0]}:{partition}"


def join_in_force(parents: Sequence[InForce]) -> InForce:
    """What is in force in a shard of leads from several others.

    Raises:
        NotFinished: some leads are still to be settled by the scorecards in force, or have others.
    """
    first = parents[0]
    if any(
        each.before is not None or (each.place, each.settled_by) != (first.place, first.settled_by) for each in parents
    ):
        msg = "not every lead is settled by the published scorecards"
        raise NotFinished(msg)
    started: dict[int, int] = {}
    for each in parents:
        for place, at_ms in each.started.items():
            started[place] = min(at_ms, started.get(place, at_ms))
    since_ms = max(each.since_ms for each in parents)
    kept = dict(sorted(started.items())[-MOST:])
    return InForce(first.place, None, first.quiet, since_ms, kept, first.settled_by)


def moves_scores(old: int, new: int, partitions: Iterable[int]) -> bool:
    """Whether leads move to another partition of topics whose partition is the remainder of the shard's number."""
    return any(gcd(old, new) % each for each in partitions)
