"""The engine of a worker: starts and stops the lanes of its partitions, and ends the process if one is stuck."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka.errors import KafkaError
from faust.types import TP

from streams.clock import monotonic_s
from streams.environment import Environment
from streams.exits import Exit
from streams.group_progress import GroupProgress
from streams.intake.adapt import Intake
from streams.intake.lane import IntakeLane
from streams.intake.sources import SourceTopics
from streams.mismatch import SOURCE_TRUNCATED, STATE_LOST, Mismatch
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model
from streams.scoring.stored import NewerFormat
from streams.shard.clock import ShardClock
from streams.shard.lane import OwnershipLost, ShardLane
from streams.shard.shard import Shard
from streams.shard.turns import has_timed_work
from streams.shard.watermark import find_watermark
from streams.transport.channel import Channel
from streams.transport.consumer import Consumer, ConsumerCursor

log = logging.getLogger(__name__)
STUCK_S = 30.0
"""If there is lag but no progress for this long, something is stuck and the process must be restarted."""
OFFSET_SYNC_S, WATCH_S = 3.0, 0.5
UNSETTLED_S = 90.0
"""A rebalance that takes longer while Kafka and Redis are available will never end: Faust has silently given it up."""
FINAL_COMMIT_TIMEOUT_S = 3.0
"""How long a stopping worker waits for Kafka to commit its positions."""

NO_RULES: Final = Rules(Model((), ()))
"""The rules of a shard until it is opened."""

Fail = Callable[[int, str], None]


class Engine:
    """Runs one lane for each shard that this worker owns. It is the Handler of the consumer."""

    def __init__(self, env: Environment, channel: Channel, fail: Fail, real_ends: bool) -> None:
        """``fail`` ends the process. ``real_ends``: whether the broker's end offsets are reliable."""
        self.env = env
        self._channel = channel
        self._fail = fail
        self._real_ends = real_ends
        self._consumer: Consumer | None = None
        self._lanes: dict[TP, ShardLane] = {}
        self._retired: dict[int, Shard] = {}
        """Shards revoked in a rebalance. If one is assigned again unchanged, its leads are still in memory."""
        self._intake = IntakeLane(Intake(env.topics, env.partitioner, env.implementation.forward), channel, env)
        self._clock = ShardClock(env.clock)
        self._unsettled_s: float | None = None
        """When the rebalance in progress began; None if there is none."""
        self._committed: dict[TP, int] = {}
        self._sync_started_s = monotonic_s()
        self._syncing: asyncio.Task[None] | None = None
        self._synced_s = monotonic_s()
        self._sources = SourceTopics(env, channel.producer)
        self._progress: GroupProgress | None = None
        self._finding: asyncio.Task[None] | None = None
        """The round for the low watermark, while leads are due."""

    # The Handler ----------------------------------------------------------------------------------------------

    async def on_assigned(self, consumer: Consumer, partitions: Iterable[TP]) -> Mapping[TP, int]:
        """Open the shards and return the offset to read each partition from."""
        self._consumer = consumer
        self._progress = GroupProgress(
            self.env, consumer, self._intake_positions, lambda: [lane.shard for lane in self._lanes.values()]
        )
        self._unsettled_s = monotonic_s()
        partitions = set(partitions)
        await self._stop_lanes(list(self._lanes.values()))
        self._lanes.clear()
        first = await consumer.first_offsets(partitions) if partitions else {}
        ends = await consumer.end_offsets(partitions) if partitions and self._real_ends else {}
        try:
            await self.env.format.refresh()
            with suppress(KafkaError):  # the next check will find a recreated topic
                await self._sources.require_same()
            seeks = await asyncio.gather(
                *(self._start_offset(tp, first[tp], ends.get(tp), consumer) for tp in partitions)
            )
        except Mismatch as mismatch:
            self._fail(Exit.REFUSED, str(mismatch))
            raise
        for lane in self._lanes.values():
            lane.start()
        self._intake.start()
        self._retired.clear()
        self._unsettled_s = None
        self.env.metrics.shards.set(len(self._lanes))
        return dict(zip(partitions, seeks, strict=True))

    async def _start_offset(self, tp: TP, first: int, end: int | None, consumer: Consumer) -> int:
        if tp.topic != self.env.topics.lead_events:
            committed = await consumer.committed(tp)
            if committed is not None and end is not None and committed > end:
                raise Mismatch(SOURCE_TRUNCATED.format(tp=tp, committed=committed, end=end))
            at = first if committed is None else max(committed, first)
            self._intake.positions[tp] = at
            return at
        shard = self._retired.get(tp.partition) or Shard(tp.partition, NO_RULES, self.env)
        lane = ShardLane(shard, self._channel, self._clock, ConsumerCursor(consumer, tp))
        offset = await lane.open(first, end)
        if shard.fresh and await consumer.committed(tp) and not self.env.rebuild_when_lost:
            raise Mismatch(STATE_LOST.format(partition=tp.partition))
        self._lanes[tp] = lane
        return offset

    async def on_revoked(self, consumer: Consumer, partitions: Iterable[TP]) -> None:
        """Finish the steps in progress and release the partitions."""
        gone = set(partitions)
        lanes = [self._lanes.pop(tp) for tp in gone if tp in self._lanes]
        self._unsettled_s = monotonic_s()
        await self._stop_lanes(lanes)
        await self._intake.drain()
        await self._commit_positions(lanes)
        self._intake.positions = {tp: at for tp, at in self._intake.positions.items() if tp not in gone}
        self.env.metrics.shards.set(len(self._lanes))

    async def _stop_lanes(self, lanes: Sequence[ShardLane]) -> None:
        """Stop these lanes and keep their shards in memory."""
        await asyncio.gather(*(lane.stop() for lane in lanes))
        for lane in lanes:
            if lane.failure is not None:
                self._report_failure(lane.failure)
            self._retired[lane.shard.partition] = lane.shard
            for gauge in (self.env.metrics.lag, self.env.metrics.lag_s):
                with suppress(KeyError):
                    gauge.remove(str(lane.shard.partition))

    def is_full(self, partition: TP) -> bool:
        """Whether the queue of a partition's lane is full."""
        lane = self._lanes.get(partition)
        return lane.is_full if lane is not None else self._intake.is_full

    def enqueue(self, records: Mapping[TP, Sequence[Any]], highwaters: Mapping[TP, int]) -> None:
        """Pass the fetched records to their lanes."""
        fetched: dict[TP, Sequence[Any]] = {}
        for tp, batch in records.items():
            lane = self._lanes.get(tp)
            if lane is not None:
                lane.enqueue(batch, highwaters[tp])
            elif tp.topic != self.env.topics.lead_events:
                fetched[tp] = batch
        if fetched:
            self._intake.enqueue(fetched)

    # Watching -------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether Redis and Kafka answered the last requests."""
        return self.env.store.healthy and self._channel.producer.healthy and self._consumer is not None

    async def watch(self) -> None:
        """Watch the lanes and commit positions; never returns."""
        while True:
            await asyncio.sleep(WATCH_S)
            self._check_health()
            self._move_watermark()
            if monotonic_s() - self._sync_started_s >= OFFSET_SYNC_S:
                self._sync_started_s = monotonic_s()
                await self._channel.producer.check_health()
                if self._syncing is None or self._syncing.done():  # it waits while Kafka cannot be reached
                    self._syncing = asyncio.create_task(self._sync_offsets())

    async def _sync_offsets(self) -> None:
        """Commit positions to Kafka, and fetch the end offsets of all partitions."""
        try:
            await self.env.format.refresh()
            await self._sources.require_same()
            await self._commit_positions(list(self._lanes.values()))
            await self._update_ends()
            if self._progress is not None:
                for topic, records in (await self._progress.source_lag()).items():
                    self.env.metrics.source_lag.labels(topic).set(records)
        except KafkaError:
            log.debug("cannot reach Kafka to sync offsets; trying again later", exc_info=True)
        except Mismatch as mismatch:
            self._report_failure(mismatch)

    def _move_watermark(self) -> None:
        """Start a round for the low watermark if leads are due, none is running, and Kafka and Redis answer."""
        now_ms = self.env.clock.now_ms()
        is_needed = any(has_timed_work(lane.shard, now_ms) for lane in self._lanes.values())
        if is_needed and self.ready and self._progress and (self._finding is None or self._finding.done()):
            self._finding = asyncio.create_task(self._find_watermark(self._progress, now_ms))

    async def _find_watermark(self, progress: GroupProgress, now_ms: int) -> None:
        try:
            self._clock.watermark_ms = await find_watermark(progress, now_ms, lambda: asyncio.sleep(WATCH_S))
        except KafkaError:
            log.debug("cannot find out how far the group is; trying again", exc_info=True)

    async def _update_ends(self) -> None:
        """Fetch the end offsets, which show records that are not fetched yet."""
        consumer, lanes = self._consumer, dict(self._lanes)
        if consumer is None:
            return
        ends = await consumer.end_offsets([*lanes, *self._intake.positions])
        places = await consumer.next_offsets(ends)
        for tp, lane in lanes.items():
            lane.note_ends(ends[tp], places[tp])
        sources = [(ends[tp], places[tp]) for tp in self._intake.positions if tp in ends]
        self._intake.behind = any(at is not None and end > at for end, at in sources)

    def _check_health(self) -> None:
        ready = self.ready
        if self._unsettled_s is not None and not ready:
            self._unsettled_s = monotonic_s()
        elif self._unsettled_s is not None and monotonic_s() - self._unsettled_s > UNSETTLED_S:
            self._fail(Exit.TROUBLE, f"a rebalance was not finished within {UNSETTLED_S} s")
        if not ready or self._unsettled_s is not None or self._syncing is None or self._syncing.done():
            self._synced_s = monotonic_s()
        elif monotonic_s() - self._synced_s > STUCK_S:
            self._fail(Exit.TROUBLE, f"Kafka is reachable, but the consumer got no answer for {STUCK_S} s")
        self._check_lanes(ready)
        self._check_intake(ready)
        lanes = self._lanes.values()
        self.env.metrics.cached.set(sum(len(lane.shard.scorer) for lane in lanes))
        self.env.metrics.outbox.set(sum(len(lane.shard.outbox) for lane in lanes))

    def _check_lanes(self, ready: bool) -> None:
        for tp, lane in list(self._lanes.items()):
            if lane.failure is not None:
                self._report_failure(lane.failure)
            if not ready or not lane.lag:
                lane.progress_s = monotonic_s()
            elif monotonic_s() - lane.progress_s > STUCK_S:
                self._fail(Exit.TROUBLE, f"{tp} has {lane.lag} records to score and made no progress for {STUCK_S} s")
            self.env.metrics.lag.labels(str(tp.partition)).set(lane.lag)
            late_ms = self.env.clock.now_ms() - lane.queue[0][0].timestamp if lane.queue else 0
            self.env.metrics.lag_s.labels(str(tp.partition)).set(max(late_ms, 0) / 1000)
        now_s = monotonic_s()
        since_s = [at_s for lane in self._lanes.values() if (at_s := lane.relay.waiting_since_s) is not None]
        self.env.metrics.outbox_oldest.set(now_s - min(since_s, default=now_s))

    def _check_intake(self, ready: bool) -> None:
        if self._intake.failure is not None:
            self._report_failure(self._intake.failure)
        if not ready or (self._intake.is_idle and not self._intake.behind):
            self._intake.progress_s = monotonic_s()
        elif monotonic_s() - self._intake.progress_s > STUCK_S:
            self._fail(Exit.TROUBLE, f"intake has records to forward and made no progress for {STUCK_S} s")

    def _report_failure(self, failure: BaseException) -> None:
        if isinstance(failure, Mismatch | NewerFormat):
            self._fail(Exit.REFUSED, str(failure))
        elif isinstance(failure, OwnershipLost):
            self._fail(Exit.CONFLICT, str(failure))
        else:
            log.error("a lane failed", exc_info=failure)
            self._fail(Exit.TROUBLE, f"a lane failed: {failure!r}")

    async def _commit_positions(self, lanes: Sequence[ShardLane]) -> None:
        """Commit positions to Kafka: for lag tools, and as the start offsets of intake after a restart."""
        taken = [lane.shard for lane in lanes if not lane.shard.fresh]
        offsets = {TP(self.env.topics.lead_events, each.partition): each.position.checkpoint for each in taken}
        offsets |= await self._intake_positions()
        news = {tp: at for tp, at in offsets.items() if at and self._committed.get(tp) != at}
        if not news or self._consumer is None:
            return
        if await self._consumer.commit_offsets(news):
            self._committed.update(news)
            await self.env.reached("telemetry_committed")
        else:
            self.env.metrics.telemetry_errors.inc()

    async def _intake_positions(self) -> Mapping[TP, int]:
        """The offsets at which intake continues; these also skip transaction markers, which are not records."""
        carried = dict(self._intake.positions)
        if self._consumer is not None:
            ahead = await self._consumer.next_offsets(carried)
            if self._intake.is_idle:  # all records fetched so far are forwarded
                carried |= {tp: at for tp, at in ahead.items() if at is not None and tp in self._intake.positions}
        return carried

    async def stop(self) -> None:
        """Finish the steps in progress and commit the positions."""
        lanes = list(self._lanes.values())
        for task in (self._syncing, self._finding):
            if task is not None:
                task.cancel()
        await asyncio.gather(*(lane.stop() for lane in lanes))
        await self._intake.stop()
        with suppress(KafkaError, TimeoutError):  # the next start reads the positions from the shards
            await asyncio.wait_for(self._commit_positions(lanes), FINAL_COMMIT_TIMEOUT_S)
