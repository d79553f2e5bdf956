"""Extends Faust's consumer to record batches. Faust manages the consumer group, the engine manages the positions.

Faust passes each record to several asyncio tasks, which costs 70 µs per record; ``_drain_messages`` passes whole
batches instead. Positions are read from the checkpoints of the shards in ``seek_to_committed``, the only hook that
Faust awaits before it resumes after a rebalance.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.transport.fetches import FetchWaits
from streams.transport.parsed import read_whole_batches
from streams.transport.reconnects import Reconnects

log = logging.getLogger(__name__)
IDLE_S = 0.5
"""How long a fetch waits for records, and so how long a rebalance waits for a fetch."""
CROWDED_S = 0.05
"""How long a fetch waits while the queue of some partition is full, because it may have room soon."""
ROOM_S = 0.005
FIRST_OFFSET_S = 3.0
"""How long a shard that is read again waits for the first offset of its log."""
GATHER_S, FEW_RECORDS = 0.005, 500
"""The pause after a fetch of few records: more arrive meanwhile, and every fetch, step and request has a fixed cost."""


class Handler(Protocol):
    """Receives partitions and records from the consumer."""

    async def on_assigned(self, consumer: Consumer, partitions: Iterable[TP]) -> Mapping[TP, int]:
        """Called after partitions are assigned; returns the offset to read each from."""

    async def on_revoked(self, consumer: Consumer, partitions: Iterable[TP]) -> None:
        """Called before partitions are revoked; returns when no step is in progress."""

    def is_full(self, partition: TP) -> bool:
        """Whether the queue of a partition is full."""

    def enqueue(self, records: Mapping[TP, Sequence[Any]], highwaters: Mapping[TP, int]) -> None:
        """Add fetched records to the queues."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with four changes for which Faust has no setting.

    These are the time that a fetch may wait, the isolation level, records as parsed, and pauses between reconnects.
    """

    async def on_start(self) -> None:
        """Create and start the consumer of aiokafka."""
        await super().on_start()
        consumer = self._ensure_consumer()
        FetchWaits(consumer._fetcher, self.app.idle_fetch_wait_ms)  # type: ignore[attr-defined]
        Reconnects(consumer._client)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.app.fetch_wait_ms  # type: ignore[attr-defined]
        consumer._isolation_level = self.app.isolation_level  # type: ignore[attr-defined]
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[Any],
        timeout: float | None = None,  # noqa: ASYNC109 - as Faust calls it
        max_records: int | None = None,
    ) -> Any:
        """Return records that are already fetched, else wait for the next fetch."""
        records = await self._take_fetched(consumer, active_partitions, max_records)
        if records or not timeout or not self.consumer.flow_active:
            return records
        waiter = consumer._fetcher._create_fetch_waiter()
        with consumer._fetcher._subscriptions.fetch_context():
            done, _ = await asyncio.wait([waiter], timeout=timeout)
        if not done or consumer._fetcher._closed:
            waiter.cancel()
            return {}
        waiter.result()  # raises if the group has no permission to read
        return await self._take_fetched(consumer, active_partitions, max_records)

    async def _take_fetched(self, consumer: Any, partitions: set[Any], most: int | None) -> Any:
        read_whole_batches(consumer)
        return await super()._fetch_records(consumer, partitions, timeout=0, max_records=most)


class Consumer(driver.Consumer):
    """Passes record batches to a Handler."""

    @property
    def handler(self) -> Handler:
        """The handler, which ``streams.worker`` sets on the Faust app."""
        handler: Handler = self.app.handler  # type: ignore[attr-defined]
        return handler

    def _new_consumer_thread(self) -> Any:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to the checkpoints. Called after each assignment, before records flow."""
        positions = dict(await self.handler.on_assigned(self, {_tp(p) for p in self.assignment()}))
        if positions:
            async with self._gate:
                await self.seek_wait(positions)
        return positions

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish the steps in progress before the partitions are revoked."""
        await self.handler.on_revoked(self, {_tp(p) for p in revoked})
        await super().on_partitions_revoked(revoked)

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._drain_once()
        except ConsumerStoppedError:
            if not self.app.should_stop:
                raise

    async def _drain_once(self) -> None:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
            return
        active = self._get_active_partitions()
        ready = {tp for tp in active if not self.handler.is_full(_tp(tp))}
        if not ready:
            await self.sleep(ROOM_S if active else 20 * ROOM_S)
            return
        async with self._gate:
            records = await self._fetch(ready, IDLE_S if len(ready) == len(active) else CROWDED_S)
        if records:
            self.handler.enqueue(
                {_tp(tp): batch for tp, batch in records.items()},
                {_tp(tp): self.highwater(tp) or 0 for tp in records},
            )
            if sum(map(len, records.values())) < FEW_RECORDS:
                await asyncio.sleep(GATHER_S)

    async def _fetch(self, ready: set[Any], wait_s: float) -> Mapping[Any, Sequence[Any]]:
        """Fetch records of these partitions; return none if a rebalance has begun meanwhile."""
        generation = self.app.consumer_generation_id
        if not self.flow_active:
            return {}
        records: Mapping[Any, Sequence[Any]] = await self._getmany(ready, wait_s)
        current = self.flow_active and generation == self.app.consumer_generation_id
        return records if current else {}

    @cached_property
    def _gate(self) -> asyncio.Lock:
        """Held during a fetch and during the seek of a rebalance, so that no record fetched after the seek is lost."""
        return asyncio.Lock()

    # For the handler ------------------------------------------------------------------------------------------

    def partitions_of(self, topics: Iterable[str]) -> set[TP]:
        """Every partition of these topics, including those assigned to other workers."""
        cluster = self._thread._ensure_consumer()
        return {TP(topic, p) for topic in topics for p in cluster.partitions_for_topic(topic) or ()}

    async def first_offsets(self, partitions: Iterable[TP]) -> Mapping[TP, int]:
        """The earliest available offset of each partition."""
        return _plain(await self._call("beginning_offsets", [_topic_partition(tp) for tp in partitions]))

    async def end_offsets(self, partitions: Iterable[TP]) -> Mapping[TP, int]:
        """The offset after the last record of each partition."""
        return _plain(await self._call("end_offsets", [_topic_partition(tp) for tp in partitions]))

    async def committed(self, partition: TP) -> int | None:
        """The offset that the group has committed for a partition."""
        return (await self.committed_offsets([partition]))[partition]

    async def committed_offsets(self, partitions: Iterable[TP]) -> Mapping[TP, int | None]:
        """The offset that the group has committed for each partition."""
        return await self._thread.call_thread(self._committed, list(partitions))  # type: ignore[no-any-return]

    async def _committed(self, partitions: Sequence[TP]) -> Mapping[TP, int | None]:
        consumer = self._thread._ensure_consumer()
        found = await asyncio.gather(*(consumer.committed(_topic_partition(tp)) for tp in partitions))
        return dict(zip(partitions, found, strict=True))

    async def next_offsets(self, partitions: Iterable[TP]) -> Mapping[TP, int | None]:
        """The offset at which the next fetch of each partition starts: after delivered records and transaction markers.

        None if it is not known yet. aiokafka's own ``position`` would wait for it and block the seek that it waits for,
        because the thread runs only two calls at a time. This runs in the consumer's thread, so that all records
        fetched before are already delivered.
        """
        return await self._thread.call_thread(self._positions, list(partitions))  # type: ignore[no-any-return]

    async def _positions(self, partitions: Sequence[TP]) -> Mapping[TP, int | None]:
        return {tp: self._position(_topic_partition(tp)) for tp in partitions}

    def _position(self, partition: TopicPartition) -> int | None:
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None or partition not in assignment.tps:
            return None
        state = assignment.state_value(partition)
        return state.position if state.has_valid_position else None

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> bool:
        """Commit offsets to Kafka; returns False if that failed, in which case the next call tries again."""
        try:
            await self._call("commit", {_topic_partition(tp): OffsetAndMetadata(at, "") for tp, at in offsets.items()})
        except KafkaError as error:
            log.info("cannot commit offsets to Kafka: %r", error)
            return False
        return True

    async def _call(self, method: str, *args: Any) -> Any:
        thread = self._thread
        return await thread.call_thread(getattr(thread._ensure_consumer(), method), *args)


class ConsumerCursor:
    """Reads one partition by a consumer."""

    def __init__(self, consumer: Consumer, partition: TP) -> None:
        """The consumer must have the partition."""
        self._consumer = consumer
        self._partition = partition

    async def seek(self, offset: int) -> None:
        """Read from this offset on."""
        await self._consumer.seek_wait({self._partition: offset})

    async def first_offset(self) -> int:
        """The offset of the first record that is left; 0 while Kafka cannot be reached."""
        try:
            first = await asyncio.wait_for(self._consumer.first_offsets([self._partition]), FIRST_OFFSET_S)
        except (KafkaError, TimeoutError):
            return 0
        return first[self._partition]


class Transport(driver.Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer = Consumer


def _tp(partition: Any) -> TP:
    return TP(partition.topic, partition.partition)


def _topic_partition(tp: TP) -> TopicPartition:
    return TopicPartition(tp.topic, tp.partition)


def _plain(offsets: Mapping[Any, int]) -> dict[TP, int]:
    return {_tp(tp): offset for tp, offset in offsets.items()}
