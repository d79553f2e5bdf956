"""Reads the output topics of a demo and counts alerts with their latency, rejects and stages."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.demo.stack import Stack
from streams.clock import now_ms
from streams.events.times import parse_ms
from streams.tasks import end_tasks

RECENT = 50
LATENCIES = 5000


@dataclass(slots=True)
class Seen:
    """The output of the worker so far."""

    alerts: int = 0
    recent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=RECENT))
    """The latest alerts, the newest first."""
    latencies_ms: deque[int] = field(default_factory=lambda: deque(maxlen=LATENCIES))
    """Times from the arrival of an event at its source topic until its alert is read from handoff."""
    reasons: Counter[str] = field(default_factory=Counter)
    on_alert: Callable[[dict[str, Any]], None] = lambda alert: None
    """Called with each alert."""
    stages: dict[str, str] = field(default_factory=dict)
    """Lead id -> stage according to lead-scores; empty if it is in no stage."""

    def latency_ms(self, share: float) -> int | None:
        """A quantile of the latencies; None if there are none."""
        return quantile(list(self.latencies_ms), share)


def quantile(values: list[int], share: float) -> int | None:
    """The quantile of the values for a share between 0 and 1; None if there are none."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else None


@asynccontextmanager
async def watching(stack: Stack) -> AsyncIterator[Seen]:
    """Read the output topics in the background."""
    seen = Seen()
    task = asyncio.create_task(_watch(stack, seen))
    try:
        yield seen
    finally:
        await end_tasks(task)


async def _watch(stack: Stack, seen: Seen) -> None:
    topics = stack.topics
    async with stack.consumer(topics.handoff, topics.rejected, topics.lead_scores) as consumer:
        while True:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                at_ms = now_ms()
                for record in records:
                    if place.topic == topics.handoff:
                        note_alert(seen, record.value, at_ms)
                    elif place.topic == topics.rejected:
                        seen.reasons[dict(record.headers)["reason"].decode()] += 1
                    else:
                        _note_score(seen, record)


def note_alert(seen: Seen, value: bytes, at_ms: int) -> None:
    """Count an alert that was read at ``at_ms``."""
    event = orjson.loads(value)
    if "account" in event["data"]:
        return
    seen.alerts += 1
    seen.recent.appendleft(event)
    seen.on_alert(event)
    if event["data"]["cause"] == "event":
        arrived_ms = parse_ms(event["data"]["triggering_event"]["received_at"])
        seen.latencies_ms.append(max(at_ms - (arrived_ms or at_ms), 0))


def _note_score(seen: Seen, record: Any) -> None:
    lead_id = record.key.decode()
    if record.value is None:
        seen.stages.pop(lead_id, None)
    else:
        seen.stages[lead_id] = orjson.loads(record.value)["stage"] or ""
