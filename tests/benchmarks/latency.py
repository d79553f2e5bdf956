"""From sending to receiving: Kafka alone, Kafka under load, and event to handoff under the same load, by stage."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.store.redis import RedisStore
from tests.benchmarks import board, leadglow, stages, stopwatch
from tests.benchmarks.measure import Figures, percentile
from tests.benchmarks.reading import Client
from tests.benchmarks.rig import Rig, now_ms
from tests.benchmarks.workload import PARTITIONS, create_topics, demo_request, preload

ROUND_TRIPS = 2000
RATES = (500, 5_000, 20_000)
"""Events per second."""
WARM_UP_S = 3
STORED = 50_000
"""Events of the month before, so that leads are stored and some of them fall due."""
READ_EVERY_S = 0.1
"""How often the ranking of the board is read meanwhile."""


async def measured(rig: Rig, seconds: float) -> dict[str, Any]:
    """Everything: each figure in ms but the rates that were reached."""
    topic = rig.name("raw")
    await create_topics(rig.kafka.address, topic)
    figures: dict[str, Any] = summary("raw", await alone(rig))
    async with stopwatch.started(rig.kafka.address, topic, topic) as watch:
        await watch.drive(RATES[0], 1, "warm")
        for rate in RATES:
            await watch.drive(rate, seconds, f"raw{rate}")
            figures |= summary(f"raw_loaded_{rate}", watch.latencies_ms(await watch.wait_seen(f"raw{rate}")))
    figures |= await handoff(rig, seconds)
    for rate in RATES:
        above = figures[f"handoff_{rate}_p99"] - figures[f"raw_loaded_{rate}_p99"]
        figures[f"handoff_{rate}_p99_above_raw_loaded"] = round(above, 2)
    return figures


async def alone(rig: Rig) -> list[float]:
    """Round trips of one record at a time through an idle topic."""
    topic, trips_ms = rig.name("round-trip"), []
    await create_topics(rig.kafka.address, topic)
    async with (
        stopwatch.listening(rig.kafka.address, topic) as consumer,
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


async def handoff(rig: Rig, seconds: float) -> dict[str, Any]:
    """From an event on a source topic to its alert on handoff, through a worker, while a board is read."""
    names = leadglow.topics(rig, "latency")
    await preload(rig.kafka.address, names["sources"], STORED, now_ms())
    await leadglow.prepare(rig, names, names["sources"])
    await rig.empty_redis()
    file = rig.folder / "latency-notes.json"
    figures: dict[str, Any] = {}
    spans: dict[int, tuple[float, float]] = {}
    leads: dict[int, list[str]] = {}
    traced = ("tests.benchmarks.traced", str(file))
    async with (
        stopwatch.started(rig.kafka.address, names["sources"], names["handoff"]) as watch,
        leadglow.working(rig, "latency", names, command=traced) as worker,
        _read_board(rig, names),
    ):
        await _wait_stored(rig, worker)
        await watch.drive(RATES[0], WARM_UP_S, "warm")
        for rate in RATES:
            start_s = time.perf_counter()
            reached = await watch.drive(rate, seconds, f"hot{rate}")
            leads[rate] = await watch.wait_seen(f"hot{rate}")
            spans[rate] = start_s, max(watch.seen_s[lead] for lead in leads[rate])
            figures |= summary(f"handoff_{rate}", watch.latencies_ms(leads[rate]))
            figures[f"sent_{rate}_per_second"] = round(reached)
            figures[f"handled_{rate}_per_second"] = round(rate * seconds / (spans[rate][1] - start_s))
    notes = stages.Notes(json.loads(file.read_text()))
    found = await stopwatch.find(
        rig.kafka.address, names["lead_events"], {lead for each in leads.values() for lead in each}
    )
    for name in ("timed_leads", "published_leads"):
        figures |= {f"{name}_{rate}": notes.count(name, *spans[rate]) for rate in RATES}
    return figures | {"stages": {rate: _stages(watch, leads[rate], notes, found) for rate in RATES}}


def _stages(
    watch: stopwatch.Stopwatch, leads: Sequence[str], notes: stages.Notes, found: dict[str, tuple[int, int]]
) -> dict[str, list[float]]:
    loader = watch.loader
    trips = [
        stages.Trip(
            lead,
            loader.sent_s[lead],
            loader.acknowledged_s[lead],
            watch.seen_s[lead],
            loader.places[lead],
            found[lead],
        )
        for lead in leads
    ]
    return stages.summary(stages.spent_ms(notes, trips))


async def _wait_stored(rig: Rig, worker: leadglow.Worker) -> None:
    """Wait until the events of the month before are scored."""
    store = RedisStore(rig.redis.address, rig.name("latency"), partitions=PARTITIONS)
    await leadglow.scored(worker, store, STORED)
    await store.close()


@asynccontextmanager
async def _read_board(rig: Rig, names: dict[str, str]) -> AsyncIterator[None]:
    """A board whose ranking is read regularly."""
    async with board.running(rig, names, rig.redis.address, "latency") as watched:
        reading = asyncio.create_task(_read(Client(watched.url)))
        try:
            yield
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


async def _read(client: Client) -> None:
    while True:
        await client.status("/api/v1/leads?limit=100")
        await asyncio.sleep(READ_EVERY_S)


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures and the table of stages, for people."""
    return [f"latency, ms, {name}: {value}" for name, value in figures.items() if name != "stages"] + stages.lines(
        figures.get("stages", {})
    )


def summary(name: str, values: Sequence[float]) -> Figures:
    """Median and 99th percentile under the name."""
    return {f"{name}_p50": percentile(values, 0.5), f"{name}_p99": percentile(values, 0.99)}
