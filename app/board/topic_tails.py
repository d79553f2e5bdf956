"""Tails of the topics that the engine writes: the only module of the board that talks to Kafka."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from app.board.alerts import Alerts, about_whom
from app.board.broadcast import AlertSent, Broadcast, LeadChanged
from app.board.channels import Handovers
from app.board.flow import RateMeter, Rejects
from app.board.metrics import Metrics
from app.board.topic_gauges import TopicGauges
from app.board.version_alerts import VersionAlerts
from app.freshness import Offsets, PlaceName, Source
from app.group_members import Admin, WorkerCount
from app.group_offsets import read_group_offsets
from streams.clock import monotonic_s, now_ms
from streams.transport.stopping import stop_consumer
from streams.transport.topics import Topics

Consumer: TypeAlias = AIOKafkaConsumer
log = logging.getLogger(__name__)
RETRY_S: Final = 2.0
POLL_S: Final = 2.0
STALE_OFFSETS_S: Final = 10.0
"""After so long without offsets from Kafka, rates are shown as 0."""
COMMIT_S: Final = 4.0
"""Workers commit every three seconds, so lags are measured against ends that are older than this."""
POLL_MS: Final = 200
ARRIVALS_S: Final = 3.0
MAX_RECORDS_BACK: Final = {"handoff": 100_000, "rejected": 200, "lead_scores": 0}
"""Records from before the start that are read, by topic."""


class TopicTails:
    """Follows the topics, and keeps the latest alerts, handovers and rejects."""

    def __init__(
        self,
        consumer: Callable[[Sequence[str], str | None], Consumer],
        topics: Topics,
        group: str,
        metrics: Metrics,
        admin: Callable[[], Admin] | None = None,
        undelivered: str = "",
    ) -> None:
        """``consumer`` makes a consumer of topics, with or without a group; ``group`` is that of the workers.

        ``admin`` makes a client that counts the workers; ``undelivered`` is the topic of the notifier's dead letters.
        """
        self.broadcast = Broadcast()
        self.on_change: Callable[[str], None] = lambda lead_id: None
        """Called with each lead whose published score or stage changed, or that was merged or erased."""
        self.alerts = Alerts()
        self.handovers = Handovers()
        self.version_alerts = VersionAlerts()
        self.rejects = Rejects()
        self.alerted_s: deque[float] = deque(maxlen=100_000)
        """When alerts that arrived since the start were read."""
        self.sources: dict[str, dict[str, Any]] = {}
        """Topic -> its lag and rate."""
        self.offsets: Offsets | None = None
        """What Kafka said last about the topics that workers read."""
        self.workers = WorkerCount(admin, group, topics.lead_events)
        self._ended: deque[tuple[float, int, Mapping[Any, int]]] = deque()
        """(time, ms since the epoch, end offset of each partition), oldest first."""
        self.offsets_read_s = monotonic_s()
        """When end offsets were last read."""
        self.events = RateMeter()
        """Measures lead-events."""
        self.caught_up = False
        """Whether all records from before the start were read."""
        self._consumer = consumer
        self._topics = topics
        self._metrics = metrics
        self._rates: dict[str, RateMeter] = {}
        self._gauges = TopicGauges(topics, undelivered, metrics)
        self._next: dict[TopicPartition, int] = {}
        """Next offsets, to continue after a lost connection."""

    async def follow_topics(self) -> None:
        """Follow the topics for ever; reconnects to Kafka."""
        warned = False
        while True:
            back = {getattr(self._topics, name): most for name, most in MAX_RECORDS_BACK.items()}
            consumer = self._consumer(tuple(back), None)
            try:
                await consumer.start()
                await self._seek_start(consumer, back)
                warned = False
                self._metrics.following.set(1)
                await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                if not warned:
                    log.warning("Kafka cannot be reached (%r); trying again until it can.", error)
                warned = True
            finally:
                self._metrics.following.set(0)
                await stop_consumer(consumer)
            await asyncio.sleep(RETRY_S)

    async def _seek_start(self, consumer: Consumer, back: Mapping[str, int]) -> None:
        """Seek to the next offsets, or back by the number of records wanted of each topic."""
        places = list(consumer.assignment())
        firsts, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        self._old = {place: ends[place] for place in places if back[place.topic]}
        starts = {place: max(firsts[place], ends[place] - back[place.topic]) for place in places}
        for place, start in starts.items():
            consumer.seek(place, max(self._next.get(place, start), firsts[place]))
        if not self._next:
            alerts = [start for place, start in starts.items() if place.topic == self._topics.handoff]
            self.version_alerts.began_ms = now_ms()
            self.version_alerts.reads_all = bool(alerts) and not any(alerts)

    async def _follow(self, consumer: Consumer) -> None:
        while True:
            for place, records in (await consumer.getmany(timeout_ms=POLL_MS, max_records=2000)).items():
                self.take_records(place.topic, records)
                self._next[place] = records[-1].offset + 1
                self._metrics.records.labels(place.topic).inc(len(records))
            if not self.caught_up:
                await self._check_caught_up(consumer)

    async def _check_caught_up(self, consumer: Consumer) -> None:
        self.caught_up = all([await consumer.position(place) >= end for place, end in self._old.items()])

    def take_records(self, topic: str, records: Sequence[Any]) -> None:
        """Process records of one topic."""
        if topic == self._topics.lead_scores:
            for record in records:
                self._take_score(record)
        elif topic == self._topics.handoff:
            for record in records:
                self._take_alert(record)
        else:
            for record in records:
                self.rejects.add_record(record.timestamp, dict(record.headers), len(record.value or b""))

    def _take_alert(self, record: Any) -> None:
        alert = self.alerts.add_record(record.value)
        if alert is None:
            return
        if "account" not in alert:
            self.handovers.add_alert(alert)
            self.version_alerts.add_alert(alert)
        if self.caught_up:
            self.alerted_s.append(monotonic_s())
            self.broadcast.publish(AlertSent(about_whom(alert), alert))

    def _take_score(self, record: Any) -> None:
        lead_id = (record.key or b"").decode("utf-8", "replace")
        try:
            row = orjson.loads(record.value) if record.value else {}
            change = LeadChanged(row.get("lead_id", lead_id), row.get("scorecard"))
        except (ValueError, AttributeError):
            return
        self.on_change(change.lead_id)
        self.broadcast.publish(change)

    # How far the workers are ------------------------------------------------------------------------------------

    async def watch_offsets(self) -> None:
        """Read end offsets and the workers' offsets regularly, for ever."""
        topics = (*self._topics.sources, self._topics.lead_events, self._topics.rejected)
        while True:
            member = self._consumer((), self.workers.group)  # does not join the group, but can read its offsets
            consumer = None
            try:
                await member.start()
                dead_letters = {self._gauges.undelivered} & await member.topics()  # there may be no notifier
                consumer = self._consumer((*topics, *dead_letters), None)
                await consumer.start()
                consumer.pause(*consumer.assignment())  # nothing is fetched
                self._gauges.forget()
                while True:
                    await self._read_offsets(consumer, member)
                    await asyncio.sleep(POLL_S)
            except (KafkaError, OSError, TimeoutError) as error:
                log.debug("end offsets cannot be read: %r", error)  # `follow_topics` logs a warning
            finally:
                if consumer is not None:
                    await stop_consumer(consumer)
                await member.stop()
            await asyncio.sleep(RETRY_S)

    @property
    def ends(self) -> Mapping[int, int]:
        """Partition of lead-events -> its end offset."""
        return {} if self.offsets is None else self.offsets.ends

    @property
    def has_stale_offsets(self) -> bool:
        """Whether end offsets have not been read for a while."""
        return monotonic_s() - self.offsets_read_s > STALE_OFFSETS_S

    async def read_arrivals(self, wanted: Mapping[PlaceName, int]) -> dict[PlaceName, int]:
        """The arrivals of the first records from these offsets on, within a bounded time; none without an answer."""
        places = {TopicPartition(topic or self._topics.lead_events, p): (topic, p) for topic, p in wanted}
        consumer, found = self._consumer((), None), dict[PlaceName, int]()
        try:
            async with asyncio.timeout(ARRIVALS_S):
                await consumer.start()
                consumer.assign(list(places))
                for place, name in places.items():
                    consumer.seek(place, wanted[name])
                while len(found) < len(places):
                    for place, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                        found.setdefault(places[place], records[0].timestamp)
                        consumer.pause(place)
        except (KafkaError, OSError, TimeoutError) as error:
            log.debug("waiting events cannot be read: %r", error)
        finally:
            await stop_consumer(consumer)
        return found

    async def _read_offsets(self, consumer: Consumer, member: Consumer) -> None:
        found = await read_group_offsets(consumer, member, self._topics.sources)
        ends, firsts = found.of_topic(self._topics.lead_events)
        self.offsets_read_s = monotonic_s()
        self._ended.append((self.offsets_read_s, found.read_ms, found.ends))
        while len(self._ended) > 1 and self._ended[1][0] <= self.offsets_read_s - COMMIT_S:
            self._ended.popleft()
        _, ended_ms, earlier = self._ended[0]
        self.events.add_sample(monotonic_s(), sum(ends.values()))
        sources = [
            Source(place.topic, place.partition, earlier.get(place, 0), at, ended_ms)
            for place, at in found.done.items()
        ]
        self._measure_sources(sources, found.ends)
        self.offsets = Offsets(ends, sources, found.read_ms, firsts)
        await self._gauges.update(consumer, found.firsts, found.ends, found.read_ms)

    def _measure_sources(self, sources: Sequence[Source], ends: Mapping[Any, int]) -> None:
        """Measure the lag and rate of each source topic."""
        for topic in self._topics.sources:
            lag = sum(max(each.end - each.done, 0) for each in sources if each.topic == topic)
            rate = self._rates.setdefault(topic, RateMeter())
            rate.add_sample(monotonic_s(), sum(end for place, end in ends.items() if place.topic == topic))
            self.sources[topic] = {"topic": topic, "lag": lag, "per_s": rate.per_s}
