"""Lanes: one task per shard that does everything to it in turn, and one for intake.

A shard's lane alternates between batches of records and what time brings: due crossings, scores to publish, leads
to read by new scorecards. Nothing else touches the shard, so nothing in a process needs a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from faust.types import TP

from streams.clock import monotonic_s, now_ms
from streams.handoff import Channel, Relay, score_rows
from streams.intake import Intake
from streams.pipeline import Conflict, Refused, Shard, fingerprint
from streams.scoring.rules import Rules

log = logging.getLogger(__name__)
TURN_S = 0.1
"""How long a lane waits for records before it looks at the time."""
MOST_RECORDS = 20_000
"""Records waiting in a lane at which fetching pauses; also the most in one step."""
GRACE_MS = 250
"""The timer stays behind the wall clock by this, so that records on their way come first."""
BEHIND_MS = 60_000
"""A backlog older than this is worked off without timers: they would change promptness only."""
PUBLISH_S, PUBLISH_BEHIND_S = 0.25, 30.0
SHOWN = 5000
"""Leads brought in line with ranking and schedule in one step."""
ROWS = 200
"""Score records made in one go."""
TIDY_S = 1.0
DRAIN_S = 2.0
"""How long a lane that stops waits for its last entries to be acknowledged; the next owner sends what is left."""
SWEEP = 500
"""Leads read by new scorecards in one go."""
REBUILD_S = 3.0
"""How long an emptied shard may take to be marked by a rebuild."""
CONFLICTS = 3
"""Conflicts in a row after which the worker gives up."""


class GivingUp(Exception):
    """The shard is written by somebody else, again and again."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(f"{conflict}, {CONFLICTS} times in a row: another worker owns it. Stopping.")


