"""The workload "leads": a few hot leads with a long tail, thirty days of events in log order.

Everything follows from the seed, the number of events and the end of the thirty days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.events.records import Headers
from streams.transport.topics import Partitioner

PARTITIONS = 4
LEADS = 50_000
SPAN_MS = 30 * 86_400_000
DISORDER_MS = 60_000
BATCH_BYTES = 64 * 1024
PATHS = ["/", "/pricing", "/jobs", "/blog", "/docs", "/about", "/cases", "/news", "/product/a", "/product/b"]
URLS = [f"https://www.acme.example{path}?utm_source=mail" for path in PATHS]
TRACKS = {
    "Email Opened": 18,
    "Email Link Clicked": 6,
    "Whitepaper Downloaded": 3,
    "Form Submitted": 2,
    "Webinar Attended": 1,
    "Unsubscribed": 2,
    "Heartbeat": 8,
}
"""Share of each track call in percent; the rest are page views."""

PAGE = '{"type":"page","messageId":"m-%d","userId":"%s","timestamp":"%s","properties":{"url":"%s"}}'
TRACK = (
    '{"type":"track","event":"%s","messageId":"m-%d","userId":"%s","timestamp":"%s",'
    '"properties":{"campaign_id":"n-%d","automated":false}}'
)


class Event(NamedTuple):
    """One record to come: ``at_ms`` is its place in the log, at or after the event's own time."""

    key: str
    at_ms: int
    value: bytes


def iso(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _kinds() -> list[str]:
    """The hundred equally likely kinds of event: the name of a track call, or "" for a page view."""
    tracks = [name for name, share in TRACKS.items() for _ in range(share)]
    return tracks + [""] * (100 - len(tracks))


def lead_of(n: int, chance: float) -> int:
    """The lead of an event by chance: a few busy leads and a long tail."""
    return int(LEADS * chance**2.5)


def events(
    count: int,
    end_ms: int,
    span_ms: int = SPAN_MS,
    seed: int = 7,
    choose_lead: Callable[[int, float], int] = lead_of,
) -> Iterator[Event]:
    """``count`` events in log order, spread evenly over the ``span_ms`` before ``end_ms``.

    ``choose_lead`` gets the number of the event and a chance between 0 and 1.
    """
    draw, kinds = Random(seed).random, _kinds()
    for n in range(count):
        at_ms = end_ms - span_ms + span_ms * n // count
        lead = f"u-{choose_lead(n, draw())}"
        when = iso(at_ms - int(draw() * min(DISORDER_MS, span_ms)))
        name, choice = kinds[int(draw() * 100)], int(draw() * 10)
        text = TRACK % (name, n, lead, when, choice) if name else PAGE % (n, lead, when, URLS[choice])
        yield Event(lead, at_ms, text.encode())


VERDICTS = ["Lead Contacted", "Lead Rejected", "Lead Recycled", "Lead Contacted", "Lead Accepted"]
VERDICT_EVERY = 500
"""So many events of leads come for one verdict of sales: about two verdicts for each alert."""


def with_verdicts(backlog: Iterable[Event]) -> Iterator[Event]:
    """The events, and after every 500th a verdict of sales on its lead."""
    for n, event in enumerate(backlog, 1):
        yield event
        if n % VERDICT_EVERY == 0:
            name = VERDICTS[n // VERDICT_EVERY % len(VERDICTS)]
            call = {"type": "track", "event": name, "messageId": f"verdict-{n}", "userId": event.key}
            by = {"properties": {"reason": "other"}, "context": {"by": "ben@acme.example"}}
            yield Event(event.key, event.at_ms, orjson.dumps(call | by | {"timestamp": iso(event.at_ms)}))


def demo_request(lead: str, at_ms: int) -> Event:
    """The event that makes a fresh lead hot at once."""
    call = {"type": "track", "event": "Demo Requested", "messageId": lead, "userId": lead}
    return Event(lead, at_ms, orjson.dumps(call | {"timestamp": iso(at_ms)}))


async def create_topics(kafka: str, *names: str) -> None:
    """Create topics that keep records with any timestamp; those of scores and scorecards are compacted."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=_configs(name)) for name in names])
    finally:
        await admin.close()


def _configs(name: str) -> dict[str, str]:
    is_compacted = name.endswith(("scores", "scorecards-topic"))
    return {"retention.ms": "-1", "cleanup.policy": "compact" if is_compacted else "delete"}


class Loader:
    """Writes events in record batches, each to its partition, as a busy producer would."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._partition_of = Partitioner(PARTITIONS)
        self._open: dict[int, BatchBuilder] = {}

    async def add(self, event: Event, headers: Headers | None = None) -> None:
        """Append to the open batch of the event's partition, and send that first if it is full."""
        partition = self._partition_of(event.key)
        fields = {"timestamp": event.at_ms, "key": event.key.encode(), "value": event.value, "headers": headers or []}
        batch = self._open.get(partition)
        if batch is None or batch.append(**fields) is None:
            await self._send(partition)
            batch = self._open[partition] = self._producer.create_batch()
            batch.append(**fields)

    async def flush(self) -> None:
        """Hand every open batch to the producer."""
        for partition in list(self._open):
            await self._send(partition)

    async def _send(self, partition: int) -> None:
        batch = self._open.pop(partition, None)
        if batch is not None:
            await self._producer.send_batch(batch, self._topic, partition=partition)


async def preload(kafka: str, topic: str, count: int, end_ms: int) -> None:
    """Create the topic and write the workload to it."""
    await create_topics(kafka, topic)
    await load(kafka, topic, events(count, end_ms))


async def load(kafka: str, topic: str, backlog: Iterable[Event]) -> None:
    """Write events to a topic."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=BATCH_BYTES) as producer:
        loader = Loader(producer, topic)
        for event in backlog:
            await loader.add(event)
        await loader.flush()
        await producer.flush()
