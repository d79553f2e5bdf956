"""The lane of intake: one task that carries fetched records over to ``lead-events``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from faust.types import TP

from streams.clock import SharedClock, monotonic_s
from streams.intake.adapt import Intake
from streams.transport.channel import MOST_RECORDS, Channel


class IntakeLane:
    """Carries it over in order, and knows how far that is."""

    def __init__(self, intake: Intake, channel: Channel, clock: SharedClock) -> None:
        """``start`` begins."""
        self._intake = intake
        self._clock = clock
        self._channel = channel
        self._queue: list[Mapping[TP, Sequence[Any]]] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._forwarding_ms = 0
        self.positions: dict[TP, int] = {}
        """Source partition -> the offset before which everything was acknowledged on lead-events."""
        self.progress_s = monotonic_s()
        """When something was carried over last, or began to wait, on the monotonic clock."""
        self.behind = False
        """Whether something lies on the source partitions that was not even fetched, as of the last look."""

    def start(self) -> None:
        """Begin."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop at once: what was not acknowledged will be fetched again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def failure(self) -> BaseException | None:
        """What ended the lane, if something did."""
        task = self._task
        return task.exception() if task is not None and task.done() and not task.cancelled() else None

    @property
    def is_full(self) -> bool:
        """Whether the lane has enough to do."""
        return self._waiting >= MOST_RECORDS

    @property
    def is_idle(self) -> bool:
        """Whether everything fetched was carried over and acknowledged."""
        return self._idle.is_set()

    def clock(self) -> int:
        """Everything fetched from the sources that arrived before this instant was carried over."""
        return self._clock.now_ms() if self._idle.is_set() else self._forwarding_ms

    def enqueue(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        """Take what was fetched."""
        self._queue.append(fetched)
        self._waiting += sum(map(len, fetched.values()))
        if self.is_idle:
            self.progress_s = monotonic_s()
        self._idle.clear()
        self._wake.set()

    async def drain(self) -> None:
        """Drop what waits and finish what is on its way, before partitions are given up."""
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
            self._forwarding_ms = min(records[0].timestamp for records in fetched.values())
            await self._forward_records(fetched)

    async def _forward_records(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        places = {f"{tp.topic}:{tp.partition}": records for tp, records in fetched.items()}
        output = self._intake.adapt_records(places, self._clock.now_ms())
        await asyncio.gather(
            self._channel.producer.deliver_batches(self._channel.topics.lead_events, output.rows),
            self._channel.producer.deliver(output.rejects),
        )
        for reason in output.reasons:
            self._channel.metrics.rejected.labels(reason).inc()
        self._channel.metrics.records.labels("intake").inc(sum(map(len, fetched.values())))
        for tp, records in fetched.items():
            self.positions[tp] = records[-1].offset + 1
        self.progress_s = monotonic_s()
