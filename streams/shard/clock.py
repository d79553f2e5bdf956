"""The clock of the shards of a worker; it never passes a record that may still arrive."""

from __future__ import annotations

from streams.clock import SharedClock
from streams.shard.watermark import GRACE_MS

BEHIND_MS = 60_000
"""A backlog older than this is processed without timers, because they would change only the promptness."""


class ShardClock:
    """The clock that all lanes of a worker share."""

    def __init__(self, clock: SharedClock) -> None:
        """``clock`` is the clock of all workers."""
        self._clock = clock
        self.watermark_ms = 0
        """Everything that arrived before this instant is scored; 0 if that is not known yet."""

    def timer_ms(self, now_ms: int) -> int:
        """How far timers may run at this time."""
        return min(now_ms, self.watermark_ms)

    def now(self, arrived_ms: int, caught_up: bool) -> int | None:
        """The wall-clock time if the shard has caught up; else the last arrival; None if far behind.

        ``arrived_ms`` is the arrival time of the last record that the shard has processed.
        """
        wall = self._clock.now_ms() - GRACE_MS
        if caught_up:
            return wall
        return None if wall - arrived_ms > BEHIND_MS else min(arrived_ms, wall)
