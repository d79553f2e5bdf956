"""The lane of a shard: one task that does all work on the shard in turn.

It alternates between batches of records and what time brings: due crossings, scores to publish, leads to read by new
scorecards. No step of anybody else comes between. Relay and publisher report what was acknowledged meanwhile
(``Shard.sent``, ``Shard.published``); neither waits for anything while it does, so nothing in a process needs a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from streams.clock import monotonic_s
from streams.crosscheck import Difference
from streams.events.records import fingerprint
from streams.mismatch import CUT, GONE, LOST, OTHER, Mismatch
from streams.scoring.rules import Rules
from streams.shard.clock import ShardClock
from streams.shard.conflict import Conflict
from streams.shard.publisher import Publisher
from streams.shard.relay import Relay
from streams.shard.shard import Shard
from streams.transport.channel import MOST_RECORDS, Channel

log = logging.getLogger(__name__)
TURN_S = 0.1
"""How long a lane waits for records before it looks at the time."""
PUBLISH_S, PUBLISH_BEHIND_S = 0.25, 30.0
TIDY_S = 1.0
DRAIN_S = 2.0
"""How long a lane that stops waits for its last entries to be acknowledged; the next owner sends what is left."""
SWEEP = 500
"""Leads read by new scorecards in one go."""
REBUILD_S = 3.0
"""How long an emptied shard may take to be marked by a rebuild."""
CONFLICTS = 3
"""Conflicts in a row after which the worker gives up."""


class OwnershipLost(Exception):
    """The shard is written by somebody else, again and again."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(f"{conflict}, {CONFLICTS} times in a row: another worker owns it. Stopping.")


