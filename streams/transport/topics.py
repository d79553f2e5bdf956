"""The names of the topics, and the function that maps a lead to its partition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiokafka.partitioner import murmur2


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of the topics of a Leadglow installation."""

    sources: tuple[str, ...] = ("web-events", "email-events", "crm-events")
    lead_events: str = "lead-events"
    handoff: str = "handoff"
    lead_scores: str = "lead-scores"
    rejected: str = "rejected-events"
    scorecards: str = "scorecards"


def partition_of(lead_id: str, partitions: int, hashed: Callable[[bytes], int] = murmur2) -> int:
    """The partition of ``lead-events`` that a lead belongs to: Kafka's murmur2 hash of the id in UTF-8."""
    return (int(hashed(lead_id.encode())) & 0x7FFFFFFF) % partitions


class Partitioner:
    """A cache for ``partition_of``: murmur2 in Python takes longer than everything else for an event."""

    def __init__(self, partitions: int, most: int = 500_000, hashed: Callable[[bytes], int] = murmur2) -> None:
        """Cache the partitions of up to ``most`` ids; ``hashed`` is murmur2."""
        self.partitions = partitions
        self._hashed = hashed
        self._most = most
        self._known: dict[str, int] = {}

    def __call__(self, lead_id: str) -> int:
        """The partition of a lead id."""
        partition = self._known.get(lead_id)
        if partition is None:
            if len(self._known) >= self._most:
                self._known.clear()
            partition = self._known[lead_id] = partition_of(lead_id, self.partitions, self._hashed)
        return partition
