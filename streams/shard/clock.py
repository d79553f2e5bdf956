"""The time of the shards of a worker: never later than records that may still arrive."""

from __future__ import annotations

from collections.abc import Callable

from streams.clock import SharedClock

GRACE_MS = 250
"""The timer stays behind the wall clock by this, so that records on their way come first."""
BEHIND_MS = 60_000
"""A backlog older than this is worked off without timers: they would change promptness only."""


class ShardClock:
    """One for all lanes of a worker."""

    def __init__(self, intake: Callable[[], int], clock: SharedClock) -> None:
        """``intake`` tells before which instant no record is still on its way through this worker's intake."""
        self._intake = intake
        self._clock = clock
        self.sources_behind = False
        """Events wait on the source topics that may keep leads from cooling."""

    def now(self, arrived_ms: int, caught_up: bool) -> int | None:
        """The wall's time for a shard that has caught up, intake too; else the last arrival; None far behind.

        ``arrived_ms`` is the arrival of the last record that the shard has taken.
        """
        now = self._clock.now_ms()
        wall = min(now - GRACE_MS, self._intake())
        if now - wall > BEHIND_MS:
            return None
        if caught_up and not self.sources_behind:
            return wall
        return None if wall - arrived_ms > BEHIND_MS else min(arrived_ms, wall)
