"""Reads the alerts of one route from Kafka, and commits what is finished.

Each route is a consumer group, so a destination that fails stops no other route. A commit holds the first unfinished
offset and, in its metadata, which later ones are finished.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from app.notify.alerts import Alert, read_alert
from app.notify.dead_letters import dead_letter, header
from app.notify.dispatcher import Dispatcher
from app.notify.kinds.hubspot import HubSpot
from app.notify.kinds.salesforce import Salesforce
from app.notify.limits import Counts
from app.notify.progress import Progress
from app.notify.routes import Route
from app.notify.waiting import Entry
from streams.clock import now_ms
from streams.transport.stopping import stop_consumer

log = logging.getLogger(__name__)
READ_MS: Final = 200
MAX_RECORDS: Final = 200
COMMIT_S: Final = 0.5
AGAIN_S: Final = 1.0
END_S: Final = 60.0
"""How long a route may take to end: longer than its deliveries in flight, each with a log-in and a dead letter."""
RECENT_IDS: Final = 10_000
"""The number of alerts that are remembered: a worker that was killed may write an alert twice."""
Committed = Callable[[str], Awaitable[dict[TopicPartition, OffsetAndMetadata]]]
"""Reads the commits of a group."""


@dataclass(slots=True)
class Source:
    """Where a route reads from."""

    consumer: AIOKafkaConsumer
    topic: str
    group: str
    read_committed: Committed
    dead_letters_of: str = ""
    """Read only dead letters of this route; empty for the topic of the alerts."""
    from_begin: bool = False
    """Whether a group without any commit begins with the first record instead of now."""


@dataclass(slots=True)
class RouteRunner(ConsumerRebalanceListener):  # type: ignore[misc]
    """One route at work."""

    source: Source
    dispatcher: Dispatcher
    ready: bool = False
    ended: bool = False
    _progress: dict[TopicPartition, Progress] = field(default_factory=dict)
    _committed: dict[TopicPartition, tuple[int, str]] = field(default_factory=dict)
    _recent: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Id of an alert -> partition and offset of its first record."""
    _counts: Counts | None = None
    _ends: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def route(self) -> Route:
        """The route."""
        return self.dispatcher.route

    async def run(self) -> None:
        """Read, send and commit until cancelled."""
        if self.route.limit is not None:
            self._counts = Counts(self.route.limit)
        self.source.consumer.subscribe([self.source.topic], listener=self)
        await self._connect()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.dispatcher.run())
                group.create_task(self._commit_often())
                group.create_task(self._read())
        finally:
            await self._stop()

    async def _connect(self) -> None:
        while True:
            try:
                await self.source.consumer.start()
                return
            except KafkaError as error:
                log.warning("route %s: Kafka cannot be reached (%r)", self.route.name, error)
                await asyncio.sleep(AGAIN_S)

    async def _stop(self) -> None:
        """Wait for what is in flight, commit and leave the group."""
        self.ready, self.ended = False, True
        try:
            with suppress(KafkaError, TimeoutError):
                await self.dispatcher.hold()
                await self.commit()
        finally:
            with suppress(KafkaError, TimeoutError):
                await stop_consumer(self.source.consumer)

    # Partitions ----------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """1. Finish what is in flight. 2. Commit. 3. Forget the rest."""
        self.ready = False
        await self.dispatcher.hold()
        await self._try_to_commit()
        self.dispatcher.waiting.drop({id(self._progress[p]) for p in revoked if p in self._progress})
        for place in revoked:
            self._progress.pop(place, None)
            self._committed.pop(place, None)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Go on where the commits are; a new route begins now, and commits that at once."""
        await self._again(lambda: self._take_over(assigned))
        self.ready = True
        self.dispatcher.resume()

    async def _take_over(self, assigned: Collection[TopicPartition]) -> None:
        consumer = self.source.consumer
        commits = await self.source.read_committed(self.source.group)
        commits = {place: commit for place, commit in commits.items() if commit.offset >= 0}
        firsts, ends = await consumer.beginning_offsets(list(assigned)), await consumer.end_offsets(list(assigned))
        self._ends = ends
        new = not commits and not self.source.from_begin
        for place in assigned:
            begin = ends[place] if new else firsts[place]
            commit = commits.get(place, OffsetAndMetadata(begin, ""))
            if commit.offset < firsts[place]:  # Kafka has removed what was unfinished
                commit = OffsetAndMetadata(firsts[place], "")
            self._progress[place] = Progress(commit.offset, commit.metadata)
            consumer.seek(place, max(await self._first_to_count(place, commit.offset), firsts[place]))
        await self.commit()

    async def _first_to_count(self, place: TopicPartition, offset: int) -> int:
        """Where the period of the limit begins: alerts since then are counted, but not sent again."""
        if self.route.limit is None:
            return offset
        begin_ms = int(self.route.limit.begin_ms(now_ms()))
        found = (await self.source.consumer.offsets_for_times({place: begin_ms}))[place]
        return offset if found is None else min(offset, found.offset)

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                return
            except (KafkaError, TimeoutError) as error:
                log.warning("route %s: Kafka does not answer (%r)", self.route.name, error)
                await asyncio.sleep(AGAIN_S)

    # Reading -------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            self._hold_back()
            try:
                found = await self.source.consumer.getmany(timeout_ms=READ_MS, max_records=MAX_RECORDS)
            except KafkaError as error:
                log.warning("route %s: reading failed (%r)", self.route.name, error)
                await asyncio.sleep(AGAIN_S)
                continue
            for place, records in found.items():
                if place in self._progress:
                    await self._take(self._progress[place], records)
            if found:
                self.dispatcher.wake.set()

    def _hold_back(self) -> None:
        """Pause while enough is in memory, or while too much is finished after something unfinished."""
        waiting = self.dispatcher.waiting
        metrics, name = self.dispatcher.metrics, self.route.name
        metrics.waiting.labels(name).set(waiting.count)
        metrics.waiting_bytes.labels(name).set(waiting.bytes)
        consumer = self.source.consumer
        stopped = {place for place, progress in self._progress.items() if waiting.full or progress.full}
        assigned = consumer.assignment()
        paused = consumer.paused()
        if pause := (stopped & assigned) - paused:
            consumer.pause(*pause)
        if resume := (paused - stopped) & assigned:
            consumer.resume(*resume)

    async def _take(self, progress: Progress, records: Iterable[Any]) -> None:
        for record in records:
            unfinished = progress.note_read(record.offset)
            wanted = self.source.dead_letters_of
            if wanted and header(record.headers, "route") != wanted:
                progress.finish(record.offset)
            elif unfinished:
                await self._take_one(progress, record)
            elif self._counts is not None and (alert := read_alert(record.value)) and self.route.filter.matches(alert):
                self._counts.note(alert.owner.casefold(), record.timestamp)

    async def _take_one(self, progress: Progress, record: Any) -> None:
        alert = read_alert(record.value)
        if alert is None:
            await self._bury_unreadable(record)
            progress.finish(record.offset)
        elif self._is_repeated(alert.alert_id, record) or not self._is_wanted(alert):
            progress.finish(record.offset)
        else:
            entry = Entry(alert, progress, record.offset, record.timestamp, due_ms=0.0)
            self._plan(entry)
            self.dispatcher.waiting.add(entry)

    async def _bury_unreadable(self, record: Any) -> None:
        letter = dead_letter(
            self.dispatcher.topic,
            self.route.name,
            (record.key or b"", record.value or b""),
            ("it is not an alert", 0),
            now_ms(),
        )
        await self.dispatcher.bury([letter])

    def _is_repeated(self, alert_id: str, record: Any) -> bool:
        """Whether another record has the same alert; the same record may be read again after a rebalance."""
        if self.source.dead_letters_of:
            return False
        place = record.partition, record.offset
        first = self._recent.setdefault(alert_id, place)
        if len(self._recent) > RECENT_IDS:
            del self._recent[next(iter(self._recent))]
        return first != place

    def _is_wanted(self, alert: Alert) -> bool:
        if alert.is_about_account and isinstance(self.dispatcher.target.destination.kind, HubSpot | Salesforce):
            return False  # they take contacts
        return bool(self.source.dead_letters_of) or self.route.filter.matches(alert)

    def _plan(self, entry: Entry) -> None:
        """Decide when an alert is due, and with which others."""
        if self.source.dead_letters_of:
            return
        owner = entry.alert.owner.casefold()
        if self.route.digest is not None:
            entry.group = f"digest {owner}" if self._by_owner() else "digest"
            entry.due_ms = self.route.digest.next_ms(entry.timestamp_ms)
        elif self._counts is not None:
            held_ms = self._counts.held_until_ms(owner, entry.timestamp_ms)
            if held_ms is not None:
                entry.group, entry.due_ms = f"limit {owner}", held_ms

    def _by_owner(self) -> bool:
        return bool(getattr(self.dispatcher.target.destination.kind, "to_owner", False))

    # Commits -------------------------------------------------------------------------------------------------

    async def _commit_often(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            if self.ready:
                await self._try_to_commit()

    async def _try_to_commit(self) -> None:
        try:
            await self.commit()
        except (KafkaError, TimeoutError) as error:
            self.dispatcher.metrics.commit_errors.labels(self.route.name).inc()
            log.warning("route %s: the commit failed (%r)", self.route.name, error)

    async def commit(self) -> None:
        """Commit what is finished, if anything is new."""
        states = {place: (p.next, p.metadata()) for place, p in self._progress.items()}
        changed = {place: state for place, state in states.items() if self._committed.get(place) != state}
        if changed:
            await self.source.consumer.commit({place: OffsetAndMetadata(*state) for place, state in changed.items()})
            self._committed |= changed

    def caught_up(self) -> bool:
        """Whether everything is finished that was there when the partitions were assigned."""
        return self.ready and all(
            self._progress[place].next >= end for place, end in self._ends.items() if place in self._progress
        )
