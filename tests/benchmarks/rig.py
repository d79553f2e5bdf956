"""The environment of one run of the benchmark: Kafka, Redis, and fresh names for each part."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from app.embedded.child import watch_child
from tests.support.own_servers import own_servers
from tests.support.servers import Running

PART_S = 900
"""No part of the benchmark may take longer."""


def now_ms() -> int:
    """The wall clock in ms since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Rig:
    """Where everything is."""

    kafka: Running
    redis: Running
    folder: Path
    run: str
    """Prefix of this run's topics, groups and namespaces."""
    accelerator: str
    """Leadglow's setting of this name: whether the compiled scorer runs."""

    def name(self, *parts: str) -> str:
        """A name that no other run and no other part uses."""
        return "-".join((self.run, *parts))

    async def empty_redis(self) -> None:
        """Delete the data of the previous part."""
        async with Redis.from_url(self.redis.address) as redis:
            await redis.execute_command("FLUSHALL", "SYNC")  # type: ignore[no-untyped-call]  # otherwise the deletion continues during the measurement

    async def used_redis_bytes(self) -> int:
        """Memory of all data in Redis."""
        async with Redis.from_url(self.redis.address) as redis:
            return int((await redis.info("memory"))["used_memory"])


@contextmanager
def started(accelerator: str) -> Iterator[Rig]:
    """Kafka and Redis for the time of one run; a Redis named in the environment is emptied."""
    with own_servers("leadglow-bench-") as (kafka, redis, folder):
        yield Rig(kafka, redis, folder, f"bench-{now_ms()}", accelerator)


async def spawn(log: Path, *arguments: str, env: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
    """Start ``python -m ARGUMENTS`` with only our own settings, its output into ``log``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEADGLOW_")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            env=inherited | dict(env or {}),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    watch_child(process.pid)
    return process


async def run_peer(rig: Rig, module: str, *arguments: str) -> dict[str, Any]:
    """Run a module that reports by a last line of JSON, to its end."""
    log = rig.folder / f"{module}.log"
    process = await spawn(log, f"tests.benchmarks.{module}", *arguments)
    try:
        async with asyncio.timeout(PART_S):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    lines = [line for line in log.read_text().splitlines() if line.startswith('{"')]
    if process.returncode or not lines:
        msg = f"{module} failed:\n{tail(log)}"
        raise RuntimeError(msg)
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def tail(log: Path) -> str:
    """The end of a log, to show why a process failed."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:])
