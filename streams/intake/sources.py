"""Monitors the source topics: whether one was recreated, and how far intake is behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from faust.types import TP

from streams.environment import Environment
from streams.mismatch import SOURCE_RECREATED, Mismatch
from streams.transport.consumer import Consumer
from streams.transport.producer import Producer


class SourceTopics:
    """The source topics, checked every few seconds by every worker."""

    def __init__(self, env: Environment, producer: Producer) -> None:
        """The ids of the topics are requested from Kafka through ``producer``."""
        self._env = env
        self._producer = producer
        self._ids: Mapping[str, str] = {}
        self._ends: list[Mapping[TP, int]] = []
        """The end offsets of the source partitions at each of the last checks."""

    async def require_same(self) -> None:
        """Require that no source topic was recreated, because duplicates are detected by the source offset.

        The ids are stored for the id of lead-events: if that is recreated, the sources may be new, too.

        Raises:
            Mismatch: a source topic was deleted and created again.
        """
        topics = self._env.topics
        ids = await self._producer.topic_ids([topics.lead_events, *topics.sources])
        if ids == self._ids:
            return
        for topic in topics.sources:
            name = f"id of {topic} in {ids.get(topics.lead_events)}"
            if topic in ids and await self._env.store.meta(name, ids[topic]) != ids[topic]:
                raise Mismatch(SOURCE_RECREATED.format(topic=topic))
        self._ids = ids

    def forget(self) -> None:
        """Forget earlier end offsets, because partitions were assigned."""
        self._ends.clear()

    async def behind(self, consumer: Consumer) -> bool:
        """Whether records that were on the source topics two checks ago are still not forwarded.

        Timers must wait for them, because they may keep a lead from cooling.
        """
        places = list(consumer.partitions_of(self._env.topics.sources))
        if not places:
            return False
        first, ends = await consumer.first_offsets(places), await consumer.end_offsets(places)
        committed = await consumer.committed_offsets(places)
        reached = {tp: max(committed[tp] or 0, first[tp]) for tp in places}
        self._ends = [*self._ends[-2:], ends]
        lag: Counter[str] = Counter()
        for tp, at in reached.items():
            lag[tp.topic] += max(ends[tp] - at, 0)
        for topic, records in lag.items():
            self._env.metrics.source_lag.labels(topic).set(records)
        return any(at < self._ends[0][tp] for tp, at in reached.items() if tp in self._ends[0])
