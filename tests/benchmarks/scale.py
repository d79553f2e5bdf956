"""Cost and memory by the number of leads and of workers, and how long a worker takes to start with many leads."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp

from streams.store.redis import RedisStore
from tests.benchmarks import leadglow, measure
from tests.benchmarks.decayed import SCORECARD
from tests.benchmarks.leadglow import POLL_S, Worker
from tests.benchmarks.measure import Figures
from tests.benchmarks.rig import PART_S, Rig, now_ms, tail
from tests.benchmarks.workload import PARTITIONS, Event, events, load

LEADS = (10_000, 100_000, 1_000_000)
WORKERS = (1, 2, 4)
LEADS_OF_WORKERS = 50_000
RECENT_MS = 60_000
"""Span of a backlog: recent events, as every day."""
COUNTED = 0.8
"""Share of a backlog that is counted."""
START_S = 60
LOOK_S = 0.1
"""Between two looks at a worker that starts."""
METRICS = re.compile(r"metrics on (\S+)/metrics")
"""The line in the log of a worker with its address."""
Place = tuple[dict[str, str], RedisStore]
"""The topics and the store of a part."""


async def measured(
    rig: Rig, backlog: int, leads: Sequence[int] = LEADS, workers: Sequence[int] = WORKERS
) -> dict[str, Any]:
    """Processor time per event of a backlog, for each number of leads and each number of workers.

    The events of the backlog are spread evenly over the leads.
    """
    by_leads = [await _with_leads(rig, count, backlog) for count in leads]
    by_workers = [await _with_workers(rig, count, backlog) for count in workers]
    return {
        "leads": by_leads,
        "workers": by_workers,
        "leads_most_to_least": most_to_least(by_leads, "cpu_us_per_event"),
        "workers_most_to_least": most_to_least(by_workers, "cpu_us_per_event"),
    }


def most_to_least(rows: Sequence[Figures], figure: str) -> float:
    """The largest value of a figure in relation to the smallest one."""
    values = [row[figure] for row in rows]
    return round(max(values) / min(values), 2) if values else 1.0


def lines(figures: dict[str, Any]) -> list[str]:
    """One line for each number of leads and of workers."""
    return [
        f"scale, {row[kind]:,} {kind}: " + ", ".join(f"{name} {value}" for name, value in row.items() if name != kind)
        for kind in ("leads", "workers")
        for row in figures[kind]
    ]


def first_events(leads: int, end_ms: int) -> list[Event]:
    """One event for each lead."""
    return list(events(leads, end_ms, choose_lead=lambda n, chance: n))


def even_events(count: int, leads: int, end_ms: int, seed: int) -> list[Event]:
    """Recent events, spread evenly over the leads."""
    return list(events(count, end_ms, RECENT_MS, seed, lambda n, chance: int(leads * chance)))


async def _with_leads(rig: Rig, leads: int, backlog: int) -> Figures:
    """A backlog for leads in memory; then a new worker, which must load each lead at its first event."""
    part = f"scale-{leads}"
    async with _prepared(rig, part) as place:
        names, store = place
        async with _working(rig, part, names) as worker:
            figures: Figures = {"leads": leads, **await _fill(rig, place, [worker], leads)}
            warm = await _work_off(rig, place, [worker], even_events(backlog, leads, now_ms(), 1))
            figures["cpu_us_per_event"] = warm["cpu_us_per_event"]
        await load(rig.kafka.address, names["lead_events"], even_events(backlog, leads, now_ms(), 2))
        done, began_s = await leadglow.checkpoints(store), time.perf_counter()
        async with _working(rig, part, names, 2) as worker:
            await _wait_ready(worker)
            figures["ready_s"] = round(time.perf_counter() - began_s, 1)
            while await leadglow.checkpoints(store) == done:
                await asyncio.sleep(POLL_S)
                worker.require_alive()
            figures["first_step_s"] = round(time.perf_counter() - began_s, 1)
            cold = await _pace([worker], store, done + backlog)
        figures["loading_cpu_us_per_event"] = cold["cpu_us_per_event"]
        figures["alerts"] = await leadglow.entries(rig.kafka.address, names["handoff"])
    return figures


async def _with_workers(rig: Rig, workers: int, backlog: int) -> Figures:
    """The same backlog for several workers that share the partitions."""
    part = f"scale-workers-{workers}"
    async with _prepared(rig, part) as place, AsyncExitStack() as stack:
        team = [
            await stack.enter_async_context(_working(rig, part, place[0], number)) for number in range(1, workers + 1)
        ]
        memory = await _fill(rig, place, team, LEADS_OF_WORKERS)
        late = even_events(backlog, LEADS_OF_WORKERS, now_ms(), 1)
        return {"workers": workers, **memory, **await _work_off(rig, place, team, late)}


@asynccontextmanager
async def _prepared(rig: Rig, part: str) -> AsyncIterator[Place]:
    """The empty topics and the empty store of a part."""
    await rig.empty_redis()
    names = leadglow.topics(rig, part)
    await leadglow.prepare(rig, names)
    store = RedisStore(rig.redis.address, rig.name(part), partitions=PARTITIONS)
    try:
        yield names, store
    finally:
        await store.close()


def _working(rig: Rig, part: str, names: dict[str, str], number: int = 1) -> AbstractAsyncContextManager[Worker]:
    """A worker whose leads never enter a stage: alerts depend on the points per lead, not on the number of leads."""
    scorecards = rig.folder / "scorecard_scale.yaml"
    scorecards.write_text(SCORECARD.read_text().replace("enter: 60, leave: 45", "enter: 60000, leave: 45000"))
    return leadglow.working(rig, part, names, scorecards, number)


async def _fill(rig: Rig, place: Place, team: Sequence[Worker], leads: int) -> Figures:
    """Give each lead its first event; return the memory that a lead takes then."""
    for worker in team:
        await _wait_ready(worker)
    await _share_partitions(rig, place, team)
    before, redis_before = _anonymous_bytes(team), await rig.used_redis_bytes()
    await _send(rig, place, team, first_events(leads, now_ms()))
    return {
        "worker_bytes_per_lead": round((_anonymous_bytes(team) - before) / leads),
        "redis_bytes_per_lead": round((await rig.used_redis_bytes() - redis_before) / leads),
    }


async def _share_partitions(rig: Rig, place: Place, team: Sequence[Worker]) -> None:
    """Return when each worker has scored something: a group moves its partitions as members join."""
    owners: set[bytes] = set()
    async with asyncio.timeout(PART_S):
        while len(owners) < len(team):
            await _send(rig, place, team, first_events(100, now_ms()))
            controls = [await place[1].control(partition) for partition in range(PARTITIONS)]
            owners = {control.fields["owner"] for control in controls}


async def _send(rig: Rig, place: Place, team: Sequence[Worker], backlog: Sequence[Event]) -> None:
    """Send events, and return when they are scored and their scores are published."""
    names, store = place
    done = await leadglow.checkpoints(store)
    await load(rig.kafka.address, names["lead_events"], backlog)
    await leadglow.scored(team[0], store, done + len(backlog))


async def _work_off(rig: Rig, place: Place, team: Sequence[Worker], backlog: Sequence[Event]) -> Figures:
    """Let workers score a backlog that arrives while they are stopped."""
    names, store = place
    done = await leadglow.checkpoints(store)
    for worker in team:
        os.kill(worker.pid, signal.SIGSTOP)
    try:
        await load(rig.kafka.address, names["lead_events"], backlog)
    finally:
        for worker in team:
            os.kill(worker.pid, signal.SIGCONT)
    return await _pace(team, store, done + len(backlog))


async def _pace(team: Sequence[Worker], store: RedisStore, goal: int) -> Figures:
    """Throughput and processor time of workers from now until most of a backlog is scored.

    The end is not counted: shards that have scored all publish, while others still score.
    """
    before, began_s, cpu_s = await leadglow.checkpoints(store), time.perf_counter(), _cpu_s(team)
    enough = before + COUNTED * (goal - before)
    async with asyncio.timeout(PART_S):
        while (done := await leadglow.checkpoints(store)) < enough:
            await asyncio.sleep(POLL_S)
            for worker in team:
                worker.require_alive()
    figures = measure.figures(done - before, time.perf_counter() - began_s, _cpu_s(team) - cpu_s)
    await leadglow.scored(team[0], store, goal)
    return figures


def _cpu_s(team: Sequence[Worker]) -> float:
    return sum(measure.cpu_s(worker.pid) for worker in team)


def _anonymous_bytes(team: Sequence[Worker]) -> int:
    return sum(measure.memory_bytes(worker.pid, "RssAnon") for worker in team)


async def _wait_ready(worker: Worker) -> None:
    """Return when the worker answers that it is ready."""
    async with asyncio.timeout(START_S), aiohttp.ClientSession() as session:
        while True:
            await asyncio.sleep(LOOK_S)
            worker.require_alive()
            if found := METRICS.search(tail(worker.log)):
                async with session.get(f"{found[1]}/ready") as answer:
                    if answer.status == 200:
                        return
