"""Reads from Kafka how far the workers are, without joining their group."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from streams.clock import now_ms


class GroupOffsets(NamedTuple):
    """Offsets at a moment; partitions are those of aiokafka."""

    done: Mapping[Any, int]
    """Partition of a source topic -> the next offset of the workers."""
    ends: Mapping[Any, int]
    """Partition of any topic -> its end."""
    firsts: Mapping[Any, int]
    """Partition of any topic -> its first offset."""
    read_ms: int

    def of_topic(self, topic: str) -> tuple[dict[int, int], dict[int, int]]:
        """Number of a partition of the topic -> its end, and the same for its first offset."""
        ends, firsts = (
            {place.partition: at for place, at in found.items() if place.topic == topic}
            for found in (self.ends, self.firsts)
        )
        return ends, firsts


async def read_group_offsets(consumer: Any, member: Any, sources: Collection[str]) -> GroupOffsets:
    """Read the offsets of all partitions of ``consumer``; ``member`` is a consumer with the workers' group.

    The ends are read last: those of lead-events then include all that intake has forwarded.
    """
    places, read_ms = list(consumer.assignment()), now_ms()
    committed = {place: await member.committed(place) or 0 for place in places if place.topic in sources}
    ends, firsts = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
    return GroupOffsets({place: max(done, firsts[place]) for place, done in committed.items()}, ends, firsts, read_ms)
