"""From producing to receiving: raw Kafka, raw Kafka under load, and event to handoff under the same load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.benchmarks import leadglow
from tests.benchmarks.measure import Figures, percentile
from tests.benchmarks.rig import Rig, now_ms
from tests.benchmarks.workload import PARTITIONS, Loader, create_topics, demo_request, events

ROUND_TRIPS = 2000
EVENTS_PER_S = 5000
HOT_EVERY = 100
"""One fresh lead that becomes hot per so many events of the background: 50 a second."""
TICK_S = 0.01
WARM_UP_S = 3
PATIENCE_S = 60


@asynccontextmanager
async def listening(kafka: str, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer at the end of every partition of a topic."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        await consumer.seek_to_end()
        yield consumer


class Stopwatch:
    """Sends hot leads and records when the alert of each arrives."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._loader = Loader(producer, topic)
        self._sent_s: dict[bytes, float] = {}
        self._seen_s: dict[bytes, float] = {}
        self._news = asyncio.Event()

    async def drive(self, seconds: float, prefix: str) -> None:
        """Send the background and the hot leads, each when it falls due, for so long."""
        start_ms, span_ms = now_ms(), int(seconds * 1000)
        hot: list[bytes] = []
        background = events(int(EVENTS_PER_S * seconds), start_ms + span_ms, span_ms, seed=start_ms)
        for n, event in enumerate(background):
            while event.at_ms > now_ms():
                await self._flush(hot)
                await asyncio.sleep(TICK_S)
            await self._loader.add(event)
            if n % HOT_EVERY == 0:
                hot.append(f"{prefix}-{n}".encode())
                await self._loader.add(demo_request(f"{prefix}-{n}", event.at_ms))
        await self._flush(hot)

    async def _flush(self, hot: list[bytes]) -> None:
        self._sent_s |= dict.fromkeys(hot, time.perf_counter())
        hot.clear()
        await self._loader.flush()

    async def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Note the first sight of every key, until cancelled."""
        while True:
            batches = await consumer.getmany(timeout_ms=1000)
            at_s = time.perf_counter()
            for records in batches.values():
                for record in records:
                    self._seen_s.setdefault(record.key, at_s)
            self._news.set()

    async def latencies_ms(self, prefix: str) -> list[float]:
        """Milliseconds from sent to seen of every hot lead with this prefix, once all have been seen."""
        sent = {key: at_s for key, at_s in self._sent_s.items() if key.startswith(prefix.encode())}
        async with asyncio.timeout(PATIENCE_S):
            while not sent.keys() <= self._seen_s.keys():
                self._news.clear()
                await self._news.wait()
        return [(self._seen_s[key] - at_s) * 1000 for key, at_s in sent.items()]


async def alone(rig: Rig) -> list[float]:
    """Round trips of one record at a time through an idle topic."""
    topic, trips_ms = rig.name("round-trip"), []
    await create_topics(rig.kafka.address, topic)
    async with (
        listening(rig.kafka.address, topic) as consumer,
        AIOKafkaProducer(bootstrap_servers=rig.kafka.address) as producer,
    ):
        for n in range(ROUND_TRIPS + 100):  # the first hundred warm up
            event = demo_request(f"r-{n}", now_ms())
            sent_s = time.perf_counter()
            acknowledged = await producer.send(topic, event.value, key=event.key.encode(), timestamp_ms=event.at_ms)
            await consumer.getone()
            trips_ms.append((time.perf_counter() - sent_s) * 1000)
            await acknowledged
    return trips_ms[100:]


async def under_load(rig: Rig, source: str, out: str, seconds: float) -> list[float]:
    """From ``source`` to ``out`` at the stated rate; the same topic twice measures Kafka alone."""
    async with (
        listening(rig.kafka.address, out) as consumer,
        AIOKafkaProducer(bootstrap_servers=rig.kafka.address) as producer,
    ):
        stopwatch = Stopwatch(producer, source)
        watching = asyncio.create_task(stopwatch.watch(consumer))
        try:
            await stopwatch.drive(WARM_UP_S, "warm")
            await stopwatch.latencies_ms("warm")  # the worker has joined and caught up
            await stopwatch.drive(seconds, "hot")
            return await stopwatch.latencies_ms("hot")
        finally:
            watching.cancel()


async def raw(rig: Rig, seconds: float) -> Figures:
    """Kafka without Leadglow: one record at a time, and under the load."""
    topic = rig.name("raw")
    await create_topics(rig.kafka.address, topic)
    return summary("raw", await alone(rig)) | summary("raw_loaded", await under_load(rig, topic, topic, seconds))


async def handoff(rig: Rig, seconds: float) -> Figures:
    """From an event on a source topic to its alert on handoff, through a worker."""
    names = leadglow.topics(rig, "latency")
    await leadglow.prepare(rig, names)
    await rig.empty_redis()
    async with leadglow.working(rig, "latency", names):
        return summary("handoff", await under_load(rig, names["sources"], names["handoff"], seconds))


def summary(name: str, values: Sequence[float]) -> Figures:
    """Median and 99th percentile under the name."""
    return {f"{name}_p50": percentile(values, 0.5), f"{name}_p99": percentile(values, 0.99)}