class ShardLane:
    """Does everything to one shard, one thing at a time."""

    def __init__(self, shard: Shard, channel: Channel, reseek: Callable[[int], Any]) -> None:
        """``reseek`` is awaited with the offset to read from after a conflict."""
        self.shard = shard
        self.relay = Relay(shard, channel)
        self._channel = channel
        self._reseek = reseek
        self._queue: list[Sequence[Any]] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._relaying: asyncio.Task[None] | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._rules: Rules | None = None
        self._awaited: int | None = None
        self._highwater = 0
        self._real_ends = False
        """The broker's end offsets can be trusted, so a topic that was cut is found when the shard is opened."""
        self._conflicts = 0
        self._published_s = self._tidied_s = self.progress_s = monotonic_s()
        self._sweep: AsyncIterator[tuple[str, bytes]] | None = None

    # For the worker -------------------------------------------------------------------------------------------

    async def open(self, first_offset: int, end_offset: int | None) -> int:
        """Read where the shard stands; returns the offset to read from.

        Raises:
            Refused: the state and the topic do not belong together.
        """
        self.relay.reset()
        self._real_ends = self._real_ends or end_offset is not None
        await self.shard.open()
        checkpoint = self.shard.position.checkpoint
        if end_offset is not None and checkpoint > end_offset:
            raise Refused(_CUT.format(partition=self.shard.partition, checkpoint=checkpoint, end=end_offset))
        if 0 < checkpoint < first_offset:
            raise Refused(_GONE.format(partition=self.shard.partition, checkpoint=checkpoint, first=first_offset))
        self.shard.position.checkpoint = checkpoint = max(checkpoint, first_offset)
        self._queue.clear()
        self._waiting = 0
        self._highwater = max(self._highwater, end_offset or 0)
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
        for task in (self._relaying, self._publishing):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @property
    def failure(self) -> BaseException | None:
        """What ended the lane, if something did."""
        for task in (self._task, self._relaying, self._publishing):
            if task is not None and task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None

    @property
    def full(self) -> bool:
        """Whether the lane has enough to do."""
        return self._waiting >= MOST_RECORDS or self.relay.full

    @property
    def lag(self) -> int:
        """Records of the partition that are not scored yet."""
        return max(self._highwater - self.shard.position.checkpoint, self._waiting)

    def offer(self, records: Sequence[Any], highwater: int) -> None:
        """Take what was fetched."""
        self._queue.append(records)
        self._waiting += len(records)
        self._highwater = max(highwater, records[-1].offset + 1)
        self._wake.set()

    def use(self, rules: Rules) -> None:
        """Score by other rules after the step in flight."""
        self._rules = rules

    # The loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopping:
            await self._turn()

    async def _turn(self) -> None:
        if not self._queue or self.relay.full:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TURN_S)
        if self._stopping:
            return
        try:
            if self._rules is not None:
                self.shard.use(self._rules)
                self._rules, self._sweep = None, None
            if self._queue and not self.relay.full:
                await self._take()
            else:
                self.progress_s = monotonic_s() if not self.lag else self.progress_s
            await self._keep_time()
        except Conflict as conflict:
            await self._start_over(conflict)

    async def _take(self) -> None:
        batch = list(self._queue.pop(0))
        while self._queue and len(batch) + len(self._queue[0]) <= MOST_RECORDS:
            batch += self._queue.pop(0)
        self._waiting = sum(map(len, self._queue))
        records = self._checked(batch)
        if records:
            await self.shard.take(records)
            self._channel.metrics.records.labels("scoring").inc(len(records))
            self.progress_s = monotonic_s()
            self._conflicts = 0

    def _checked(self, records: Sequence[Any]) -> Sequence[Any]:
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
            raise Refused(_OTHER.format(partition=self.shard.partition, offset=awaited))
        self._awaited = None
        return records[1:]

    async def _start_over(self, conflict: Conflict) -> None:
        """Read the shard again and go on from where it stands, if it is still ours."""
        self._conflicts += 1
        log.warning("%s; reading the shard again", conflict)
        if self._conflicts >= CONFLICTS:
            raise GivingUp(conflict) from conflict
        self._sweep = None
        position = await self.open(0, None)
        if self.shard.fresh and not self.shard.env.rebuild_when_lost:
            await asyncio.sleep(REBUILD_S)  # `leadglow rebuild` empties a shard before it marks it
            position = await self.open(0, None)
            if self.shard.fresh:
                raise Refused(LOST.format(partition=self.shard.partition))
        await self._reseek(position)
        self._queue.clear()  # whatever came before the seek was done
        self._waiting = 0

    # Time -----------------------------------------------------------------------------------------------------

    def _clock(self) -> int | None:
        """The shard's clock: the wall's when caught up, intake too; else the last record's; None far behind."""
        wall = min(now_ms() - GRACE_MS, self._channel.intake_clock())
        if now_ms() - wall > BEHIND_MS:
            return None
        caught_up = not self._queue and self.shard.position.checkpoint >= self._highwater
        if caught_up and not self.shard.env.sources_behind:
            return wall
        arrived = self.shard.position.arrived_ms
        return None if wall - arrived > BEHIND_MS else min(arrived, wall)

    async def _keep_time(self) -> None:
        clock = self._clock()
        if clock is not None:
            await self._tick(clock)
            if self.shard.scorer.rescoring:
                await self._rescore(clock)
        now_s = monotonic_s()
        if now_s - self._published_s >= (PUBLISH_S if clock is not None else PUBLISH_BEHIND_S):
            self._published_s = now_s
            await self._publish(clock or self.shard.position.arrived_ms)
        if now_s - self._tidied_s >= TIDY_S:
            self._tidied_s = now_s
            await self.shard.tidy()

    async def _tick(self, clock: int) -> None:
        due = self.shard.next_due
        if due > clock:
            return
        if not self.lag:
            self._channel.metrics.timer_lateness_seconds.observe(max(now_ms() - due, 0) / 1000)
        await self.shard.tick(clock)

    async def _rescore(self, clock: int) -> None:
        """Read some more leads by the new scorecards."""
        if self._sweep is None:
            self._sweep = self.shard.env.store.scan(self.shard.partition)
        lead_ids = []
        async for lead_id, _ in self._sweep:
            lead_ids.append(lead_id)
            if len(lead_ids) >= SWEEP:
                break
        if lead_ids:
            await self.shard.rescore(lead_ids, clock)
        else:
            self._sweep = None
            await self.shard.rescored()

    async def _publish(self, at_ms: int) -> None:
        """Send the scores that changed, in the background, one sending at a time."""
        if self._publishing is not None and not self._publishing.done():
            return
        shard = self.shard
        versions = {lead_id: at for lead_id, at in shard.dirty.items() if lead_id not in shard.clean}
        rows, lead_ids = [], list(versions)
        for first in range(0, len(lead_ids), SHOWN):
            changed = list(await shard.show(lead_ids[first : first + SHOWN]))
            for start in range(0, len(changed), ROWS):
                rows += score_rows(shard, changed[start : start + ROWS], at_ms)
                await asyncio.sleep(0)  # other lanes first: nobody waits for a score as for an alert
        if versions:
            self._publishing = asyncio.create_task(self._send_scores(rows, versions))

    async def _send_scores(self, rows: list[tuple[Any, ...]], versions: dict[str, int]) -> None:
        partition = self.shard.partition % self._channel.score_partitions
        if rows:
            await self._channel.producer.deliver_batches(self._channel.topics.lead_scores, {partition: rows})
        self._channel.metrics.scores.inc(len(rows))
        self.shard.published(versions)


