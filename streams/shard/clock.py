"""The clock of the shards of a worker; it never passes a record that may still arrive."""

from __future__ import annotations

import math
from collections.abc import Callable

from streams.clock import SharedClock

GRACE_MS = 1000
"""The timer stays behind the wall clock by this much, so that records in transit are processed first."""
BEHIND_MS = 60_000
"""A backlog older than this is processed without timers, because they would change only the promptness."""


class ShardClock:
    """The clock that all lanes of a worker share."""

    def __init__(self, intake: Callable[[], int], clock: SharedClock) -> None:
        """``intake`` returns an instant; this worker's intake holds no record that arrived before it."""
        self._intake = intake
        self._clock = clock
        self.sources_behind = False
        """Whether events wait on the source topics; they may keep leads from cooling."""
        self.log_reached_ms = math.inf
        """The arrival up to which the shards of all workers have scored; later records may still be sent on."""

    def timer_ms(self, now_ms: int) -> int:
        """How far timers may run at this time: not past records that intake or another shard may still send on."""
        return 0 if self.sources_behind else int(min(now_ms, self.log_reached_ms))

    def now(self, arrived_ms: int, caught_up: bool) -> int | None:
        """The wall-clock time if shard and intake have caught up; else the last arrival; None if far behind.

        ``arrived_ms`` is the arrival time of the last record that the shard has processed.
        """
        now = self._clock.now_ms()
        wall = min(now - GRACE_MS, self._intake())
        if now - wall > BEHIND_MS:
            return None
        if caught_up and not self.sources_behind:
            return wall
        return None if wall - arrived_ms > BEHIND_MS else min(arrived_ms, wall)
