"""Sends events at a rate, some of which make a lead hot, and notes when each of these is sent and when it is seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.benchmarks.rig import now_ms
from tests.benchmarks.workload import PARTITIONS, Event, Loader, demo_request, events

HOT_PER_S = 50
"""So many of the events make a fresh lead hot."""
TICK_S = 0.01
PATIENCE_S = 120


@asynccontextmanager
async def listening(kafka: str, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer at the end of every partition of a topic."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        await consumer.seek_to_end()
        yield consumer


class TimedLoader(Loader):
    """Notes when events that are asked for are sent and acknowledged, and where they are."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        super().__init__(producer, topic)
        self.sent_s: dict[str, float] = {}
        self.acknowledged_s: dict[str, float] = {}
        self.places: dict[str, tuple[int, int]] = {}
        """Partition and offset of each."""
        self._timed: dict[int, list[tuple[str, int]]] = {}
        """Timed events of the open batches, with their numbers in the batch."""

    async def add_timed(self, event: Event) -> None:
        """Add an event whose times are noted under its key."""
        await self.add(event)
        partition = self._partition_of(event.key)
        self._timed.setdefault(partition, []).append((event.key, self._open[partition].record_count() - 1))

    async def _send(self, partition: int) -> None:
        batch, timed = self._open.pop(partition, None), self._timed.pop(partition, [])
        if batch is not None:
            self.sent_s |= dict.fromkeys((key for key, _ in timed), time.perf_counter())
            sent = await self._producer.send_batch(batch, self._topic, partition=partition)
            if timed:
                sent.add_done_callback(partial(self._acknowledge, timed))

    def _acknowledge(self, timed: list[tuple[str, int]], sent: asyncio.Future) -> None:  # type: ignore[type-arg]
        at_s, metadata = time.perf_counter(), sent.result()
        for key, number in timed:
            self.acknowledged_s[key] = at_s
            self.places[key] = metadata.partition, metadata.offset + number


@dataclass
class Stopwatch:
    """Times from sent to seen, by lead."""

    loader: TimedLoader
    seen_s: dict[str, float] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def drive(self, rate: int, seconds: float, prefix: str) -> float:
        """Send events at a rate, each when it falls due; returns the rate that was reached."""
        start_ms, start_s, count = now_ms(), time.perf_counter(), int(rate * seconds)
        for n, event in enumerate(events(count, start_ms + int(seconds * 1000), int(seconds * 1000), seed=start_ms)):
            while event.at_ms > now_ms():
                await self.loader.flush()
                await asyncio.sleep(TICK_S)
            await self.loader.add(event)
            if n % (rate // HOT_PER_S) == 0:
                await self.loader.add_timed(demo_request(f"{prefix}-{n}", event.at_ms))
        await self.loader.flush()
        return count / (time.perf_counter() - start_s)

    async def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Note the first sight of every key, until cancelled."""
        while True:
            batches = await consumer.getmany(timeout_ms=1000)
            at_s = time.perf_counter()
            for records in batches.values():
                for record in records:
                    self.seen_s.setdefault(record.key.decode(), at_s)
            self._news.set()

    async def wait_seen(self, prefix: str) -> list[str]:
        """The leads with this prefix, once all of them have been seen."""
        sent = [lead for lead in self.loader.sent_s if lead.startswith(f"{prefix}-")]
        async with asyncio.timeout(PATIENCE_S):
            while not all(lead in self.seen_s and lead in self.loader.places for lead in sent):
                self._news.clear()
                await self._news.wait()
        return sent

    def latencies_ms(self, leads: list[str]) -> list[float]:
        """Milliseconds from sent to seen."""
        return [(self.seen_s[lead] - self.loader.sent_s[lead]) * 1000 for lead in leads]


@asynccontextmanager
async def started(kafka: str, source: str, out: str) -> AsyncIterator[Stopwatch]:
    """A stopwatch that sends to ``source`` and watches ``out``; the same topic twice measures Kafka alone."""
    async with listening(kafka, out) as consumer, AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        stopwatch = Stopwatch(TimedLoader(producer, source))
        watching = asyncio.create_task(stopwatch.watch(consumer))
        try:
            yield stopwatch
        finally:
            watching.cancel()


async def find(kafka: str, topic: str, leads: set[str]) -> dict[str, tuple[int, int]]:
    """Partition and offset of the first record of each lead."""
    found: dict[str, tuple[int, int]] = {}
    async with listening(kafka, topic) as consumer:
        await consumer.seek_to_beginning()
        async with asyncio.timeout(PATIENCE_S):
            while len(found) < len(leads):
                for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
                    for record in records:
                        if (lead := record.key.decode()) in leads:
                            found.setdefault(lead, (tp.partition, record.offset))
    return found
