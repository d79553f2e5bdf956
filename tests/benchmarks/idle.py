"""Processes without work: their processor time in percent of a core, with Kafka and Redis there and away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from app.embedded.redis import start_redis
from streams.store.redis import RedisStore
from tests.benchmarks import board, collector, leadglow, measure
from tests.benchmarks.rig import Rig, now_ms
from tests.benchmarks.workload import PARTITIONS, preload
from tests.support.servers import Running

EVENTS = 5_000
"""They are scored before, so that some thousand leads are stored."""
SETTLE_S = 10.0
"""After the last work, or after an outage began."""
GOAL_PERCENT = 2.0
"""Of a core, for a worker."""


async def measured(rig: Rig, seconds: float) -> dict[str, Any]:
    """Idle worker, board and collector; then the worker without Redis, and without Kafka: stops that of the rig."""
    directory = rig.folder / "idle-redis"
    directory.mkdir()
    redis = start_redis(directory, "--appendonly", "yes")
    try:
        redis.wait_ready()
        address = f"redis://{redis.address}"
        rig = replace(rig, redis=Running(address, "", redis.stop))
        names = leadglow.topics(rig, "idle")
        await preload(rig.kafka.address, names["sources"], EVENTS, now_ms())
        await leadglow.prepare(rig, names, names["sources"])
        figures: dict[str, Any] = {"goal_percent": GOAL_PERCENT}
        async with leadglow.working(rig, "idle", names) as worker:
            figures["leads"] = await _score_events(rig, worker)
            figures |= await _idle(worker, "", seconds)
            figures |= await _others(rig, names, seconds)
            await asyncio.to_thread(redis.stop)
            figures |= await _idle(worker, "_without_redis", seconds)
            redis = start_redis(directory, "--appendonly", "yes", port=redis.port)
            redis.wait_ready()
            await asyncio.to_thread(rig.kafka.stop)
            figures |= await _idle(worker, "_without_kafka", seconds)
            worker.require_alive()
    finally:
        redis.stop()
    return figures


async def _score_events(rig: Rig, worker: leadglow.Worker) -> int:
    """Wait until all events are scored; returns the number of leads."""
    store = RedisStore(rig.redis.address, rig.name("idle"), partitions=PARTITIONS)
    await leadglow.scored(worker, store, EVENTS)
    leads = sum([(await store.counts(partition))["leads"] for partition in range(PARTITIONS)])
    await store.close()
    return leads


async def _others(rig: Rig, names: dict[str, str], seconds: float) -> dict[str, Any]:
    """The board over the leads of the worker, and a collector."""
    async with board.running(rig, names, rig.redis.address, "idle") as watched:
        board_percent = await _percent(watched.pid, seconds)
    async with collector.running(rig, await collector.create_own_topics(rig)) as server:
        return {"board_percent": board_percent, "collector_percent": await _percent(server.pid, seconds)}


async def _idle(worker: leadglow.Worker, when: str, seconds: float) -> dict[str, Any]:
    """Processor time of the worker, and the lines that it logs from the beginning of this part."""
    lines = _lines(worker)
    percent = await _percent(worker.pid, seconds)
    return {f"worker{when}_percent": percent, f"worker{when}_log_lines": _lines(worker) - lines}


async def _percent(pid: int, seconds: float) -> float:
    """Processor time of a process in percent of a core, once it has settled."""
    await asyncio.sleep(SETTLE_S)
    before_s = measure.cpu_s(pid)
    await asyncio.sleep(seconds)
    return round(100 * (measure.cpu_s(pid) - before_s) / seconds, 2)


def _lines(worker: leadglow.Worker) -> int:
    return worker.log.read_bytes().count(b"\n")
