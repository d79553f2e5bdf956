"""The collector on one core, and a bare handler on the same core, in turns; the load comes from another core."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from app.private_files import write_private
from tests.benchmarks.leadglow import stop
from tests.benchmarks.load import BATCH
from tests.benchmarks.rig import Rig, run_peer, spawn, tail
from tests.benchmarks.workload import PARTITIONS, create_topics

ROUNDS = 5
"""Each server and kind of request is measured so often; the median counts."""
START_S = 30
EVENTS = {"single": 1, "batch": BATCH}
"""In a request of each kind."""
KEYS = """
leadglow_keys: 1
keys: [{name: bench, write_key: wk_bench, origins: any, rate: 100000000/s}]
"""
SOURCES = ("web", "mail")


@dataclass(frozen=True)
class Server:
    """A running server."""

    pid: int
    url: str


async def measured(rig: Rig, seconds: float) -> dict[str, Any]:
    """Figures of both servers by kind of request, in turns because machines have moods, and their ratios."""
    topics = await create_own_topics(rig, "bare")
    async with AsyncExitStack() as stack:
        servers = {
            "bare": await stack.enter_async_context(_bare(rig, topics["bare"])),
            "leadglow": await stack.enter_async_context(running(rig, topics)),
        }
        runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for _ in range(ROUNDS):
            for kind in EVENTS:
                for name, server in servers.items():
                    figures = await run_peer(rig, "load", server.url, kind, str(server.pid), str(seconds))
                    runs.setdefault((kind, name), []).append(figures)
    return {kind: _compared(runs[kind, "leadglow"], runs[kind, "bare"]) for kind in EVENTS}


def _compared(ours: list[dict[str, Any]], bare: list[dict[str, Any]]) -> dict[str, Any]:
    found = _median(ours)
    floor = _median(bare)
    ratio = found["requests_per_second"] / floor["requests_per_second"]
    per_cpu = floor["cpu_us_per_request"] / found["cpu_us_per_request"]
    return {"leadglow": found, "bare": floor, "ratio": round(ratio, 2), "cpu_ratio": round(per_cpu, 2)}


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return sorted(runs, key=lambda run: float(run["cpu_us_per_request"]))[len(runs) // 2]


async def create_own_topics(rig: Rig, *others: str) -> dict[str, str]:
    """Create the topics that a collector writes to, and others; returns their names."""
    topics = {name: rig.name("collector", name) for name in (*SOURCES, "rejected", *others)}
    await create_topics(rig.kafka.address, *topics.values())
    return topics


@asynccontextmanager
async def _bare(rig: Rig, topic: str) -> AsyncIterator[Server]:
    arguments = (rig.kafka.address, topic, str(rig.kafka.idempotent))
    async with _serving(rig, "bare", {}, "tests.benchmarks.bare", *arguments) as server:
        yield server


@asynccontextmanager
async def running(rig: Rig, topics: dict[str, str]) -> AsyncIterator[Server]:
    """A collector that accepts events, stopped in the end."""
    keys = rig.folder / "collector-keys.yaml"
    write_private(keys, KEYS)
    settings = {
        "kafka": rig.kafka.address,
        "kafka_idempotence": str(rig.kafka.idempotent),
        "redis": rig.redis.address,
        "namespace": rig.name("collector"),
        "partitions": str(PARTITIONS),
        "sources": ",".join(topics[name] for name in SOURCES),
        "rejected": topics["rejected"],
        "collector_web_topic": topics["web"],
        "collector_mail_topic": topics["mail"],
        "collector_keys": str(keys),
        "collector_port": "0",
        "collector_metrics_port": "0",
        "log": "json",
    }
    async with _serving(rig, "collector", settings, "app", "collector") as server:
        yield server


@asynccontextmanager
async def _serving(rig: Rig, name: str, settings: dict[str, str], *arguments: str) -> AsyncIterator[Server]:
    """A server process on the first core; we and the load are on the others, if there are any."""
    cores = sorted(os.sched_getaffinity(0))
    log = rig.folder / f"{name}.log"
    env = {f"LEADGLOW_{key.upper()}": value for key, value in settings.items()}
    process = await spawn(log, *arguments, env=env)
    os.sched_setaffinity(process.pid, cores[:1])
    try:
        async with asyncio.timeout(START_S):
            url = await _address(process, log)
            await _ready(url)
        yield Server(process.pid, url)
    except Exception as error:
        error.add_note(tail(log))
        raise
    finally:
        await stop(process)


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    """The address that it prints."""
    while True:
        for line in tail(log).splitlines():
            if "listening on http" in line:
                return line.split()[-1]
        if process.returncode is not None:
            msg = f"the server ended with status {process.returncode}"
            raise RuntimeError(msg)
        await asyncio.sleep(0.05)


async def _ready(url: str) -> None:
    """Return when an event is accepted."""
    call = {"type": "page", "userId": "u-1", "messageId": "first", "writeKey": "wk_bench"}
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.post(f"{url}/v1/t", json=call) as reply:
                if reply.status == 200:
                    return
            await asyncio.sleep(0.05)
