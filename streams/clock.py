"""The clocks of the engine: the machine's own, and the clock of Redis that all workers share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)
MEASURE_S = 5.0
"""The interval between two measurements of the shared clock."""
SLOW_S = 0.2
"""A measurement that takes longer is not used, unless there is no recent one."""
STEADY_MS = 50
"""Smaller changes are considered measurement errors."""
WRONG_MS = 1000
"""A larger difference is logged as a warning that the machine's clock is wrong."""


def now_ms() -> int:
    """The wall-clock time in ms since the epoch."""
    return time.time_ns() // 1_000_000


def now_ns() -> int:
    """The wall-clock time in ns since the epoch."""
    return time.time_ns()


def monotonic_s() -> float:
    """The monotonic clock in seconds, for durations."""
    return time.monotonic()


@dataclass(slots=True)
class SharedClock:
    """The clock of the store, which all workers use for their writes; before the first measurement the machine's own.

    Between measurements the monotonic clock is added. The time never goes back.
    """

    on_offset: Callable[[float], None] = lambda seconds: None
    """Called with each measured offset: the seconds by which the machine's clock is ahead."""
    _epoch_ms: float | None = None
    """The shared time at which the monotonic clock was zero."""
    _latest_ms: int = 0
    _measured_s: float = field(default_factory=monotonic_s)
    _warned: bool = False

    def now_ms(self) -> int:
        """The shared time, in ms since the epoch."""
        now = now_ms() if self._epoch_ms is None else int(self._epoch_ms + monotonic_s() * 1000)
        self._latest_ms = max(self._latest_ms, now)
        return self._latest_ms

    async def follow(self, read_ms: Callable[[], Awaitable[int]]) -> None:
        """Measure regularly; never returns. ``read_ms`` returns the store's time in ms since the epoch."""
        while True:
            await asyncio.sleep(MEASURE_S)
            await self.measure(read_ms)

    async def measure(self, read_ms: Callable[[], Awaitable[int]]) -> None:
        """Read the store's clock once and adjust this one."""
        before_s = monotonic_s()
        store_ms = await read_ms()
        after_s = monotonic_s()
        usual = self._epoch_ms is not None and after_s - self._measured_s < 10 * MEASURE_S
        if usual and after_s - before_s > SLOW_S:
            return
        self._measured_s = after_s
        epoch_ms = store_ms - (before_s + after_s) / 2 * 1000
        if self._epoch_ms is None or abs(epoch_ms - self._epoch_ms) >= STEADY_MS:
            self._epoch_ms = epoch_ms
        self._compare_with_own(now_ms() - (self._epoch_ms + monotonic_s() * 1000))

    def _compare_with_own(self, ahead_ms: float) -> None:
        self.on_offset(ahead_ms / 1000)
        wrong = abs(ahead_ms) > WRONG_MS
        if wrong and not self._warned:
            log.warning(
                "this machine's clock is %.1f s %s that of Redis: scoring uses the clock of Redis; correct this one",
                abs(ahead_ms) / 1000, "ahead of" if ahead_ms > 0 else "behind",
            )  # fmt: skip
        elif self._warned and not wrong:
            log.warning("this machine's clock agrees with that of Redis again")
        self._warned = wrong
