"""How far the shards of all workers have scored lead-events: what another shard sends on may still keep a lead warm."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import NamedTuple

from faust.types import TP

from streams.environment import Environment
from streams.shard.position import Position
from streams.transport.consumer import Consumer


class Reach(NamedTuple):
    """How far a shard has come, and where its partition ends."""

    checkpoint: int
    arrived_ms: int
    end: int


class LogProgress:
    """Updated every few seconds by every worker."""

    def __init__(self, env: Environment) -> None:
        """``env`` has the store with the positions of all shards."""
        self._env = env
        self._looks: list[Mapping[TP, Reach]] = []
        """The last three looks."""

    def forget(self) -> None:
        """Forget earlier looks: shards are waited for up to the end that the next look finds."""
        self._looks.clear()

    async def reached_ms(self, consumer: Consumer) -> float:
        """The arrival up to which all shards have scored what was there two looks ago; infinite if they have."""
        places = list(consumer.partitions_of([self._env.topics.lead_events]))
        ends = await consumer.end_offsets(places)
        controls = await asyncio.gather(*(self._env.store.control(place.partition) for place in places))
        positions = [Position.from_fields(control.fields) for control in controls]
        return self.note_look(
            {
                place: Reach(position.checkpoint, position.arrived_ms, ends[place])
                for place, position in zip(places, positions, strict=True)
            }
        )

    def note_look(self, look: Mapping[TP, Reach]) -> float:
        """Take note of a look; a shard is behind if it has not scored what was there two looks ago.

        A shard of which nothing changes is not waited for: it has no owner, or the rest are marks of transactions.
        """
        self._looks = [*self._looks[-2:], look]
        first = self._looks[0]
        return min(
            (
                reach.arrived_ms
                for place, reach in look.items()
                if place in first
                and reach.checkpoint < first[place].end
                and (len(self._looks) < 3 or reach != first[place])
            ),
            default=math.inf,
        )
