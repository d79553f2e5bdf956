"""The board over a million leads, while a worker scores into the same shards, and the cost of reads for the worker."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from redis.asyncio import Redis

from app.embedded.redis import start_redis
from streams.scorefile import load_file
from streams.scoring.event import LeadEvent
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.shard.position import RANKING
from streams.store.base import Commit, Verdict
from streams.store.redis import RedisStore
from streams.transport.topics import partition_of
from tests.benchmarks import leadglow, measure
from tests.benchmarks.decayed import SCORECARD
from tests.benchmarks.rig import Rig, now_ms, run_peer, spawn, tail
from tests.benchmarks.workload import PARTITIONS, URLS, preload

T = TypeVar("T")
KINDS = 1000
"""Leads that differ; the others are like one of them."""
STEP = 5000
ROUNDS = 4
"""Scoring is measured so often without and with readers, for each place that the board reads. Each goes first as often
as the other, because scoring gets slower as leads have more to remember."""
PLACES = ("primary", "replica")
RATE = 200
"""Requests per second: half of them the first hundred of the ranking, half one lead."""
START_S = 30
RESERVE = 260_000
"""Events for each second of measuring: more than a worker scores."""
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Kind:
    """A lead to copy."""

    blob: bytes
    score: float
    due: float | None


async def measured(rig: Rig, seconds: float, leads: int) -> dict[str, Any]:
    """Latency of reads while scoring runs, scoring with and without them, memory per lead.

    The board reads the Redis that the worker writes to, and after that a replica of it.
    """
    await rig.empty_redis()
    empty_bytes = await rig.used_redis_bytes()
    store = RedisStore(rig.redis.address, rig.name("board"), partitions=PARTITIONS)
    await fill_leads(store, leads)
    figures: dict[str, Any] = {
        "leads": leads,
        "redis_bytes_per_lead": round((await rig.used_redis_bytes() - empty_bytes) / leads),
        "requests_per_second": RATE,
    }
    names = leadglow.topics(rig, "board")
    events = int(RESERVE * (seconds + 1) * 2 * ROUNDS * len(PLACES))
    await preload(rig.kafka.address, names["lead_events"], events, now_ms())
    await leadglow.prepare(rig, names, names["lead_events"])
    cores = sorted(os.sched_getaffinity(0))
    for place in PLACES:
        async with (
            _read_at(place, rig) as address,
            leadglow.working(rig, "board", names) as worker,
            running(rig, names, address) as board,
        ):
            os.sched_setaffinity(worker.pid, cores[:1])
            os.sched_setaffinity(
                board.pid, cores[1:] or cores
            )  # readers, too: who shares a core with a worker slows it
            await leadglow.begun(worker, store)
            found = await _rounds(rig, (store, worker.pid, board), seconds, leads)
        figures |= {f"{place}_{name}": figure for name, figure in found.items()}
    done = await leadglow.checkpoints(store)
    await store.close()
    if done >= events:
        msg = "the worker had scored everything before the end: raise RESERVE"
        raise RuntimeError(msg)
    return figures


async def _rounds(rig: Rig, who: tuple[RedisStore, int, Board], seconds: float, leads: int) -> dict[str, Any]:
    """Scoring without and with readers, in turns."""
    store, worker, board = who
    alone, read, runs = [], [], []
    for turn in range(2 * ROUNDS):
        if turn % 4 in {0, 3}:
            alone.append((await _pace(store, worker, asyncio.sleep(seconds)))[0])
            continue
        before_s = measure.cpu_s(board.pid)
        load = run_peer(rig, "reading", board.url, str(RATE), str(seconds), str(leads))
        pace, figures = await _pace(store, worker, load)
        read.append(pace)
        cpu_ms = 1000 * (measure.cpu_s(board.pid) - before_s) / (RATE * seconds)
        runs.append(figures | {"board_cpu_ms_per_request": round(cpu_ms, 2)})
    return {
        **{name: median(run[name] for run in runs) for name in runs[0] if name != "failed"},
        "failed": sum(run["failed"] for run in runs),
        **_compared("per_second", [pace.per_second for pace in alone], [pace.per_second for pace in read]),
        **_compared("cpu_us_per_event", [pace.cpu_us for pace in alone], [pace.cpu_us for pace in read]),
    }


@asynccontextmanager
async def _read_at(place: str, rig: Rig) -> AsyncIterator[str]:
    """The address of the Redis that the worker writes to, or of a replica that has caught up."""
    if place == "primary":
        yield rig.redis.address
        return
    directory = rig.folder / "replica"
    directory.mkdir()
    server = start_redis(directory)
    server.wait_ready()
    address, primary = f"redis://{server.address}", urlsplit(rig.redis.address)
    try:
        async with Redis.from_url(rig.redis.address) as writing, Redis.from_url(address) as reading:
            await writing.config_set("repl-diskless-sync-delay", 0)
            await reading.replicaof(primary.hostname, primary.port)
            deadline_s = time.monotonic() + START_S
            while (await reading.info("replication"))["master_link_status"] != "up":
                assert time.monotonic() < deadline_s, "the replica did not get everything in time"
                await asyncio.sleep(0.1)
        yield address
    finally:
        server.stop()


def _compared(name: str, alone: list[float], read: list[float]) -> dict[str, Any]:
    """Scoring without and with readers: every round, as machines have moods, and by how many percent it differs."""
    change = 100 * (median(read) / median(alone) - 1)
    rounds = {"alone": [round(each, 1) for each in alone], "read": [round(each, 1) for each in read]}
    return {f"scoring_{name}": rounds, f"scoring_{name}_change_percent": round(change, 1)}


@dataclass(frozen=True)
class Pace:
    """How fast a worker scored, and its processor time."""

    per_second: float
    cpu_us: float


async def _pace(store: RedisStore, pid: int, meanwhile: Coroutine[Any, Any, T]) -> tuple[Pace, T]:
    """The pace of a worker during an activity, and the result of that activity."""
    before, began_s, cpu_s = await leadglow.checkpoints(store), time.perf_counter(), measure.cpu_s(pid)
    found = await meanwhile
    events = await leadglow.checkpoints(store) - before
    took_s, used_s = time.perf_counter() - began_s, measure.cpu_s(pid) - cpu_s
    return Pace(events / took_s, 1e6 * used_s / max(events, 1)), found


# A million leads -------------------------------------------------------------------------------------------------


async def fill_leads(store: RedisStore, leads: int) -> None:
    """Put so many leads into the shards, as steps of a worker would have left them."""
    rules = Rules(load_file(SCORECARD))
    kinds = make_kinds(rules)
    steps: dict[int, list[str]] = {partition: [] for partition in range(PARTITIONS)}
    versions = dict.fromkeys(steps, 0)
    for number in range(leads):
        lead_id = f"lead-{number:07d}"
        waiting = steps[partition_of(lead_id, PARTITIONS)]
        waiting.append(lead_id)
        if len(waiting) >= STEP or number == leads - 1:
            for partition, lead_ids in steps.items():
                if lead_ids and (lead_ids is waiting or number == leads - 1):
                    await _commit(store, partition, versions[partition], (rules, kinds, lead_ids))
                    versions[partition] += 1
                    lead_ids.clear()


async def _commit(store: RedisStore, partition: int, version: int, what: tuple[Rules, list[Kind], list[str]]) -> None:
    rules, kinds, lead_ids = what
    chosen = {lead_id: kinds[hash(lead_id) % len(kinds)] for lead_id in lead_ids}
    commit = Commit(
        version,
        f"fill-{version - 1}" if version else "",
        f"fill-{version}",
        {"ckpt": b"0", "scorecards": rules.version.encode(), "ranking": RANKING},
        {lead_id: kind.blob for lead_id, kind in chosen.items()},
        due={lead_id: kind.due for lead_id, kind in chosen.items() if kind.due is not None},
        ranks={rules.cards[0].name: {lead_id: kind.score for lead_id, kind in chosen.items()}},
        second=now_ms() // 1000,
    )
    assert await store.commit(partition, commit) is Verdict.OK


def make_kinds(rules: Rules) -> list[Kind]:
    """Leads with one to thirty events of the last month."""
    chance, now = Random(11), now_ms()
    replay = Replay(rules)
    names = [f"kind-{number}" for number in range(KINDS)]
    for name in names:
        times = sorted(now - int(chance.random() ** 2 * 30 * DAY_MS) for _ in range(int(1 + 30 * chance.random() ** 3)))
        for at in times:
            replay.play(_event(rules, name, at, chance))
    blobs = replay.end_step().blobs
    outcome = replay.show_leads(names)
    scores, soon = outcome.ranks[rules.cards[0].name], now + DAY_MS / 24
    return [
        Kind(blobs[name] or b"", scores[name] or 0.0, due if (due := outcome.due.get(name) or 0.0) > soon else None)
        for name in names
    ]


def _event(rules: Rules, lead_id: str, at: int, chance: Random) -> LeadEvent:
    known = {"properties.url": chance.choice(URLS)}
    values = tuple(known.get(path) for path in rules.paths)
    return LeadEvent(lead_id, "page", values, f"{lead_id}-{at}", at, at, {"title": "CTO", "name": lead_id})


# The board -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Board:
    """A running board."""

    pid: int
    url: str


@asynccontextmanager
async def running(rig: Rig, names: dict[str, str], address: str, part: str = "board") -> AsyncIterator[Board]:
    """A board over the leads of a part, stopped in the end; ``address`` is that of the Redis that it reads."""
    settings = {
        "kafka": rig.kafka.address,
        "kafka_idempotence": str(rig.kafka.idempotent),
        "redis": rig.redis.address,
        "board_redis": address,
        "namespace": rig.name(part),
        "scorecards": str(SCORECARD),
        "partitions": str(PARTITIONS),
        "board_port": "0",
        "board_metrics_port": "0",
        **names,
    }
    log = rig.folder / "the-board.log"
    env = {f"LEADGLOW_{name.upper()}": value for name, value in settings.items()}
    process = await spawn(log, "app", "board", env=env)
    try:
        async with asyncio.timeout(START_S), aiohttp.ClientSession() as session:
            url = ""
            while not url:
                await asyncio.sleep(0.05)
                url = next((line.split()[-1] for line in tail(log).splitlines() if "listening on" in line), "")
            async with session.get(f"{url}/api/v1/leads") as answer:
                assert answer.status == 200, await answer.text()
        yield Board(process.pid, url)
    except Exception as error:
        error.add_note(tail(log))
        raise
    finally:
        await leadglow.stop(process)
