"""Readers of a board at a fixed rate: ``reading URL RATE SECONDS LEADS``; latencies count from when each was due."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from random import Random
from urllib.parse import urlsplit

import uvloop

from tests.benchmarks.measure import percentile

_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Client:
    """Sends requests to one server over persistent connections, with less overhead than a complete HTTP client."""

    def __init__(self, url: str) -> None:
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port
        self._idle: list[Connection] = []

    async def status(self, path: str) -> int:
        """Get a page to its end."""
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length, head
        await reader.readexactly(int(length[1]))
        self._idle.append((reader, writer))
        return int(head.split(None, 2)[1])

    async def close(self) -> None:
        """Let the connections go."""
        for _, writer in self._idle:
            writer.close()
            await writer.wait_closed()


async def read(url: str, rate: int, seconds: float, leads: int) -> dict[str, float]:
    """Half of the requests are for the first hundred leads of the ranking, half for one lead."""
    chance, took = Random(3), {"top": list[float](), "lead": list[float]()}
    failed, client = 0, Client(url)

    async def one(kind: str, path: str, due_s: float) -> None:
        nonlocal failed
        failed += await client.status(f"/api/v1{path}") != 200
        took[kind].append((time.perf_counter() - due_s) * 1000)

    async with asyncio.TaskGroup() as tasks:
        began_s = time.perf_counter()
        for number in range(int(rate * seconds)):
            due_s = began_s + number / rate
            await asyncio.sleep(max(due_s - time.perf_counter(), 0))
            kind = "lead" if number % 2 else "top"
            path = f"/leads/lead-{chance.randrange(leads):07d}" if number % 2 else "/leads?limit=100"
            tasks.create_task(one(kind, path, due_s))
    await client.close()
    shares = ((0.5, "p50"), (0.99, "p99"))
    found = {f"{kind}_ms_{name}": percentile(values, share) for kind, values in took.items() for share, name in shares}
    return found | {"failed": failed}


if __name__ == "__main__":
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)  # the first one is the worker's
    arguments = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    print(json.dumps(uvloop.run(read(*arguments))))
