"""Monitors topics: whether a source was recreated, or partitions were added to lead-events."""

from __future__ import annotations

from collections.abc import Mapping

from streams.environment import Environment
from streams.mismatch import SOURCE_RECREATED, Mismatch
from streams.partition_numbers import explain_topic
from streams.transport.producer import Producer


class SourceTopics:
    """The source topics, checked every few seconds by every worker."""

    def __init__(self, env: Environment, producer: Producer) -> None:
        """The ids of the topics are requested from Kafka through ``producer``."""
        self._env = env
        self._producer = producer
        self._ids: Mapping[str, str] = {}

    async def require_same(self) -> None:
        """Require that no source topic was recreated, because duplicates are detected by the source offset.

        And that leads are where they were: Kafka cannot remove partitions, but anybody may add some.

        The ids are stored for the id of lead-events: if that is recreated, the sources may be new, too.

        Raises:
            Mismatch: a source topic was deleted and created again, or lead-events has other partitions.
        """
        topics, known = self._env.topics, self._env.partitioner.partitions
        if (actual := await self._producer.count_partitions(topics.lead_events)) != known:
            raise Mismatch(explain_topic(topics.lead_events, known, actual))
        ids = await self._producer.topic_ids([topics.lead_events, *topics.sources])
        if ids == self._ids:
            return
        for topic in topics.sources:
            name = f"id of {topic} in {ids.get(topics.lead_events)}"
            if topic in ids and await self._env.store.meta(name, ids[topic]) != ids[topic]:
                raise Mismatch(SOURCE_RECREATED.format(topic=topic))
        self._ids = ids
