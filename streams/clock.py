"""The only place in ``streams`` that reads a clock."""

from __future__ import annotations

import time


def now_ms() -> int:
    """The wall clock, in ms since the epoch."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that only ever grow, for durations."""
    return time.monotonic()
