"""HTTP load: connections that send the next request when the last is answered; only 200 is a good answer.

Run as ``python -m tests.benchmarks.load URL KIND SERVER_PID SECONDS``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

import orjson
import uvloop

from tests.benchmarks import measure

CONNECTIONS = 64
WARM_UP_S = 1.5
DIFFERENT = 500
"""Requests, sent over and over in turn."""
BATCH = 50
VISITORS = 2_000
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
BROWSER = (
    f"User-Agent: {AGENT}",
    'Sec-CH-UA-Platform: "Linux"',
    'Sec-CH-UA: "Not:A-Brand";v="8", "Chromium";v="143"',
    "Sec-CH-UA-Mobile: ?0",
    "Content-Type: text/plain",
    "Accept: */*",
    "Origin: https://www.acme.example",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: cors",
    "Sec-Fetch-Dest: empty",
    "Referer: https://www.acme.example/",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
)
"""What Chromium sends with analytics-next, with a key as user name added."""
LIBRARY = (
    "User-Agent: analytics-python/2.4.0",
    "Accept-Encoding: gzip, deflate",
    "Accept: */*",
    "Content-Type: application/json",
)
KEY = "Authorization: Basic d2tfYmVuY2g6"  # wk_bench:


def _visit(number: int) -> dict[str, object]:
    """The event of analytics-next for a visit: 0.9 KB."""
    page = {
        "path": "/pricing",
        "referrer": "",
        "search": "?utm_source=newsletter&utm_campaign=q4",
        "title": "Pricing - Acme",
        "url": "https://www.acme.example/pricing?utm_source=newsletter&utm_campaign=q4",
    }
    brands = [{"brand": "Not:A-Brand", "version": "8"}, {"brand": "Chromium", "version": "143"}]
    context = {
        "page": page,
        "userAgent": AGENT,
        "userAgentData": {"brands": brands, "mobile": False, "platform": "Linux"},
        "locale": "en-US",
        "library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
        "campaign": {"source": "newsletter", "name": "q4"},
        "timezone": "UTC",
    }
    return {
        "timestamp": "2026-11-22T01:13:17.438Z",
        "integrations": {"Segment.io": True},
        "type": "page",
        "properties": page,
        "context": context,
        "messageId": f"ajs-next-1795309997438-6a832162-173b-4378-aa3d-{number:012}",
        "anonymousId": f"83216217-3b13-48aa-bd11-{number % VISITORS:012}",
        "writeKey": "wk_bench",
        "userId": None,
        "sentAt": "2026-11-22T01:13:17.491Z",
        "_metadata": {"bundled": ["Segment.io"], "unbundled": [], "bundledIds": []},
    }


def _call(number: int) -> dict[str, object]:
    """The event of the Python SDK: 0.3 KB."""
    return {
        "integrations": {},
        "anonymousId": None,
        "properties": {"form": "demo", "url": "https://www.acme.example/pricing"},
        "timestamp": "2026-11-22T01:09:24.934+00:00",
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
        "userId": f"user_{number % VISITORS}",
        "type": "track",
        "event": "Form Submitted",
        "messageId": f"9ea2df88-3b22-45f4-8817-{number:012}",
    }


def requests(kind: str) -> list[bytes]:
    """The requests of a kind: ``single`` events of browsers, or ``batch``, 50 events of a server."""
    if kind == "single":
        return [_http("/v1/t", BROWSER, orjson.dumps(_visit(n))) for n in range(DIFFERENT)]
    numbers = itertools.count()
    batches = ([_call(next(numbers)) for _ in range(BATCH)] for _ in range(DIFFERENT))
    sent_at = "2026-11-22T01:09:25.000+00:00"
    return [_http("/v1/batch", LIBRARY, orjson.dumps({"batch": batch, "sentAt": sent_at})) for batch in batches]


def _http(path: str, headers: tuple[str, ...], body: bytes) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: 127.0.0.1", KEY, *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


class _Sender(asyncio.Protocol):
    """One connection."""

    answered = 0
    """By all of them."""

    def __init__(self, turns: Iterator[bytes]) -> None:
        self._turns = turns
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(next(self._turns))

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"the server answers {self._read.decode(errors='replace')}")
        _Sender.answered += 1
        self._read = b""
        self._transport.write(next(self._turns))


async def main(url: str, kind: str, pid: int, seconds: float) -> None:
    """Warm up, then measure, and print one line of JSON."""
    turns, (host, _, port) = itertools.cycle(requests(kind)), urlsplit(url).netloc.partition(":")
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Sender(turns), host, int(port))
    await asyncio.sleep(WARM_UP_S)
    answered, wall_s, cpu_s = _Sender.answered, time.perf_counter(), measure.cpu_s(pid)
    await asyncio.sleep(seconds)
    answered, wall_s = _Sender.answered - answered, time.perf_counter() - wall_s
    cpu_s = measure.cpu_s(pid) - cpu_s
    result = {
        "requests_per_second": round(answered / wall_s),
        "cpu_us_per_request": round(cpu_s / answered * 1e6, 1),
        "cores": round(cpu_s / wall_s, 2),
        "requests": answered,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)  # the first is the server's
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
