"""What a repartition asks of Kafka: topics, workers, positions, and more partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from aiokafka.admin import NewPartitions
from aiokafka.structs import TopicPartition

from app.group_members import read_members
from app.kafka_rights import Operation, describe_topics, missing_operations
from app.repartition.plan import CannotRepartition
from app.settings import Settings
from app.topic_settings import read_topics
from app.wiring import make_consumer, make_group_consumer, started_admin
from streams.clock import monotonic_s
from streams.publishing.sessions import open_topic
from streams.shard.position import MAX_OFFSET
from streams.transport.stopping import stop_consumer

LEAVE_S: Final = 15.0
"""How long a worker that was killed may be a member of the group: a little more than its session."""
AGAIN_S: Final = 0.2
LISTED_S: Final = 30.0


class TopicUnfit(Exception):
    """A topic is missing, or may not be changed; the message says what to do."""


async def read_topics_of(settings: Settings) -> dict[str, int]:
    """The numbers of partitions of the topics to which shards write.

    Raises:
        TopicUnfit: one does not exist.
    """
    names = (settings.lead_events, settings.handoff, settings.lead_scores, settings.scorecards_topic)
    async with started_admin(settings) as admin:
        found = await read_topics(admin, names, configs=False)
    if missing := [name for name in names if name not in found]:
        msg = f"Kafka has no topic {missing[0]}: run `leadglow topics create` first."
        raise TopicUnfit(msg)
    return {name: state.partitions for name, state in found.items()}


async def read_noted(settings: Settings) -> int | None:
    """The number of partitions among which leads were divided last, by the note in Kafka; None if they never were.

    Raises:
        Mismatch: the topic of scorecards cannot be read.
    """
    name = settings.scorecards_topic
    async with started_admin(settings) as admin:
        if name not in await read_topics(admin, [name], configs=False):
            return None  # to ask for its records would create it on some brokers
    async with open_topic(name, settings.lateness_ms, lambda: make_consumer(settings)) as topic:
        return topic.catalog.partitions


async def require_right_to_alter(settings: Settings) -> None:
    """See that partitions may be added, before everything is copied.

    Raises:
        TopicUnfit: the user may not.
    """
    async with started_admin(settings) as admin:
        (row,) = await describe_topics(admin, [settings.lead_events])
    if list(missing_operations(row["authorized_operations"], [Operation.ALTER])):
        msg = (
            f"the user of this process may not add partitions: allow alter on topic {settings.lead_events} (an ACL), "
            "or add them by another user with kafka-topics.sh --alter, and repeat the command."
        )
        raise TopicUnfit(msg)


async def add_partitions(settings: Settings, total: int) -> None:
    """Add partitions to lead-events up to this number, and wait until they are listed."""
    name = settings.lead_events
    async with started_admin(settings) as admin, asyncio.timeout(LISTED_S):
        if (await read_topics(admin, [name], configs=False))[name].partitions < total:
            await admin.create_partitions({name: NewPartitions(total)})
        while True:
            if (await read_topics(admin, [name], configs=False))[name].partitions >= total:
                return
            await asyncio.sleep(AGAIN_S)


async def list_workers(settings: Settings) -> list[str]:
    """The members of the workers' group, as client and host."""
    async with started_admin(settings) as admin:
        found = await read_members(admin, settings.namespace) or []
    return [f"{each.client} on {each.host}" for each in found]


async def wait_for_no_workers(settings: Settings) -> list[str]:
    """The members that are left after a while; returns at once when there are none."""
    until_s = monotonic_s() + LEAVE_S
    while True:
        found = await list_workers(settings)
        if not found or monotonic_s() >= until_s:
            return found
        await asyncio.sleep(AGAIN_S)


async def require_no_workers(settings: Settings) -> None:
    """Wait a moment for workers that have ended, and refuse to go on while there are others.

    Raises:
        CannotRepartition: there are.
    """
    if workers := await wait_for_no_workers(settings):
        are, them = (
            ("1 worker still runs", "it") if len(workers) == 1 else (f"{len(workers)} workers still run", "them")
        )
        msg = f"{are}: {', '.join(workers)}. Stop {them} first, and repeat the command."
        raise CannotRepartition(msg)


class SourceLog(NamedTuple):
    """What a source partition has left, and how far it is forwarded."""

    first: int
    """The offset of the first record that is left."""
    end: int
    """The offset after the last record."""
    forwarded: int
    """Everything before this offset is forwarded, or gone."""


async def read_source_logs(settings: Settings, names: Collection[str]) -> dict[str, SourceLog]:
    """Source partition, as ``topic:partition`` -> its log; only those that exist."""
    places = {name: TopicPartition(topic, int(n)) for name in names for topic, _, n in [name.rpartition(":")]}
    async with started_admin(settings) as admin:
        topics = await read_topics(admin, {place.topic for place in places.values()}, configs=False)
    found = {n: at for n, at in places.items() if at.topic in topics and at.partition < topics[at.topic].partitions}
    if not found:
        return {}
    consumer: Any = make_group_consumer(settings)
    await consumer.start()
    try:
        firsts = await consumer.beginning_offsets([*found.values()])
        ends = await consumer.end_offsets([*found.values()])
        done = {at: max(await consumer.committed(at) or 0, firsts[at]) for at in found.values()}
        return {name: SourceLog(firsts[at], ends[at], done[at]) for name, at in found.items()}
    finally:
        await stop_consumer(consumer)


async def read_forwarded(settings: Settings, names: Collection[str]) -> dict[str, int]:
    """Source partition, as ``topic:partition`` -> the offset up to which everything is forwarded, or gone."""
    logs = await read_source_logs(settings, names)
    waiting = {name: log.forwarded for name, log in logs.items() if log.forwarded < log.end}
    return {name: waiting.get(name, MAX_OFFSET) for name in names}


async def read_handoff_ends(settings: Settings) -> list[int]:
    """The end of each partition of handoff."""
    count = (await read_topics_of(settings))[settings.handoff]
    consumer: Any = make_consumer(settings)
    await consumer.start()
    try:
        places = [TopicPartition(settings.handoff, p) for p in range(count)]
        ends = await consumer.end_offsets(places)
        return [ends[place] for place in places]
    finally:
        await stop_consumer(consumer)