class ShardLane:
    """Does everything to one shard, one thing at a time."""

    def __init__(self, shard: Shard, channel: Channel, clock: ShardClock, reseek: Callable[[int], Any]) -> None:
        """``reseek`` is awaited with the offset to read from after a conflict."""
        self.shard = shard
        self.relay = Relay(shard, channel)
        self._publisher = Publisher(shard, channel)
        self._metrics = channel.metrics
        self._clock = clock
        self._reseek = reseek
        self._queue: list[Sequence[Any]] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._relaying: asyncio.Task[None] | None = None
        self._rules: Rules | None = None
        self._awaited: int | None = None
        self._highwater = 0
        self._taking = False
        """A step is in flight."""
        self._position: int | None = None
        self._passed = 0
        """Where the next fetch starts, as of the last look; up to where there is nothing left to take."""
        self._real_ends = False
        """The broker's end offsets can be trusted, so a topic that was cut is found when the shard is opened."""
        self._conflicts = 0
        self._published_s = self._tidied_s = self.progress_s = monotonic_s()
        self._sweep: AsyncIterator[tuple[str, bytes]] | None = None

    # For the worker -------------------------------------------------------------------------------------------

    async def open(self, first_offset: int, end_offset: int | None) -> int:
        """Read where the shard stands; returns the offset to read from.

        Raises:
            Mismatch: the state and the topic do not belong together.
        """
        self.relay.clear()
        self._real_ends = self._real_ends or end_offset is not None
        await self.shard.open()
        checkpoint = self.shard.position.checkpoint
        if end_offset is not None and checkpoint > end_offset:
            raise Mismatch(CUT.format(partition=self.shard.partition, checkpoint=checkpoint, end=end_offset))
        if 0 < checkpoint < first_offset:
            raise Mismatch(GONE.format(partition=self.shard.partition, checkpoint=checkpoint, first=first_offset))
        self.shard.position.checkpoint = checkpoint = max(checkpoint, first_offset)
        self._queue.clear()
        self._waiting = 0
        self._highwater = max(self._highwater, end_offset or 0)
        self._position, self._passed = None, 0
        self._taking = False
        self._awaited = checkpoint - 1 if checkpoint > first_offset else None
        return checkpoint - 1 if checkpoint > first_offset else checkpoint

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())
        self._relaying = asyncio.create_task(self.relay.run())

    async def stop(self) -> None:
        """Finish the step in flight, drop what waits, stop sending."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self.relay.drain(DRAIN_S)
        for task in (self._relaying, self._publisher.sending):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @property
    def failure(self) -> BaseException | None:
        """What ended the lane, if something did."""
        for task in (self._task, self._relaying, self._publisher.sending):
            if task is not None and task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None

    @property
    def is_full(self) -> bool:
        """Whether the lane has enough to do."""
        return self._waiting >= MOST_RECORDS or self.relay.is_full

    @property
    def lag(self) -> int:
        """Records of the partition that are not scored yet."""
        return max(self._highwater - max(self.shard.position.checkpoint, self._passed), self._waiting)

    def enqueue(self, records: Sequence[Any], highwater: int) -> None:
        """Take what was fetched."""
        self._queue.append(records)
        self._waiting += len(records)
        self._highwater = max(highwater, records[-1].offset + 1)
        self._wake.set()

    def note_ends(self, end: int, position: int | None) -> None:
        """Take note of where the partition ends, and where the next fetch starts, if that is settled.

        Records that no fetch brings are lag, too. The marks of transactions are none: where the position stays
        beyond the checkpoint from one look to the next, nothing but marks lies between.
        """
        if position is not None and position == self._position and not self._waiting and not self._taking:
            self._passed = position
        self._position = position
        self._highwater = max(self._highwater, end)

    def use_rules(self, rules: Rules) -> None:
        """Score by other rules after the step in flight."""
        self._rules = rules

    # The loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopping:
            await self._run_once()

    async def _run_once(self) -> None:
        if not self._queue or self.relay.is_full:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TURN_S)
        if self._stopping:
            return
        version = self.shard.version
        try:
            if self._rules is not None:
                self.shard.use_rules(self._rules)
                self._rules, self._sweep = None, None
            if self._queue and not self.relay.is_full:
                await self._score_next_batch()
            else:
                self.progress_s = monotonic_s() if not self.lag else self.progress_s
            await self._do_timed_work()
            if self.shard.version != version:
                self._conflicts = 0
        except Conflict as conflict:
            await self._reopen(conflict)
        except Difference as difference:
            await self._distrust(difference)

    async def _score_next_batch(self) -> None:
        batch = list(self._queue.pop(0))
        while self._queue and len(batch) + len(self._queue[0]) <= MOST_RECORDS:
            batch += self._queue.pop(0)
        self._waiting = sum(map(len, self._queue))
        records = self._verify_fingerprint(batch)
        if records:
            self._taking = True
            await self.shard.score_batch(records)
            self._taking = False
            self._metrics.records.labels("scoring").inc(len(records))
            self.progress_s = monotonic_s()

    def _verify_fingerprint(self, records: Sequence[Any]) -> Sequence[Any]:
        """After a seek, the record before the checkpoint comes first and must be the one that was scored."""
        awaited = self._awaited
        if awaited is None:
            return records
        first = records[0]
        if first.offset > awaited:
            return []  # fetched before the seek
        if first.offset < awaited and self._real_ends:  # an older seek was carried out last
            records = [record for record in records if record.offset >= awaited]
            if not records:
                return []
            first = records[0]
        known = self.shard.position.fingerprint
        if first.offset != awaited or (known and fingerprint(first) != known):
            raise Mismatch(OTHER.format(partition=self.shard.partition, offset=awaited))
        self._awaited = None
        return records[1:]

    async def _reopen(self, conflict: Conflict) -> None:
        """Read the shard again and go on from where it stands, if it is still ours."""
        self._conflicts += 1
        log.warning("%s; reading the shard again", conflict)
        if self._conflicts >= CONFLICTS:
            raise OwnershipLost(conflict) from conflict
        self._sweep = None
        position = await self.open(0, None)
        if self.shard.fresh and not self.shard.env.rebuild_when_lost:
            await asyncio.sleep(REBUILD_S)  # `leadglow rebuild` empties a shard before it marks it
            position = await self.open(0, None)
            if self.shard.fresh:
                raise Mismatch(LOST.format(partition=self.shard.partition))
        await self._go_back_to(position)

    async def _distrust(self, difference: Difference) -> None:
        """Drop the step in which the accelerator differs, and go on with the reference."""
        partition = self.shard.partition
        log.error("%s; partition %s drops this step and goes on with the reference", difference, partition)
        self._metrics.accelerator_differences.inc()
        self.shard.use_reference()
        self._sweep = None
        await self._go_back_to(await self.open(0, None))

    async def _go_back_to(self, position: int) -> None:
        await self._reseek(position)
        self._queue.clear()  # whatever came before the seek was done
        self._waiting = 0

    # Time -----------------------------------------------------------------------------------------------------

    async def _do_timed_work(self) -> None:
        caught_up = not self._queue and not self.lag
        clock = self._clock.now(self.shard.position.arrived_ms, caught_up)
        if clock is not None:
            await self._advance_due(clock)
            if self.shard.scorer.rescoring:
                await self._rescore_some(clock)
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
        due = self.shard.next_due
        if due > clock:
            return
        if not self.lag:
            late_ms = self.shard.env.clock.now_ms() - due
            self._metrics.timer_lateness_seconds.observe(max(late_ms, 0) / 1000)
        await self.shard.advance_due(clock)

    async def _rescore_some(self, clock: int) -> None:
        """Read some more leads by the new scorecards."""
        if self._sweep is None:
            self._sweep = self.shard.env.store.scan(self.shard.partition)
        lead_ids = []
        async for lead_id, _ in self._sweep:
            lead_ids.append(lead_id)
            if len(lead_ids) >= SWEEP:
                break
        if lead_ids:
            await self.shard.rescore_leads(lead_ids, clock)
        else:
            self._sweep = None
            await self.shard.finish_rescoring()
