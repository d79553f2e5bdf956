"""The low watermark: the instant before which nothing arrived that is still to be scored. Timers run up to it.

A record that a shard has yet to score may keep a lead warm, also one on a source topic that intake has yet to forward,
and one that another shard has yet to send on. So a round takes an instant first, and then waits until each of these
has been scored. Records that arrive meanwhile do not delay it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from faust.types import TP

GRACE_MS: Final = 1000
"""Watermark and shown scores stay behind the clock by this much, as the clock of a broker may differ from it."""
MAX_HOPS: Final = 3
"""How often a round waits for what shards have sent on meanwhile: a joined lead may have been joined itself."""

Offsets = Mapping[TP, int]
Pause = Callable[[], Awaitable[Any]]


class Reach(NamedTuple):
    """How far a shard has come."""

    scored: int
    """The next offset to score."""
    written: int
    """The number of the last outbox entry."""
    sent: int
    """The number of the last outbox entry that Kafka has acknowledged."""


class Progress(Protocol):
    """What a round must know of all workers of the group."""

    async def source_ends(self) -> Offsets:
        """The end of each source partition."""

    async def forwarded(self, targets: Offsets) -> Offsets:
        """The offset before which all records of these source partitions are on ``lead-events``."""

    async def log_ends(self) -> Offsets:
        """The end of each partition of ``lead-events``."""

    async def shards(self) -> Mapping[TP, Reach]:
        """How far each shard has come."""


async def find_watermark(progress: Progress, now_ms: int, pause: Pause) -> int:
    """Do a round; returns the instant before which everything that arrived is scored.

    ``pause`` is awaited between two looks at the progress.
    """
    sources = await progress.source_ends()
    while not _are_reached(await progress.forwarded(sources), sources):
        await pause()
    written = await _wait_until_sent(progress, pause)
    for _ in range(MAX_HOPS):
        ends = await progress.log_ends()
        while not _are_reached({tp: shard.scored for tp, shard in (await progress.shards()).items()}, ends):
            await pause()
        before, written = written, await _wait_until_sent(progress, pause)
        if written == before:
            break
    return now_ms - GRACE_MS


async def _wait_until_sent(progress: Progress, pause: Pause) -> Offsets:
    """Wait until everything that the shards have written is sent; returns the numbers of their last entries."""
    written = {tp: shard.written for tp, shard in (await progress.shards()).items()}
    while not _are_reached({tp: shard.sent for tp, shard in (await progress.shards()).items()}, written):
        await pause()
    return written


def _are_reached(reached: Offsets, targets: Offsets) -> bool:
    return all(reached.get(tp, 0) >= target for tp, target in targets.items())
