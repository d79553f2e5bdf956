"""The lane of a shard: one task that does all work on the shard in sequence.

It alternates between batches of records and timed work: due crossings, scores to publish, leads to rescore. Steps never
run at the same time. Relay and publisher report acknowledgements in between (``Shard.mark_sent``,
``Shard.mark_published``) without awaiting anything, so no locks are needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from streams.clock import monotonic_s
from streams.crosscheck import Difference
from streams.events.changes import find_change
from streams.events.records import fingerprint
from streams.mismatch import RECORD_CHANGED, RECORDS_DELETED, STATE_LOST, TOPIC_TRUNCATED, Mismatch
from streams.shard.clock import ShardClock
from streams.shard.conflict import Conflict
from streams.shard.publisher import Publisher
from streams.shard.relay import Relay
from streams.shard.shard import Shard
from streams.shard.sweep import Sweep
from streams.shard.turns import TIMER_S, pause_s
from streams.tasks import end_tasks
from streams.transport.channel import MAX_RECORDS, Channel
from streams.transport.cursor import LogCursor

log = logging.getLogger(__name__)
PUBLISH_S, PUBLISH_BEHIND_S = 0.25, 30.0
TIDY_S = 1.0
DRAIN_S = 2.0
"""How long a stopping lane waits for acknowledgements of its last entries. The next owner sends the remaining ones."""
REBUILD_S = 3.0
"""How long a rebuild may take between emptying a shard and marking it."""
CONFLICTS = 3
"""The number of conflicts in a row after which the worker ends."""


class OwnershipLost(Exception):
    """Another worker writes the shard repeatedly."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(f"{conflict}, {CONFLICTS} times in a row: it owns the partition. Stopping.")


