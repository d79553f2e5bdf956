"""The workload "mixed": the leads of the workload "leads", with traffic as the generator of the demo makes it.

Every second lead is an anonymous visitor until it identifies itself. The mail service knows its leads by e-mail address
only, so its events are forwarded once an identify has joined the address to a user.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from streams.events.records import Headers
from streams.intake.adapt import Intake
from streams.transport.topics import Partitioner, Topics
from tests.benchmarks.workload import (
    BATCH_BYTES,
    DISORDER_MS,
    LEADS,
    PARTITIONS,
    SPAN_MS,
    URLS,
    Event,
    Loader,
    create_topics,
    iso,
)

IDENTIFY = "identify"
SHARES = {
    IDENTIFY: 12,
    "Email Opened": 18,
    "Email Link Clicked": 6,
    "Unsubscribed": 2,
    "Whitepaper Downloaded": 3,
    "Form Submitted": 2,
    "Webinar Attended": 1,
    "Order Completed": 3,
    "Heartbeat": 5,
}
"""Share of each kind of event in percent; the rest are page views. Orders carry an amount."""
MAILS = {"Email Opened", "Email Link Clicked", "Unsubscribed"}
CHANGED, WITH_CAMPAIGN, REPEATED, LATE = 0.2, 0.15, 0.02, 0.02
"""Shares: of identifies that change a trait, of pages with a campaign, of events sent twice, and of late events."""
LATE_MS = 100 * 3_600_000
CAMPAIGNS = [
    {"source": source, "medium": medium, "name": name}
    for source, medium, name in (
        ("google", "cpc", "downtime"), ("linkedin", "social", "leaders"), ("newsletter", "email", "november"),
        ("partner", "referral", "ferro"),
    )
]  # fmt: skip
TITLES = ["CTO", "Plant Manager", "Student", "Consultant", "Head of Maintenance"]


class Traffic:
    """An endless stream of calls; the same seed gives the same ones."""

    def __init__(self, seed: int = 7) -> None:
        """Start with leads of whom nothing is known."""
        self.drawn: Counter[str] = Counter()
        """How often each kind of event was made."""
        self._random = Random(seed)
        self._kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
        self._versions: dict[int, int] = {}
        """Lead -> how often its traits changed; missing until it identifies itself."""
        self._recent: deque[tuple[str, bytes]] = deque(maxlen=200)

    def next(self, n: int, at_ms: int) -> tuple[str, bytes]:
        """The key and the value of the ``n``-th record."""
        if self._recent and self._random.random() < REPEATED:
            self.drawn["duplicate"] += 1
            return self._random.choice(self._recent)
        call = self._call() | {"messageId": f"m-{n}", "timestamp": iso(at_ms - self._delay())}
        self._recent.append((lead_of(call), orjson.dumps(call)))
        return self._recent[-1]

    def _call(self) -> dict[str, Any]:
        choice, lead = int(self._random.random() * 100), self._draw_lead()
        kind = self._kinds[choice] if choice < len(self._kinds) else "page"
        self.drawn[kind] += 1
        if kind == IDENTIFY:
            return self._identify(lead)
        if kind in MAILS:
            properties = {"campaign_id": f"n-{choice % 10}", "automated": False, "email": _email(lead)}
            return {"type": "track", "event": kind, "properties": properties}
        if kind == "page":
            return self._page() | self._ids(lead)
        properties = {"revenue": 1 + choice % 7 / 2} if kind == "Order Completed" else {"plan": "a"}
        return {"type": "track", "event": kind, "properties": properties} | self._ids(lead)

    def _page(self) -> dict[str, Any]:
        page: dict[str, Any] = {"type": "page", "properties": {"url": self._random.choice(URLS)}}
        if self._random.random() < WITH_CAMPAIGN:
            self.drawn["campaign"] += 1
            page["context"] = {"campaign": self._random.choice(CAMPAIGNS)}
        return page

    def _identify(self, lead: int) -> dict[str, Any]:
        """Repeat the traits of a lead, or change one; the first identify of a lead changes all."""
        if self._random.random() < CHANGED or not self._versions:
            self._versions[lead] = self._versions.get(lead, -1) + 1
            self.drawn["changed"] += 1
        while lead not in self._versions:
            lead = self._draw_lead()
        version = self._versions[lead]
        traits = {
            "email": _email(lead),
            "name": f"Ana Berg {lead}",
            "title": TITLES[(lead + version) % len(TITLES)],
            "company": "Deltaline",
            "employees": 50 + 10 * version,
        }
        return {"type": IDENTIFY, "traits": traits} | self._ids(lead)

    def _ids(self, lead: int) -> dict[str, str]:
        """The ids in the calls of a lead: even ones are visitors first."""
        visitor = {"anonymousId": f"a-{lead}"} if lead % 2 == 0 else {}
        return visitor | ({"userId": f"u-{lead}"} if lead % 2 or lead in self._versions else {})

    def _delay(self) -> int:
        """How long after its own time an event arrives."""
        if self._random.random() >= LATE:
            return int(self._random.random() * DISORDER_MS)
        self.drawn["late"] += 1
        return int(self._random.random() * LATE_MS)

    def _draw_lead(self) -> int:
        return int(LEADS * self._random.random() ** 2.5)


def lead_of(call: Mapping[str, Any]) -> str:
    """The id in a call that comes first; peers know leads by it, and join none."""
    return str(call.get("userId") or call.get("anonymousId") or call["properties"]["email"])


def events(count: int, end_ms: int, traffic: Traffic | None = None) -> Iterator[Event]:
    """``count`` events in log order, spread evenly over the thirty days before ``end_ms``."""
    traffic = traffic or Traffic()
    for n in range(count):
        at_ms = end_ms - SPAN_MS + SPAN_MS * n // count
        key, value = traffic.next(n, at_ms)
        yield Event(key, at_ms, value)


def adapted(count: int, end_ms: int) -> Iterator[tuple[Event, Headers]]:
    """The same as intake writes it to ``lead-events``: keyed by lead, with headers, and with a join where ids meet."""
    intake = Intake(Topics(), Partitioner(PARTITIONS))
    for offset, event in enumerate(events(count, end_ms)):
        record = SimpleNamespace(timestamp=event.at_ms, offset=offset, value=event.value, key=event.key)
        output = intake.adapt_records({"mixed:0": [record]}, end_ms)
        for rows in output.rows.values():
            for at_ms, key, value, headers in rows:
                yield Event(key.decode(), at_ms, value or b""), headers


async def preload(kafka: str, topic: str, count: int, end_ms: int, adapt: bool) -> int:
    """Create the topic and write the workload to it; return the number of records."""
    await create_topics(kafka, topic)
    written = 0
    async with AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=BATCH_BYTES) as producer:
        loader = Loader(producer, topic)
        source = adapted(count, end_ms) if adapt else ((event, []) for event in events(count, end_ms))
        for event, headers in source:
            await loader.add(event, headers)
            written += 1
        await loader.flush()
        await producer.flush()
    return written


def _email(lead: int) -> str:
    return f"ana.{lead}@deltaline.example"
