"""How far the workers of the group have come: this one by its own lanes, the others through Kafka and Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping

from faust.types import TP

from streams.environment import Environment
from streams.shard.position import Position
from streams.shard.shard import Shard
from streams.shard.watermark import Offsets, Reach
from streams.transport.consumer import Consumer


class GroupProgress:
    """Reads the progress that a round for the low watermark needs."""

    def __init__(
        self,
        env: Environment,
        consumer: Consumer,
        own_sources: Callable[[], Awaitable[Offsets]],
        own_shards: Callable[[], Iterable[Shard]],
    ) -> None:
        """``own_sources`` returns how far this worker has forwarded its source partitions."""
        self._env = env
        self._consumer = consumer
        self._own_sources = own_sources
        self._own_shards = own_shards

    async def source_ends(self) -> Offsets:
        """The end of each source partition."""
        return await self._ends(self._env.topics.sources)

    async def source_lag(self) -> Mapping[str, int]:
        """Source topic -> the number of its records that are not forwarded yet."""
        ends = await self.source_ends()
        forwarded, lag = await self.forwarded(ends), Counter[str]()
        for tp, end in ends.items():
            lag[tp.topic] += max(end - forwarded[tp], 0)
        return lag

    async def log_ends(self) -> Offsets:
        """The end of each partition of ``lead-events``."""
        return await self._ends([self._env.topics.lead_events])

    async def _ends(self, topics: Iterable[str]) -> Offsets:
        places = self._consumer.partitions_of(topics)
        return await self._consumer.end_offsets(places) if places else {}

    async def forwarded(self, targets: Offsets) -> Offsets:
        """The offset before which all records of these source partitions are on ``lead-events``."""
        own = await self._own_sources()
        others = [tp for tp, target in targets.items() if own.get(tp, -1) < target]
        committed = await self._consumer.committed_offsets(others)
        first = await self._consumer.first_offsets([tp for tp in others if committed[tp] is None])
        return {**own, **{tp: max(committed[tp] or 0, first.get(tp, 0)) for tp in others}}

    async def shards(self) -> Mapping[TP, Reach]:
        """How far each shard has come."""
        topic = self._env.topics.lead_events
        found = {
            TP(topic, shard.partition): _reach_of(shard.position, len(shard.outbox)) for shard in self._own_shards()
        }
        others = [tp for tp in self._consumer.partitions_of([topic]) if tp not in found]
        controls = await asyncio.gather(*(self._env.store.control(tp.partition) for tp in others))
        for tp, control in zip(others, controls, strict=True):
            waiting = int(control.fields.get("waiting", b"0"))
            found[tp] = _reach_of(Position.from_fields(control.fields), waiting)
        return found


def _reach_of(position: Position, waiting: int) -> Reach:
    return Reach(position.scored, position.sequence, position.sequence - waiting)
