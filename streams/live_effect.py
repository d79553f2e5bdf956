"""Measures the effect of changed scorecards on the leads in the store, in several processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Final

from streams.scoring.effect import Effect, measure_effect
from streams.scoring.rules import Rules
from streams.scoring.rules_change import Undo
from streams.scoring.scorecard import Model
from streams.store.base import Store

BATCH: Final = 2000
"""Leads that a process measures at a time."""
FEW: Final = 10_000
"""Up to so many leads, starting processes would take longer than measuring."""
MOST_PROCESSES: Final = 8

Blobs = list[tuple[str, bytes]]
_change: list[tuple[Rules, Rules, int, Undo | None]] = []
"""In a process of the pool: old and new rules, the instant of the change, and what it takes back."""


async def measure_store(  # noqa: PLR0913, PLR0917 - they are all needed
    store: Store,
    partitions: int,
    old: Rules,
    new: Rules,
    now_ms: int,
    on_progress: Callable[[int, int], None] = lambda done, leads: None,
    undo: Undo | None = None,
) -> Effect:
    """Measure the effect of a change at ``now_ms`` on all stored leads.

    Memory does not grow with the number of leads, except for the ids of one shard. ``on_progress`` is called with the
    number of entries that were read, and that of all; entries include other ids of leads.
    """
    counts = [await store.counts(partition) for partition in range(partitions)]
    total, done, effect = sum(count["leads"] for count in counts), 0, Effect(old, new)
    waiting: set[asyncio.Future[Effect]] = set()
    with _start_measuring(total, old, new, now_ms, undo) as (measure, most):
        async for batch in _read_batches(store, partitions):
            waiting.add(asyncio.ensure_future(measure(batch)))
            done += len(batch)
            on_progress(done, max(done, total))
            if len(waiting) >= most:
                finished, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for future in finished:
                    effect.merge(future.result())
        for one in await asyncio.gather(*waiting):
            effect.merge(one)
    return effect


async def count_alerts(store: Store, partitions: int, old: Rules, new: Rules) -> int:
    """The number of alerts that a change would send now."""
    return (await measure_store(store, partitions, old, new, await store.time_ms())).alerts


async def _read_batches(store: Store, partitions: int) -> AsyncIterator[Blobs]:
    """Every entry once."""
    batch: Blobs = []
    for partition in range(partitions):
        seen: set[str] = set()
        async for lead_id, blob in store.scan(partition):
            if lead_id in seen:
                continue
            seen.add(lead_id)
            batch.append((lead_id, blob))
            if len(batch) >= BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


@contextmanager
def _start_measuring(
    total: int, old: Rules, new: Rules, now_ms: int, undo: Undo | None
) -> Iterator[tuple[Callable[[Blobs], Awaitable[Effect]], int]]:
    """A function that measures a batch elsewhere, and how many batches keep it busy."""
    if total <= FEW:
        yield lambda batch: asyncio.to_thread(measure_effect, batch, old, new, now_ms, undo), 2
        return
    loop, count = asyncio.get_running_loop(), min(os.cpu_count() or 1, MOST_PROCESSES)
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and connections
    pool = ProcessPoolExecutor(count, context, _begin, (old.model, new.model, now_ms, undo))
    try:
        yield lambda batch: loop.run_in_executor(pool, _measure_batch, batch), 2 * count
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(old: Model, new: Model, now_ms: int, undo: Undo | None) -> None:
    """Prepare a process of the pool; Ctrl-C is for the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _change.append((Rules(old), Rules(new), now_ms, undo))


def _measure_batch(batch: Blobs) -> Effect:
    return measure_effect(batch, *_change[0])
