"""How long alerts take while three workers are restarted in turn, as Kubernetes does it.

``python -m tests.live.rolling_restart --rate 200`` starts Kafka, Redis and three workers. Each event is the first one
of its lead and causes an alert. With ``--order start`` each new worker is ready before an old one gets SIGTERM
(``maxSurge: 1, maxUnavailable: 0``); with ``--order stop`` the old one ends first, as in a StatefulSet.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import statistics
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.clock import now_ms
from tests.faults.rig import Rig, Worker, until
from tests.faults.workload import SOURCES
from tests.support.own_servers import own_servers
from tests.support.servers import Running
from tests.support.system import ASKED_CARD

WORKERS: Final = 3
SHARDS: Final = 12
STEADY_S: Final = 10.0
"""Time before and after the restarts."""
TICK_S: Final = 0.005


@dataclass
class Traffic:
    """The events that were sent, and the alerts that came."""

    rate: float
    sent: dict[str, int] = field(default_factory=dict)
    """Lead -> when its event was sent, in ms since the epoch."""
    received: dict[str, int] = field(default_factory=dict)
    """Lead -> when its first alert was read from handoff."""
    repeated: int = 0

    async def send(self, producer: AIOKafkaProducer, topic: str, partitions: int) -> None:
        """Send events until cancelled."""
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            for number in range(len(self.sent), int((loop.time() - begin_s) * self.rate)):
                lead, at_ms = f"lead-{number}", now_ms()
                event = {"type": "track", "event": "Asked", "messageId": f"m-{number}", "userId": lead}
                value = json.dumps(event).encode()
                await producer.send(topic, value, partition=number % partitions, timestamp_ms=at_ms)
                self.sent[lead] = at_ms

    async def receive(self, consumer: AIOKafkaConsumer) -> None:
        """Read alerts until cancelled."""
        async for record in consumer:
            lead = orjson.loads(record.value)["subject"]
            self.repeated += lead in self.received
            self.received.setdefault(lead, now_ms())

    def took_ms(self, begin_ms: int, end_ms: int) -> list[int]:
        """From event to handoff, of the events sent in this time, sorted."""
        return sorted(self.received[lead] - at for lead, at in self.sent.items() if begin_ms <= at < end_ms)


async def measure(kafka: Running, redis_url: str, folder: Path, rate: float, order: str) -> dict[str, Any]:
    """The figures of one restart of all workers."""
    rig = Rig(kafka, folder, f"roll{now_ms()}", SHARDS, redis_url)
    rig.scorecards.write_text(ASKED_CARD)
    await rig.open()
    try:
        workers = [rig.start_worker() for _ in range(WORKERS)]
        await sharing(rig, workers)
        async with flowing(rig, kafka, Traffic(rate)) as traffic:
            await until("the first alerts", lambda: _truth(len(traffic.received) > rate), rig.said)
            steady_ms = now_ms()
            await asyncio.sleep(STEADY_S)
            begin_ms = now_ms()
            for worker in workers:
                await replace(rig, worker, order)
            await sharing(rig, rig.workers[WORKERS:])
            end_ms = now_ms()
            await asyncio.sleep(STEADY_S)
        return {
            "seconds of the restarts": (end_ms - begin_ms) / 1000,
            "without restarts": traffic.took_ms(steady_ms, begin_ms),
            "during the restarts": traffic.took_ms(begin_ms, end_ms),
            "repeated alerts": traffic.repeated,
        }
    finally:
        await rig.close()


async def replace(rig: Rig, old: Worker, order: str) -> None:
    """Replace a worker by a new one, and return when that is ready."""
    if order == "stop":
        await stop(old)
    new = rig.start_worker()
    await until("a new worker", lambda: new.ready(), rig.said)  # noqa: PLW0108 - ready() may be None
    if order == "start":
        await stop(old)


async def stop(worker: Worker) -> None:
    """End a worker as Kubernetes does."""
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0, worker.log


async def sharing(rig: Rig, workers: list[Worker]) -> None:
    """Return when these workers own all shards."""

    async def shared() -> bool:
        shards = [await worker.metric("leadglow_shards") for worker in workers]
        return min(shards) > 0 and sum(shards) == rig.partitions

    await until(f"{len(workers)} workers that share", shared, rig.said)


@asynccontextmanager
async def flowing(rig: Rig, kafka: Running, traffic: Traffic) -> Any:
    """Send and receive; at the end of the block wait for the last alerts."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.address, acks="all", linger_ms=2)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.address, fetch_max_wait_ms=20)
    await producer.start()
    await consumer.start()
    consumer.assign([TopicPartition(rig.topic("handoff"), p) for p in range(rig.partitions)])
    topic, partitions = SOURCES[0]
    receiving = asyncio.create_task(traffic.receive(consumer))
    sending = asyncio.create_task(traffic.send(producer, rig.topic(topic), partitions))
    try:
        yield traffic
        sending.cancel()
        await producer.flush()
        await until("all alerts", lambda: _truth(len(traffic.received) == len(traffic.sent)), rig.said)
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)
        await producer.stop()
        await consumer.stop()


async def _truth(value: bool) -> bool:
    return value


def rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The figures with their names."""
    for name, value in found.items():
        if not isinstance(value, list):
            yield name, f"{value:,}"
            continue
        cuts = statistics.quantiles(value, n=1000)
        yield f"{name}: events", f"{len(value):,}"
        yield f"{name}: p50, p99, p99.9, longest", f"{cuts[499]:.0f}, {cuts[989]:.0f}, {cuts[998]:.0f}, {value[-1]} ms"


def main() -> None:
    """Run it on servers of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.rolling_restart", description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="events a second")
    parser.add_argument("--order", choices=("start", "stop"), default="start")
    options = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    load = os.getloadavg()[0]
    with own_servers("leadglow-rolling-") as (kafka, redis, folder):
        found = asyncio.run(measure(kafka, redis.address, folder, options.rate, options.order))
    for name, value in [*rows(found), ("load before and after", f"{load:.1f}, {os.getloadavg()[0]:.1f}")]:
        print(f"{name:50}  {value}")


if __name__ == "__main__":
    main()
