"""What Kafka says about a system: its topics, its workers, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from app.freshness import Offsets, Source
from app.group_members import Member, read_members, read_unowned
from app.group_offsets import read_group_offsets
from app.settings import Settings
from app.topic_settings import TopicState, read_topics, topic_specs
from app.wiring import make_tail_consumer
from streams.transport.stopping import stop_consumer


@dataclass(frozen=True, slots=True)
class KafkaStatus:
    """Kafka at a moment."""

    brokers: int
    topics: Mapping[str, TopicState]
    workers: list[Member]
    unowned: Mapping[str, list[int]]
    """Topic -> its partitions that no worker reads, as far as Kafka says."""
    offsets: Offsets | None = None
    """None while topics are missing."""
    kept: Mapping[str, int] = field(default_factory=dict)
    """Topic -> the number of its records."""


async def read_kafka(admin: AIOKafkaAdminClient, settings: Settings) -> KafkaStatus:
    """Ask Kafka.

    Raises:
        KafkaError, OSError, TopicsForbidden: Kafka does not respond, or does not allow it.
    """
    brokers, topics = await read_brokers(admin, settings)
    workers = await read_members(admin, settings.namespace) or []
    read = [name for name in (*settings.sources, settings.lead_events) if name in topics]
    unowned = {name: found for name in read if (found := read_unowned(workers, name, topics[name].partitions))}
    if len(read) <= len(settings.sources):
        return KafkaStatus(brokers, topics, workers, unowned)
    kept = {name: topics[name].partitions for name in (settings.undelivered, settings.rejected) if name in topics}
    return KafkaStatus(
        brokers, topics, workers, unowned, await read_offsets(settings), await _count_records(settings, kept)
    )


async def read_brokers(admin: AIOKafkaAdminClient, settings: Settings) -> tuple[int, dict[str, TopicState]]:
    """The number of brokers, and the topics that exist."""
    brokers = len((await admin.describe_cluster())["brokers"])
    return brokers, await read_topics(admin, [spec.name for spec in topic_specs(settings)])


async def read_offsets(settings: Settings) -> Offsets:
    """Read the ends of the topics, and the offsets of the workers' group without joining it."""
    consumer: Any = make_tail_consumer(settings, (*settings.sources, settings.lead_events), None)
    member: Any = make_tail_consumer(settings, (), settings.namespace)
    try:
        await consumer.start()
        consumer.pause(*consumer.assignment())
        await member.start()
        found = await read_group_offsets(consumer, member, settings.sources)
        sources = [
            Source(place.topic, place.partition, found.ends[place], at, found.read_ms)
            for place, at in found.done.items()
        ]
        ends, firsts = found.of_topic(settings.lead_events)
        return Offsets(ends, sources, found.read_ms, firsts)
    finally:
        await stop_consumer(consumer)
        await member.stop()


async def _count_records(settings: Settings, topics: Mapping[str, int]) -> dict[str, int]:
    """Topic -> the number of records between its first and its end offsets."""
    places = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
    consumer: Any = make_tail_consumer(settings, (), None)
    try:
        await consumer.start()
        firsts, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    finally:
        await stop_consumer(consumer)
    return {topic: sum(ends[at] - firsts[at] for at in places if at.topic == topic) for topic in topics}
