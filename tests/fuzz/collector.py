"""The collector's site under broken requests: whatever comes, no 5xx, no hanging, nothing unreadable goes to Kafka.

Run as ``python -m tests.fuzz.collector --requests 100000``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from unittest.mock import patch

from app.collector import mail_handlers
from app.collector.collector import watch_keys
from app.collector.metrics import Metrics
from app.collector.reception import EventSettings, Reception
from app.collector.request_reader import Limits
from app.collector.site import Site
from app.collector.webhooks import SERVICES
from app.embedded.child import temporary_folder
from app.private_files import write_private
from streams.events.outgoing import Outgoing
from streams.events.rejects import MAX_EVENT_BYTES
from tests.fuzz.requests import LINK_SECRET, Fuzz, Sent
from tests.support import mail_services as mail

CONNECTIONS = 48
ANSWER_S = 15.0
"""The longest that a whole request may take."""
LOOK_S = 0.2
"""How long one that is not whole is given before its connection is closed."""
REJECTED = "rejected"
GOOD = b'POST /v1/t?writeKey=WRITEKEY1 HTTP/1.1\r\nHost: x\r\nContent-Length: 28\r\n\r\n{"type":"page","userId":"u"}'


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Found:
    """What became of the requests."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    records: int = 0

    def fault(self, what: str, number: int, sent: Sent) -> None:
        """Something that must not be."""
        self.faults.append(f"request {number}: {what}: {sent.raw[:400]!r}")


class Topics:
    """In place of Kafka: looks at every record and forgets it."""

    ready = True

    def __init__(self, found: Found) -> None:
        self._found = found

    async def write_records(self, records: Sequence[Outgoing]) -> None:
        await asyncio.sleep(0)
        for record in records:
            self._found.records += 1
            if record.topic == REJECTED:
                continue
            call = json.loads(record.value or b"")
            if not isinstance(call["leadglow"]["key"], str) or len(record.value or b"") > MAX_EVENT_BYTES:
                self._found.faults.append(f"a record that should not be: {record.value!r:.400}")


@asynccontextmanager
async def site_on(folder: Path, found: Found) -> AsyncIterator[int]:
    """A site that knows every kind of key and webhook; gives its port."""
    metrics = Metrics()
    keys = watch_keys(_keys(folder), metrics)
    settings = EventSettings("web", "mail", REJECTED, ("context", "consent", "ads"))
    site = Site(Reception(settings, Topics(found), keys, metrics), Limits(), metrics)
    with patch.object(mail_handlers, "_fetch_url", _certificate):
        try:
            yield int((await site.start("127.0.0.1", 0)).rpartition(":")[2])
        finally:
            await site.stop()


async def fuzz(requests: int, seed: int, folder: Path) -> Found:
    """Send that many requests over a few connections, and a good one in the end."""
    found, last = Found(), Found()
    supply = enumerate(islice(Fuzz(seed), requests))
    async with site_on(folder, found) as port:
        await asyncio.gather(*(_connection(port, supply, found) for _ in range(CONNECTIONS)))
        await _connection(port, iter([(requests, Sent(GOOD, "POST", True))]), last)
    if last.statuses != {"200": 1}:
        found.faults.append(f"afterwards a good request gets {last}")
    return found


def _keys(folder: Path) -> Path:
    everything = "origins: any, rate: 100000000/s"
    hooks = [{"name": name, "service": name, **mail.options(name)} for name in SERVICES]
    path = folder / "keys.yaml"
    write_private(
        path,
        "leadglow_keys: 1\nkeys:\n"
        f"  - {{name: any, write_key: WRITEKEY1, {everything}}}\n"
        f"  - {{name: app, write_key: site, {everything}}}\n"
        "  - {name: page, write_key: wk_page, origins: ['https://acme.example'], rate: 10/s}\n"
        f"  - {{name: server, server: true, sha256: {sha256(b'sk').hexdigest()}}}\n"
        f"webhooks: {json.dumps(hooks)}\nlinks: {{secret: {LINK_SECRET.decode()!r}}}\n",
    )
    return path


async def _certificate(url: str) -> bytes:
    return mail.certificate(-1, 10_000)


async def _connection(port: int, supply: Iterator[tuple[int, Sent]], found: Found) -> None:
    """Take requests from the supply, one after another, over one connection for as long as it holds."""
    used: Connection | None = None
    for number, sent in supply:
        status, used = await _outcome(port, used, sent)
        found.statuses[status] += 1
        if status.startswith("5") or (sent.whole and not status.isdigit()):
            found.fault(status, number, sent)
    if used is not None:
        await _closed(used[1])


async def _outcome(port: int, used: Connection | None, sent: Sent) -> tuple[str, Connection | None]:
    """What is answered, and the connection if it can be used again; one that was closed meanwhile is replaced."""
    reader, writer = used or await asyncio.open_connection("127.0.0.1", port)
    goes_on = False
    writer.write(sent.raw)
    try:
        status, goes_on = await asyncio.wait_for(_answer(reader, sent), ANSWER_S if sent.whole else LOOK_S)
    except TimeoutError:
        status = "no answer"
    except (ConnectionError, asyncio.IncompleteReadError):
        status = "closed"
    if goes_on and sent.whole:
        return status, (reader, writer)
    await _closed(writer)
    if used is not None and status == "closed":
        return await _outcome(port, None, sent)
    return status, None


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader, sent: Sent) -> tuple[str, bool]:
    """The status, and whether the connection goes on."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if length and sent.method != "HEAD":
        await reader.readexactly(int(length[1]))
    return head.split()[1].decode(), b"connection: close" not in head.lower() and length is not None


def main() -> None:
    """Fuzz, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.collector", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began_s = time.monotonic()
    with temporary_folder("leadglow-fuzz-") as folder:
        found = asyncio.run(fuzz(options.requests, options.seed, folder))
    lines = [f"{status}: {count:,}" for status, count in sorted(found.statuses.items())]
    lines += [f"records: {found.records:,}", f"{time.monotonic() - began_s:.0f} s, faults: {len(found.faults)}"]
    sys.stdout.write("\n".join([*lines, *found.faults[:20]]) + "\n")
    sys.exit(bool(found.faults))


if __name__ == "__main__":
    main()
