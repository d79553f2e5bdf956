"""Runs a demo without a screen: sends events, waits for them, verifies the result and prints a summary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from aiokafka.structs import TopicPartition

from app.demo.feed import Feed, end_offsets, until_done
from app.demo.generator import Traffic
from app.demo.stack import Stack
from app.demo.verify import Alert, Findings, Record, Run, verify
from app.demo.watch import watching
from streams.clock import monotonic_s
from streams.events.times import parse_ms
from streams.scorefile import load_file
from streams.scoring.rules import Rules


@dataclass(slots=True)
class Summary:
    """The result of a run. ``events`` is the number sent; the other counts are those found by the verification."""

    events: int
    rejected: int
    duplicates: int
    leads: int
    alerts: int
    events_per_second: int
    """Measured from the first event sent until all results are sent."""
    event_to_handoff_ms_p50: int | None
    event_to_handoff_ms_p99: int | None
    mismatches: int
    early_timers: int
    """Leads that cooled shortly before an older event of theirs was read."""
    seconds: float
    kafka: str
    redis: str
    collector: str
    """The URL of the collector."""
    board: str
    """The URL of the board."""
    explained: list[str] = field(default_factory=list)

    def json(self) -> str:
        """Encode the result as a JSON object on one line."""
        return orjson.dumps(dict(self.rows())).decode()

    def rows(self) -> list[tuple[str, Any]]:
        """(name, value) of everything except the explanations."""
        return [(name, value) for name, value in asdict(self).items() if name != "explained"]


@dataclass(frozen=True, slots=True)
class Order:
    """The traffic to send."""

    events: int
    rate: float
    leads: int
    seed: int


async def run(stack: Stack, order: Order, kafka: str, redis: str) -> Summary:
    """Send, wait and verify; ``kafka`` and ``redis`` are descriptions of the servers for the summary."""
    began_s = monotonic_s()
    feed = Feed(stack, Traffic(order.seed, order.leads), order.rate)
    async with watching(stack) as seen:
        await feed.run(order.events)
        done_ms = await until_done(stack, order.events)
        took_s = monotonic_s() - began_s
        rules = Rules(load_file(stack.settings.scorecards), stack.settings.lateness_hours * 3_600_000)
        findings = verify(await read_back(stack, done_ms), rules)
    return Summary(
        feed.sent,
        findings.rejected,
        findings.duplicates,
        findings.leads,
        findings.alerts,
        round(order.events / took_s),
        seen.latency_ms(0.5),
        seen.latency_ms(0.99),
        len(findings.mismatches),
        findings.early_timers,
        round(monotonic_s() - began_s, 2),
        kafka,
        redis,
        stack.collector,
        stack.board,
        findings.mismatches,
    )


async def read_back(stack: Stack, done_ms: int) -> Run:
    """Read all input and output of the run from Kafka and Redis."""
    topics, partitions = stack.topics, range(stack.settings.partitions)
    states = {(p, lead_id): blob for p in partitions async for lead_id, blob in stack.store.scan(p)}
    metrics = await stack.metrics()
    topic = await _records(stack, *topics.sources, topics.lead_events, topics.handoff, topics.rejected)
    return Run(
        done_ms=done_ms,
        topics=topics,
        partitions=len(partitions),
        sources={f"{t.topic}:{t.partition}": found for t, found in topic.items() if t.topic in topics.sources},
        lead_events=[topic[TopicPartition(topics.lead_events, p)] for p in partitions],
        rejected=[record for t, found in topic.items() if t.topic == topics.rejected for record in found],
        alerts=[_alert(record) for t, found in topic.items() if t.topic == topics.handoff for record in found],
        states=states,
        duplicates=int(metrics.get(("leadglow_events_total", "duplicates"), 0)),
    )


async def _records(stack: Stack, *names: str) -> dict[TopicPartition, Sequence[Record]]:
    """Read all records of these topics, by partition."""
    found: dict[TopicPartition, list[Any]] = defaultdict(list)
    async with stack.consumer(*names) as consumer:
        ends = await end_offsets(consumer)
        await consumer.seek_to_beginning(*ends)
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                found[place] += [record for record in records if record.offset < ends[place]]
        return {place: found[place] for place in ends}


def _alert(record: Record) -> Alert:
    event = orjson.loads(record.value or b"")
    return Alert(event["id"], event["subject"], parse_ms(event["time"]) or 0, event["data"]["cause"])


__all__ = ["Findings", "Order", "Summary", "read_back", "run"]
