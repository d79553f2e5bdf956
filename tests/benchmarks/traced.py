"""``leadglow worker`` that notes when records reach each stage: ``traced FILE``.

The worker is as it is otherwise. Each note is a stage, a place, the first and last offset there, and a time of the
monotonic clock, which all processes of a machine share. They are written to the file when the worker ends.
"""

from __future__ import annotations

import atexit
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

from faust.types import TP

import streams.engine
import streams.shard.lane
import streams.worker
from app.__main__ import main as run
from streams.events.outgoing import Outgoing
from streams.intake.adapt import Intake
from streams.intake.lane import IntakeLane
from streams.metrics import Metrics
from streams.shard.lane import ShardLane
from streams.shard.relay import Relay
from streams.shard.shard import Shard
from streams.transport.producer import Producer
from streams.worker import Worker, WorkerConfig

Place = tuple[str | int, int, int]
"""A partition and the first and last offset of some records on it."""
notes: list[tuple[str, str | int, int, int, float]] = []
_intake: list[Place] = []
"""The records that intake is forwarding."""
_step: ContextVar[Place | None] = ContextVar("step", default=None)
"""The records of the step in progress."""


def note(stage: str, *places: Place) -> None:
    """Note that records have reached a stage."""
    at_s = time.perf_counter()
    notes.extend((stage, *place, at_s) for place in places)


class TracedIntakeLane(IntakeLane):
    """Notes the records that are fetched from source topics."""

    def enqueue(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        """Add them to the queue."""
        note("source_fetch", *(_place(tp.partition, records) for tp, records in fetched.items()))
        super().enqueue(fetched)


class TracedIntake(Intake):
    """Notes the records that are converted."""

    def adapt_records(self, fetched: Mapping[str, Any], now_ms: int) -> Any:
        """Convert them."""
        output = super().adapt_records(fetched, now_ms)
        _intake[:] = [_place(int(place.rpartition(":")[2]), records) for place, records in fetched.items()]
        note("intake", *_intake)
        return output


class TracedProducer(Producer):
    """Notes the records of intake that are acknowledged."""

    async def deliver_batches(self, topic: str, rows: Any, *options: Any) -> None:
        """Send them."""
        await super().deliver_batches(topic, rows, *options)
        if "lead-events" in topic and not options:  # not from a relay
            note("lead_events_produce", *_intake)


class TracedShardLane(ShardLane):
    """Notes the records that are fetched from lead-events."""

    def enqueue(self, records: Sequence[Any], highwater: int) -> None:
        """Add them to the queue."""
        note("lead_events_fetch", _place(self.shard.partition, records))
        super().enqueue(records, highwater)


class TracedShard(Shard):
    """Remembers the records of the step in progress, and notes published and timed leads."""

    async def score_batch(self, records: Sequence[Any]) -> None:
        """Score them."""
        _step.set(_place(self.partition, records))
        await super().score_batch(records)
        _step.set(None)

    async def advance_due(self, now_ms: int, most: int = 500) -> int:
        """Advance the leads that are due."""
        done = await super().advance_due(now_ms, most)
        note("timed_leads", (self.partition, 0, done))
        return done

    def mark_published(self, versions: dict[str, int], *ahead: Any) -> None:
        """Take note of published scores."""
        note("published_leads", (self.partition, 0, len(versions)))
        super().mark_published(versions, *ahead)


class TracedRelay(Relay):
    """Notes the alerts that are acknowledged."""

    async def _deliver(self, records: Sequence[Outgoing]) -> int | None:
        offset = await super()._deliver(records)
        note("relay", *((record.key.decode(), 0, 0) for record in records if record.key))
        return offset


class TracedWorker(Worker):
    """Notes the steps of its shards."""

    def __init__(self, config: WorkerConfig, metrics: Metrics) -> None:
        config.reached = _note_step
        super().__init__(config, metrics)


TRACED: Sequence[tuple[ModuleType, type]] = (
    (streams.engine, TracedIntakeLane),
    (streams.engine, TracedIntake),
    (streams.engine, TracedShardLane),
    (streams.engine, TracedShard),
    (streams.shard.lane, TracedRelay),
    (streams.worker, TracedProducer),
    (streams.worker, TracedWorker),
)
"""The module in which each class replaces the one of the same name."""


async def _note_step(name: str) -> None:
    place = _step.get()
    if place is not None:
        note(name, place)


def _place(partition: int, records: Sequence[Any]) -> Place:
    return partition, records[0].offset, records[-1].offset


def main() -> None:
    """Run the worker."""
    for module, traced in TRACED:
        setattr(module, traced.__name__.removeprefix("Traced"), traced)
    file = Path(sys.argv[1])
    atexit.register(lambda: file.write_text(json.dumps(notes)))
    sys.argv[1:] = ["worker"]
    run()


if __name__ == "__main__":
    main()
