"""``make screenshots``: every page of the board, light and dark, from three weeks of the demo's traffic.

The engine and the board are the real ones; Kafka and Redis are memory, because three weeks must pass in seconds.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from struct import pack, unpack_from
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from app.board.costs import COSTS_FORMAT
from app.demo.generator import Message, Traffic
from app.demo.salespeople import SalesPeople
from app.freshness import Offsets
from streams.clock import now_ms
from streams.environment import Environment
from streams.events.outgoing import decode_outgoing
from streams.intake.adapt import Intake
from streams.metrics import Metrics
from streams.scorefile import load
from streams.scoring.rules import Rules
from streams.shard.shard import Shard
from streams.store.base import Entry
from streams.transport.topics import Partitioner
from tests.support.board_in_memory import PARTITIONS, TOPICS, Running, Shards, board_on
from tests.support.node import Chromium, Page, install_sdks
from tests.support.publications import Log
from tests.support.system import ROOT
from tests.support.waiting import wait_for

FOLDER = ROOT / "docs/screenshots"
SEED, LEADS, EVENTS = 12, 4000, 1600
PER_S = (31.4, 6.2, 0.9)
"""Of each source: three weeks in a second have no speed of their own."""
SPAN_MS = 21 * 86_400_000
WAVE_MS = 2 * 3_600_000
REASONS = "no budget, too small, wrong person, not now"
ACCOUNTS = """    accounts:
      key: company
      roll_up: {top: 3}
      stages: [{name: target, enter: 190, leave: 150, label: Target account, cooldown: 7d, handoff: true}]
