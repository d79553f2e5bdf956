"""Scores what is left for the old shards, so that their leads can be divided; needs no group of workers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from faust.types import TP

from app.repartition.controls import partition_of_source
from app.repartition.kafka_side import SourceLog
from app.settings import Settings
from app.wiring import (
    find_crash_point,
    make_batch_producer,
    make_consumer,
    make_group_consumer,
    make_store,
    make_topics,
)
from streams.clock import SharedClock
from streams.environment import Environment
from streams.implementation import Implementation
from streams.intake.adapt import Intake
from streams.intake.lane import IntakeLane
from streams.metrics import Metrics
from streams.mismatch import Mismatch, name_rebuild
from streams.publishing.topic import ScorecardsTopic
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model
from streams.shard.clock import ShardClock
from streams.shard.lane import ShardLane
from streams.shard.position import Position
from streams.shard.shard import Shard
from streams.transport.alert_ids import read_alert_ids
from streams.transport.channel import MAX_RECORDS, Channel
from streams.transport.producer import Producer
from streams.transport.stopping import stop_consumer
from streams.transport.topics import Partitioner

POLL_MS: Final = 100
OnLag = Callable[[int], None]
"""Called with the number of records that are left."""
ReadLogs = Callable[[Collection[str]], Awaitable[Mapping[str, SourceLog]]]
"""Reads what source partitions have left; those that do not exist are absent."""


class _Cursor:
    """Reads one partition."""

    def __init__(self, consumer: Any, place: TopicPartition) -> None:
        self._consumer = consumer
        self._place = place

    async def seek(self, offset: int) -> None:
        self._consumer.seek(self._place, offset)

    async def first_offset(self) -> int:
        first = await self._consumer.beginning_offsets([self._place])  # the command ends if Kafka cannot be reached
        return int(first[self._place])


class OldShards:
    """The lanes of the old shards, without timers: those run later, at the same instants."""

    def __init__(
        self, env: Environment, channel: Channel, consumer: AIOKafkaConsumer, sources: AIOKafkaConsumer
    ) -> None:
        """Both consumers have the group of the workers, and are no members of it; ``sources`` reads source topics."""
        self._env = env
        self._channel = channel
        self._consumer: Any = consumer
        self._sources: Any = sources
        self._places = [TopicPartition(env.topics.lead_events, p) for p in range(env.partitioner.partitions)]
        self._clock = ShardClock(env.clock)
        self._lanes: dict[TopicPartition, ShardLane] = {}

    async def open(self) -> None:
        """Read the shards and begin to score.

        Raises:
            Mismatch: the state does not match the topic.
        """
        await self._env.format.refresh()
        self._consumer.assign(self._places)
        firsts = await self._consumer.beginning_offsets(self._places)
        ends = await self._consumer.end_offsets(self._places)
        for place in self._places:
            shard = Shard(place.partition, Rules(Model((), ())), self._env)
            lane = ShardLane(shard, self._channel, self._clock, _Cursor(self._consumer, place))
            self._consumer.seek(place, await lane.open(firsts[place], ends[place]))
            self._lanes[place] = lane
        for lane in self._lanes.values():
            lane.start()

    async def finish(self, on_lag: OnLag) -> None:
        """Score everything, and send everything that follows from it.

        Raises:
            Mismatch, OwnershipLost: a lane has failed.
        """
        while True:
            is_idle = all(map(_is_idle, self._lanes.values()))
            ends = await self._consumer.end_offsets(self._places)
            for place, lane in self._lanes.items():
                lane.note_ends(ends[place], await self._consumer.position(place))
                if lane.failure is not None:
                    raise lane.failure
            lag = sum(lane.lag for lane in self._lanes.values())
            on_lag(lag)
            if is_idle and not lag:
                return
            await self._read_more()

    async def _read_more(self) -> None:
        free = [place for place, lane in self._lanes.items() if not lane.is_full]
        if not free:
            await asyncio.sleep(POLL_MS / 1000)
            return
        for place, records in (
            await self._consumer.getmany(*free, timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        ).items():
            self._lanes[place].enqueue(records, records[-1].offset + 1)

    async def end(self) -> None:
        """Stop scoring, and remove what was sent from the outboxes."""
        await self.stop()
        for lane in self._lanes.values():
            await lane.shard.sync_store()

    async def stop(self) -> None:
        """Stop scoring."""
        await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))

    # Sources --------------------------------------------------------------------------------------------------

    async def forward_rest(self, read_logs: ReadLogs) -> None:
        """Forward records before others that a worker had forwarded when it was killed, and commit the positions."""
        intake = Intake(self._env.topics, self._env.partitioner, self._env.implementation.forward)
        lane = IntakeLane(intake, self._channel, self._env)
        spans = await self._find_unforwarded(read_logs)
        lane.start()
        try:
            for place, (first, end) in spans.items():
                await self._forward(lane, place, first, end)
        finally:
            await lane.stop()

    async def _forward(self, lane: IntakeLane, place: TopicPartition, first: int, end: int) -> None:
        self._sources.assign([place])
        self._sources.seek(place, first)
        at = first
        while at < end:
            records = (await self._sources.getmany(place, timeout_ms=POLL_MS)).get(place, [])
            at = records[-1].offset + 1 if records else await self._sources.position(place)
            if wanted := [record for record in records if record.offset < end]:
                lane.enqueue({TP(place.topic, place.partition): wanted})
            while not lane.is_idle:
                if lane.failure is not None:
                    raise lane.failure
                await asyncio.sleep(POLL_MS / 1000)
        await self._sources.commit({place: end})

    async def _find_unforwarded(self, read_logs: ReadLogs) -> dict[TopicPartition, tuple[int, int]]:
        """Source partition -> the first offset that may be missing, and the one after the highest that was scored."""
        highest: dict[str, int] = {}
        for place in self._places:
            control = await self._env.store.control(place.partition)
            for name, offset in Position.from_fields(control.fields).sources.items():
                if not name.startswith("~"):
                    source = partition_of_source(name)
                    highest[source] = max(offset, highest.get(source, -1))
        found = {}
        for source, log in (await read_logs(highest)).items():
            topic, _, partition = source.rpartition(":")
            if log.forwarded < (end := min(highest[source] + 1, log.end)):
                found[TopicPartition(topic, int(partition))] = (log.forwarded, end)
        return found


def _is_idle(lane: ShardLane) -> bool:
    """Whether nothing is left that the lane would do without further records."""
    shard = lane.shard
    is_settled = shard.scorer.change is None and shard.position.ranked
    return not (lane.queue or lane.lag or shard.outbox or shard.unpublished.versions) and is_settled


@asynccontextmanager
async def open_old_shards(
    settings: Settings, topic: ScorecardsTopic, implementation: Implementation
) -> AsyncIterator[OldShards]:
    """The old shards, opened; ``settings`` have their number.

    Raises:
        Mismatch: the state does not match the topic.
    """
    metrics, store = Metrics(), make_store(settings)
    producer, clock, topics = Producer(lambda: make_batch_producer(settings)), SharedClock(), make_topics(settings)
    consumers = make_group_consumer(settings), make_group_consumer(settings)

    async def already_sent(partition: int, offset: int) -> set[str]:
        return await read_alert_ids(make_consumer(settings), TopicPartition(topics.handoff, partition), offset)

    try:
        await producer.start()
        for consumer in consumers:
            await consumer.start()
        await clock.measure(store.time_ms)
        env = Environment(
            store,
            topics,
            Partitioner(settings.partitions, hashed=implementation.murmur2),
            metrics,
            f"repartition-{uuid.uuid4().hex[:6]}",
            settings.link_base_url,
            settings.cache_leads,
            implementation=implementation,
            clock=clock,
            publications=topic,
        )
        channel = Channel(
            producer,
            topics,
            metrics,
            already_sent,
            await producer.count_partitions(topics.handoff),
            await producer.count_partitions(topics.lead_scores),
            find_crash_point(),
        )
        shards = OldShards(env, channel, *consumers)
        try:
            yield shards
        except Mismatch as mismatch:
            text = name_rebuild(str(mismatch), await topic.has_older(settings.lead_events))
            raise Mismatch(text) from None
        finally:
            await shards.stop()
    finally:
        for consumer in consumers:
            await stop_consumer(consumer)
        await producer.stop()
        await store.close()