class ShardLane:
    """Does all work on one shard, one step at a time."""

    def __init__(self, shard: Shard, channel: Channel, clock: ShardClock, cursor: LogCursor) -> None:
        """``cursor`` is used after a conflict."""
        self.shard = shard
        self.relay = Relay(shard, channel)
        self._publisher = Publisher(shard, channel)
        self._metrics = channel.metrics
        self._clock = clock
        self._cursor = cursor
        self.queue: list[Sequence[Any]] = []
        """Fetched records that wait."""
        self._waiting = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._relaying: asyncio.Task[None] | None = None
        self._expected_offset: int | None = None
        self._first_offset = self._highwater = 0
        self._scoring = False
        """Whether a batch is being scored."""
        self._position: int | None = None
        """Start of the next fetch at the last check."""
        self._real_ends = False
        """Whether the broker's end offsets are reliable; then ``open`` detects a truncated topic."""
        self._conflicts = 0
        self._published_s = self._tidied_s = self.progress_s = monotonic_s()
        self._advanced_s = -TIMER_S
        self._sweep = Sweep(shard)

    # For the worker -------------------------------------------------------------------------------------------

    async def open(self, first_offset: int, end_offset: int | None) -> int:
        """Read the position of the shard; returns the offset to read from.

        Raises:
            Mismatch: the state does not match the topic.
        """
        self.relay.clear()
        self._real_ends = self._real_ends or end_offset is not None
        self._first_offset = first_offset
        await self.shard.open(first_offset)
        partition, checkpoint = self.shard.partition, self.shard.position.checkpoint
        if end_offset is not None and checkpoint > end_offset:
            raise Mismatch(TOPIC_TRUNCATED.format(partition=partition, checkpoint=checkpoint, end=end_offset))
        if checkpoint < first_offset and not self.shard.fresh:
            raise Mismatch(RECORDS_DELETED.format(partition=partition, checkpoint=checkpoint, first=first_offset))
        self.shard.position.checkpoint = checkpoint = max(checkpoint, first_offset)
        self.queue.clear()
        self._waiting = 0
        self._highwater = max(self._highwater, end_offset or 0)
        self._position, self._scoring = None, False
        is_known = checkpoint > first_offset and self.shard.position.fingerprint
        self._expected_offset = checkpoint - 1 if is_known else None
        return checkpoint - 1 if is_known else checkpoint

    def start(self) -> None:
        """Start the tasks of the lane."""
        self._task = asyncio.create_task(self._run())
        self._relaying = asyncio.create_task(self.relay.run())

    async def stop(self) -> None:
        """Finish the step in progress, drop waiting records and stop sending."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self.relay.drain(DRAIN_S)
        await end_tasks(self._relaying, self._publisher.sending)

    @property
    def failure(self) -> BaseException | None:
        """The error that ended the lane, if any."""
        for task in (self._task, self._relaying, self._publisher.sending):
            if task is not None and task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None

    @property
    def is_full(self) -> bool:
        """Whether the queue or the outbox is full."""
        return self._waiting >= MAX_RECORDS or self.relay.is_full

    @property
    def lag(self) -> int:
        """Records of the partition that are not scored yet."""
        return max(self._highwater - self.shard.position.scored, self._waiting)

    def enqueue(self, records: Sequence[Any], highwater: int) -> None:
        """Add fetched records to the queue."""
        self.queue.append(records)
        self._waiting += len(records)
        self._highwater = max(highwater, records[-1].offset + 1)
        self._wake.set()

    def note_ends(self, end: int, position: int | None) -> None:
        """Note the end of the partition and the start of the next fetch (None if that is not known).

        Records that are not fetched yet are lag, too. Transaction markers are not: if the position stays beyond the
        checkpoint from one check to the next, there are only markers in between.
        """
        if position is not None and position == self._position and not self._waiting and not self._scoring:
            self.shard.position.pass_marks(position)
        self._position = position
        self._highwater = max(self._highwater, end)

    # The loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopping:
            await self._run_once()

    async def _run_once(self) -> None:
        if not self.queue or self.relay.is_full:
            busy = bool(self.lag or self._publisher.more)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause_s(self.shard, busy))
        if self._stopping:
            return
        version = self.shard.version
        try:
            if self.queue and not self.relay.is_full:
                await self._score_next_batch()
            else:
                self.progress_s = monotonic_s() if not self.lag else self.progress_s
            await self._do_timed_work()
            if self.shard.version != version:
                self._conflicts = 0
        except Conflict as conflict:
            await self._reopen(conflict)
        except Difference as difference:
            await self._switch_to_reference(difference)

    async def _score_next_batch(self) -> None:
        if self._sweep.comes_first:
            await self._settle_some(None)
            return
        batch = list(self.queue.pop(0))
        while self.queue and len(batch) + len(self.queue[0]) <= MAX_RECORDS:
            batch += self.queue.pop(0)
        records = self.shard.position.without_taken(self._verify_fingerprint(batch))
        at = find_change(records)
        if at or not records:
            scored, kept = records[:at], records[at:]
        else:
            scored, kept = [], await self._change_scorecards(records)
        if kept:
            self.queue.insert(0, kept)
        self._waiting = sum(map(len, self.queue))
        if scored:
            self._scoring = True
            await self.shard.score_batch(scored)
            self._scoring = False
            self._metrics.records.labels("scoring").inc(len(scored))
            self.progress_s = monotonic_s()

    async def _change_scorecards(self, records: Sequence[Any]) -> Sequence[Any]:
        """Process a control record, or a part of the change before it; returns the records that are left."""
        if self.shard.scorer.change is not None:
            await self._settle_some(None)
            return records
        self._sweep.restart()
        await self.shard.change_scorecards(records[0])
        self.progress_s = monotonic_s()
        return records[1:]

    def _verify_fingerprint(self, records: Sequence[Any]) -> Sequence[Any]:
        """Check the first record after a seek: it precedes the checkpoint and must be the one that was scored."""
        expected = self._expected_offset
        if expected is None:
            return records
        first = records[0]
        if first.offset > expected:
            return []  # fetched before the seek
        if first.offset < expected and self._real_ends:  # an older seek took effect last
            records = [record for record in records if record.offset >= expected]
            if not records:
                return []
            first = records[0]
        known = self.shard.position.fingerprint
        if first.offset != expected or (known and fingerprint(first) != known):
            raise Mismatch(RECORD_CHANGED.format(partition=self.shard.partition, offset=expected))
        self._expected_offset = None
        return records[1:]

    async def _reopen(self, conflict: Conflict) -> None:
        """Read the shard again and continue at its position."""
        self._conflicts += 1
        log.warning("%s; reading the shard again", conflict)
        if self._conflicts >= CONFLICTS:
            raise OwnershipLost(conflict) from conflict
        self._sweep.restart()
        position = await self.open(max(self._first_offset, await self._cursor.first_offset()), None)
        if self.shard.fresh and not self.shard.env.rebuild_when_lost:
            await asyncio.sleep(REBUILD_S)  # `leadglow rebuild` empties a shard, then marks it
            position = await self.open(self._first_offset, None)
            if self.shard.fresh:
                raise Mismatch(STATE_LOST.format(partition=self.shard.partition))
        await self._seek(position)

    async def _switch_to_reference(self, difference: Difference) -> None:
        """Drop the step in which the accelerator differs, and use the reference from now on."""
        partition = self.shard.partition
        log.error("%s; partition %s drops this step and continues with the reference", difference, partition)
        self._metrics.accelerator_differences.inc()
        self.shard.use_reference()
        self._sweep.restart()
        await self._seek(await self.open(self._first_offset, None))

    async def _seek(self, position: int) -> None:
        await self._cursor.seek(position)
        self.queue.clear()  # records fetched before the seek
        self._waiting = 0

    # Timed work -----------------------------------------------------------------------------------------------

    async def _do_timed_work(self) -> None:
        caught_up = not self.queue and not self.lag
        clock = self._clock.now(self.shard.position.arrived_ms, caught_up)
        self.shard.told.trusted |= caught_up and clock is not None
        if clock is not None and not self._sweep.comes_first:
            await self._advance_due(self._clock.timer_ms(clock))
        if self._sweep.is_needed and not self.relay.is_full and (clock is not None or self._sweep.comes_first):
            await self._settle_some(clock)
        now_s = monotonic_s()
        if now_s - self._published_s >= (PUBLISH_S if clock is not None else PUBLISH_BEHIND_S):
            self._published_s = now_s
            await self._publisher.publish(clock or self.shard.position.arrived_ms)
        elif self._publisher.more:
            await self._publisher.send_more(clock or self.shard.position.arrived_ms)
        if now_s - self._tidied_s >= TIDY_S:
            self._tidied_s = now_s
            await self.shard.sync_store()

    async def _advance_due(self, clock: int) -> None:
        due, now_s = self.shard.next_due, monotonic_s()
        if due > clock or now_s - self._advanced_s < TIMER_S:
            return
        if not self.lag:
            late_ms = self.shard.env.clock.now_ms() - due
            self._metrics.timer_lateness_seconds.observe(max(late_ms, 0) / 1000)
        await self.shard.advance_due(clock)
        if self.shard.next_due > clock:  # else more leads are due than one step advances
            self._advanced_s = now_s

    async def _settle_some(self, clock: int | None) -> None:
        """Settle the next leads after a change of the scorecards."""
        await self._sweep.settle_some(0 if clock is None else self._clock.timer_ms(clock))
        self.progress_s = monotonic_s()
