"""The lane of intake: one task that forwards fetched records to ``lead-events``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from faust.types import TP

from streams.clock import monotonic_s, now_ns
from streams.environment import Environment
from streams.intake.adapt import Intake
from streams.tasks import end_tasks
from streams.transport.channel import MAX_RECORDS, Channel


class IntakeLane:
    """Forwards fetched records in order, and keeps the position reached in each source partition."""

    def __init__(self, intake: Intake, channel: Channel, env: Environment) -> None:
        """Create the lane; ``start`` starts its task."""
        self._tracer = env.tracer
        self._intake = intake
        self._clock = env.clock
        self._channel = channel
        self._queue: list[Mapping[TP, Sequence[Any]]] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self.positions: dict[TP, int] = {}
        """Source partition -> next offset; all earlier records are acknowledged on lead-events."""
        self.progress_s = monotonic_s()
        """When records were last forwarded or began to wait, on the monotonic clock."""
        self.behind = False
        """Whether the source partitions held records that were not fetched yet, at the last check."""

    def start(self) -> None:
        """Start the task, unless it runs already."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop at once. Records that are not acknowledged will be fetched again."""
        await end_tasks(self._task)
        self._task = None

    @property
    def failure(self) -> BaseException | None:
        """The error that ended the lane, if any."""
        task = self._task
        return task.exception() if task is not None and task.done() and not task.cancelled() else None

    @property
    def is_full(self) -> bool:
        """Whether the queue is full."""
        return self._waiting >= MAX_RECORDS

    @property
    def is_idle(self) -> bool:
        """Whether all fetched records are forwarded and acknowledged."""
        return self._idle.is_set()

    def enqueue(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        """Add fetched records to the queue."""
        self._queue.append(fetched)
        self._waiting += sum(map(len, fetched.values()))
        if self.is_idle:
            self.progress_s = monotonic_s()
        self._idle.clear()
        self._wake.set()

    async def drain(self) -> None:
        """Clear the queue and finish the batch in progress, before partitions are revoked."""
        self._queue.clear()
        self._waiting = 0
        if self._task is not None and not self._task.done():
            await self._idle.wait()

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
                continue
            fetched: dict[TP, list[Any]] = {}
            for waiting in self._queue:
                for tp, records in waiting.items():
                    fetched.setdefault(tp, []).extend(records)
            self._queue.clear()
            self._waiting = 0
            await self._forward_records(fetched)

    async def _forward_records(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        begin_ns = now_ns()
        places = {f"{tp.topic}:{tp.partition}": records for tp, records in fetched.items()}
        output = self._intake.adapt_records(places, self._clock.now_ms())
        await asyncio.gather(
            self._channel.producer.deliver_batches(self._channel.topics.lead_events, output.batches or output.rows),
            self._channel.producer.deliver(output.rejects),
        )
        for reason in output.reasons:
            self._channel.metrics.rejected.labels(reason).inc()
        self._channel.metrics.records.labels("intake").inc(sum(map(len, fetched.values())))
        for tp, records in fetched.items():
            self.positions[tp] = records[-1].offset + 1
        if self._tracer is not None:
            self._tracer.trace_intake(fetched, begin_ns, now_ns())
        self.progress_s = monotonic_s()
