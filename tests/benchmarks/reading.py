"""Readers of a board at a fixed rate: ``reading URL RATE SECONDS LEADS``; latencies count from when each was due."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from random import Random

import aiohttp

from tests.benchmarks.measure import percentile


async def read(url: str, rate: int, seconds: float, leads: int) -> dict[str, float]:
    """Half of the requests are for the first hundred leads of the ranking, half for one lead."""
    chance, took = Random(3), {"top": list[float](), "lead": list[float]()}
    failed = 0

    async def one(session: aiohttp.ClientSession, kind: str, path: str, due_s: float) -> None:
        nonlocal failed
        async with session.get(f"{url}/api/v1{path}") as answer:
            await answer.read()
        failed += answer.status != 200
        took[kind].append((time.perf_counter() - due_s) * 1000)

    connector = aiohttp.TCPConnector(limit=100)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
        began_s = time.perf_counter()
        for number in range(int(rate * seconds)):
            due_s = began_s + number / rate
            await asyncio.sleep(max(due_s - time.perf_counter(), 0))
            kind = "lead" if number % 2 else "top"
            path = f"/leads/lead-{chance.randrange(leads):07d}" if number % 2 else "/leads?limit=100"
            tasks.create_task(one(session, kind, path, due_s))
    shares = ((0.5, "p50"), (0.99, "p99"))
    found = {f"{kind}_ms_{name}": percentile(values, share) for kind, values in took.items() for share, name in shares}
    return found | {"failed": failed}


if __name__ == "__main__":
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)  # the first one is the worker's
    arguments = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    print(json.dumps(asyncio.run(read(*arguments))))