LOST = (
    "Redis has no state for partition {partition}, but Kafka says that its events were scored: Redis was emptied or is "
    "another one. Point LEADGLOW_REDIS at the right one; or run `leadglow rebuild` to score everything that Kafka "
    "still has again"
)
_CUT = (
    "partition {partition} of the lead events ends at {end}, but its leads were scored up to {checkpoint}: the topic "
    "was recreated or cut. If that was meant, run `leadglow rebuild`; if not, point LEADGLOW_KAFKA at the right cluster"
)
_GONE = (
    "partition {partition} of the lead events begins at {first}, but its leads were scored up to {checkpoint}: what "
    "lies between was deleted before it was scored (retention, or another topic). To go on without it, run `leadglow "
    "rebuild`, which scores what Kafka still has; if it is the wrong topic, point LEADGLOW_KAFKA at the right cluster"
)
_OTHER = (
    "partition {partition} of the lead events has another record at {offset} than the one that was scored: the topic "
    "was recreated or cut. If that was meant, run `leadglow rebuild`; if not, point LEADGLOW_KAFKA at the right cluster"
)


class IntakeLane:
    """Carries what was fetched from the source topics over to ``lead-events``, in order."""

    def __init__(self, intake: Intake, channel: Channel) -> None:
        """``start`` begins."""
        self._intake = intake
        self._channel = channel
        self._queue: list[Mapping[TP, Sequence[Any]]] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._carrying_ms = 0
        self.positions: dict[TP, int] = {}
        """Source partition -> the offset before which everything was acknowledged on lead-events."""
        self.progress_s = monotonic_s()
        """When something was carried over last, or began to wait, on the monotonic clock."""

    def start(self) -> None:
        """Begin."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop at once: what was not acknowledged will be fetched again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def failure(self) -> BaseException | None:
        """What ended the lane, if something did."""
        task = self._task
        return task.exception() if task is not None and task.done() and not task.cancelled() else None

    @property
    def full(self) -> bool:
        """Whether the lane has enough to do."""
        return self._waiting >= MOST_RECORDS

    @property
    def idle(self) -> bool:
        """Whether everything fetched was carried over and acknowledged."""
        return self._idle.is_set()

    def clock(self) -> int:
        """Everything fetched from the sources that arrived before this instant was carried over."""
        return now_ms() if self._idle.is_set() else self._carrying_ms

    def offer(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        """Take what was fetched."""
        self._queue.append(fetched)
        self._waiting += sum(map(len, fetched.values()))
        if self.idle:
            self.progress_s = monotonic_s()
        self._idle.clear()
        self._wake.set()

    async def drain(self) -> None:
        """Drop what waits and finish what is on its way, before partitions are given up."""
        self._queue.clear()
        self._waiting = 0
        if self._task is not None and not self._task.done():
            await self._idle.wait()

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
                continue
            fetched: dict[TP, list[Any]] = {}
            for waiting in self._queue:
                for tp, records in waiting.items():
                    fetched.setdefault(tp, []).extend(records)
            self._queue.clear()
            self._waiting = 0
            self._carrying_ms = min(records[0].timestamp for records in fetched.values())
            await self._carry(fetched)

    async def _carry(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        places = {f"{tp.topic}:{tp.partition}": records for tp, records in fetched.items()}
        output = self._intake.adapt(places, now_ms())
        await asyncio.gather(
            self._channel.producer.deliver_batches(self._channel.topics.lead_events, output.rows),
            self._channel.producer.deliver(output.rejects),
        )
        for reason in output.reasons:
            self._channel.metrics.rejected.labels(reason).inc()
        self._channel.metrics.records.labels("intake").inc(sum(map(len, fetched.values())))
        for tp, records in fetched.items():
            self.positions[tp] = records[-1].offset + 1
        self.progress_s = monotonic_s()