"""
LATENESS_MS = 72 * 3_600_000
HOME = Partitioner(PARTITIONS)
DESK, PHONE = {"width": 1120, "height": 800}, {"width": 390, "height": 844}


HOME = Partitioner(PARTITIONS)


@dataclass
class Played:
    """Three weeks of a Leadglow in memory."""

    shards: list[Shard]
    waiting: dict[int, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    """Shard -> what it sent and was not told of yet."""
    log: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """Partition of lead-events -> its records."""
    told: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """Topic -> what was sent there."""

    intake: Intake = field(default_factory=lambda: Intake(TOPICS, HOME))
    offsets: Iterator[int] = field(default_factory=count)

    def take(self, message: Message, at_ms: int) -> None:
        """Pass a record of a source topic through intake."""
        record = SimpleNamespace(
            offset=next(self.offsets), timestamp=at_ms, key=message.key, value=message.value, headers=()
        )
        output = self.intake.adapt_records({f"{TOPICS.sources[message.source]}:0": [record]}, at_ms)
        for partition, rows in output.rows.items():
            for row in rows:
                self.append(partition, *row)
        for sent in output.rejects:
            record = SimpleNamespace(key=sent.key, value=sent.value, headers=sent.headers, timestamp=at_ms)
            self.told[sent.topic].append(record)

    def append(self, partition: int, timestamp: int, key: bytes, value: bytes | None, headers: Any) -> None:
        """Put a record on lead-events."""
        offset = len(self.log[partition])
        record = SimpleNamespace(offset=offset, timestamp=timestamp, key=key, value=value, headers=headers)
        self.log[partition].append(record)

    def relay(self, partition: int, entries: Sequence[Entry]) -> None:
        """Pass on what a shard sends."""
        self.waiting[partition] += entries
        for sent in (decode_outgoing(entry.payload) for entry in entries):
            if sent.topic == TOPICS.lead_events:
                self.append(HOME(sent.key.decode()), sent.timestamp_ms, sent.key, sent.value, sent.headers)
            else:
                record = {"key": sent.key, "value": sent.value, "headers": sent.headers, "timestamp": sent.timestamp_ms}
                self.told[sent.topic].append(SimpleNamespace(**record))

    async def catch_up(self, at_ms: int) -> None:
        """Let the shards take what is on lead-events, and time pass."""
        await self.score(at_ms)
        while any(len(self.log[shard.partition]) > shard.position.checkpoint for shard in self.shards):
            await self.score(at_ms)  # what one forwards to another is there in the next round

    async def score(self, at_ms: int) -> None:
        """Let the shards take what is on lead-events now, and bring up to date what they show."""
        for _ in range(3):
            for shard in self.shards:
                await shard.score_batch(self.log[shard.partition][shard.position.checkpoint :])
        for shard in self.shards:
            await shard.update_ranking(list(shard.unpublished.versions))
            while await shard.advance_due(at_ms):
                pass
            await shard.update_ranking(list(shard.unpublished.versions))
            shard.mark_published(dict(shard.unpublished.versions))
            if sent := self.waiting.pop(shard.partition, []):
                shard.mark_sent(sent, None)
            await shard.sync_store()


async def play(memory: Shards, until_ms: int) -> Played:
    """Send the traffic of three weeks through intake and scoring."""
    environment = Environment(memory.store, TOPICS, HOME, Metrics(), "worker-1")
    played = Played([Shard(p, memory.rules, environment) for p in range(PARTITIONS)])
    for shard in played.shards:
        shard.relay = partial(played.relay, shard.partition)
        await shard.open()
        shard.told.trusted = True  # its log is empty
    traffic, sales, known = Traffic(SEED, LEADS), SalesPeople(SEED), 0
    wave_ms = until_ms - SPAN_MS
    for at_ms in [*instants(until_ms), until_ms]:
        while at_ms > wave_ms:
            for due_ms, message in sales.take_due(wave_ms):
                played.take(message, due_ms)
            await played.catch_up(wave_ms)
            for record in played.told[TOPICS.handoff][known:]:
                if "account" not in (alert := json.loads(record.value))["data"]:
                    sales.take_alert(alert)
            known = len(played.told[TOPICS.handoff])
            wave_ms += WAVE_MS
        if at_ms < until_ms:
            played.take(traffic.next(at_ms), at_ms)
    await played.catch_up(until_ms)
    return played


def instants(until_ms: int) -> Iterator[int]:
    """When the records arrive: evenly but for chance."""
    pick = random.Random(SEED)
    yield from sorted(until_ms - int(SPAN_MS * pick.random()) for _ in range(EVENTS))


def tell(board: Running, played: Played) -> None:
    """Let the board know what it would have read from Kafka."""
    for topic, records in played.told.items():
        board.tails.take_records(topic, sorted(records, key=lambda record: record.timestamp))
    board.tails.offsets = Offsets({partition: len(log) for partition, log in played.log.items()}, (), now_ms())
    for topic, per_s in zip(TOPICS.sources, PER_S, strict=True):
        board.tails.sources[topic] = {"topic": topic, "lag": 0, "per_s": per_s}
    board.tails.offsets_read_s = math.inf
    for second in (0, 10):
        board.tails.events.add_sample(second, second * sum(PER_S))
    board.tails.alerted_s.clear()


def shoot(url: str, lead: str, account: str, folder: Path) -> None:
    """Take pictures of every page, light and dark, and of four of them on a phone."""
    browser = Chromium(install_sdks())
    for scheme in ("light", "dark"):
        page = browser.visitor(viewport=DESK, colorScheme=scheme, reducedMotion="reduce").open(url)
        for name, path in pages(lead, account).items():
            page.go(url + path)
            picture(page, folder / f"{name}-{scheme}.png", full=name in {"lead", "account", "scorecards", "results"})
        try_change(page, url)
        picture(page, folder / f"try-{scheme}.png", full=True)
    page = browser.visitor(viewport=PHONE, colorScheme="light", deviceScaleFactor=1, reducedMotion="reduce").open(url)
    picture(page, folder / "leads-phone.png", full=False)
    page.go(f"{url}/leads/{lead}")
    picture(page, folder / "lead-phone.png", full=False)
    page.go(f"{url}/accounts/{account}")
    picture(page, folder / "account-phone.png", full=False)
    page.go(f"{url}/results")
    picture(page, folder / "results-phone.png", full=True)
    page.go(f"{url}/versions")
    picture(page, folder / "versions-phone.png", full=False)
    try_change(page, url)
    picture(page, folder / "try-phone.png", full=True)
    browser.stop()


def try_change(page: Page, url: str) -> None:
    """See what a lower bound would do."""
    page.go(f"{url}/try")
    page.run("(() => { text.value = text.value.replace('enter: 70', 'enter: 60'); form = document.forms.try; })()")
    page.run("form.requestSubmit()")
    wait_for(lambda: page.run("!!document.getElementById('publish')"), "the effect")


def pages(lead: str, account: str) -> dict[str, str]:
    """The pages by the names of their pictures."""
    names = ("accounts", "alerts", "channels", "results", "scorecards", "versions", "flow", "login")
    one = {"leads": "/", "lead": f"/leads/{lead}", "account": f"/accounts/{account}"}
    return one | {name: f"/{name}" for name in names}


def picture(page: Page, path: Path, full: bool) -> None:
    """Write one of up-to-date scores, as small as can be, and fail on what the page complains of."""
    wait_for(lambda: not page.run("!!document.querySelector('#freshness .late')"), f"fresh for {path.name}")
    page.screenshot(path, full)
    path.write_bytes(squeezed(path.read_bytes()))
    assert page.complaints() == [], f"{path.name}: {page.complaints()}"


def squeezed(png: bytes) -> bytes:
    """The same picture, packed better."""
    head, chunks, at = png[:8], [], 8
    packed = b""
    while at < len(png):
        size, kind = unpack_from(">I4s", png, at)
        data = png[at + 8 : at + 8 + size]
        packed += data if kind == b"IDAT" else b""
        chunks += [(kind, data)] if kind != b"IDAT" else []
        at += size + 12
    chunks.insert(1, (b"IDAT", zlib.compress(zlib.decompress(packed), 9)))
    return head + b"".join(pack(">I", len(d)) + k + d + pack(">I", zlib.crc32(k + d)) for k, d in chunks)


async def telling(board: Running) -> str:
    """The lead with most to see: it is warm, will cool, and was seen not long ago."""
    rows = (await board.get("/api/v1/leads?limit=100")).json["leads"]
    warm = [row for row in rows if row["stage"] == "qualified" and row["score"] < 96]
    weights = {}
    for row in warm:
        curve = (await board.get(f"/api/v1/leads/{row['lead_id']}/curve")).json
        weights[str(row["lead_id"])] = (bool(curve["crossings"]), len(row["parts"]), row["last_seen_at"])
    return max(weights, key=lambda lead_id: weights[lead_id])


async def busiest(board: Running) -> str:
    """The path of the account with the highest score and an alert."""
    alerts = (await board.get("/api/v1/alerts?about=accounts&limit=200")).json["alerts"]
    known = {alert["account"] for alert in alerts}
    rows = (await board.get("/api/v1/accounts?limit=100")).json["accounts"]
    return next(f"{row['scorecard']}/{quote(row['account'])}" for row in rows if row["account"] in known)


def card_text() -> str:
    """The scorecards of the repository, with what sales wants."""
    text = (ROOT / "scorecards.yaml").read_text()
    wanted = f"{ACCOUNTS}    target: 12/week\n    sales: {{reasons: [{REASONS}]}}\n"
    return text.replace("    stages:\n", f"{wanted}    stages:\n", 1)


async def publish(until_ms: int) -> Log:
    """Publish another version, and then the one in use."""
    text, log = card_text(), Log()
    log.now_ms = until_ms - 2 * SPAN_MS
    await log.publish(text.replace("enter: 70", "enter: 80"), "ben", note="First card, agreed with sales")
    log.now_ms = until_ms - SPAN_MS - 3_600_000
    await log.publish(text, "ana", note="Sales can take more leads")
    return log


async def main() -> None:
    """Play, serve, and take the pictures."""
    until_ms = now_ms()
    memory = Shards(Rules(load(card_text()), LATENESS_MS))
    played = await play(memory, until_ms)
    costs = COSTS_FORMAT.load_file(ROOT / "app/demo/costs.yaml")
    async with board_on(memory, costs=costs, log=await publish(until_ms)) as board:
        tell(board, played)
        board.tails.version_alerts.reads_all = True
        FOLDER.mkdir(exist_ok=True)
        watching = asyncio.create_task(board.service.freshness_watch.watch())  # else freshness is unknown after seconds
        await asyncio.to_thread(shoot, board.url, await telling(board), await busiest(board), FOLDER)
        watching.cancel()


if __name__ == "__main__":
    asyncio.run(main())
