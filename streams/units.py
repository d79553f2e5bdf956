"""Units of time, and durations in the notation of files, settings and commands: ``7d``."""

from __future__ import annotations

import math
from typing import Final

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
WEEK_MS: Final = 7 * DAY_MS
DAY_S: Final = DAY_MS // SECOND_MS
UNITS_MS: Final = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": WEEK_MS}


def parse_duration_ms(text: str) -> float:
    """Convert a number with a unit, such as ``1.5h``, to milliseconds.

    Raises:
        ValueError, KeyError: the text is not a number with a unit.
    """
    return float(text[:-1]) * UNITS_MS[text[-1]]


def format_duration(ms: float) -> str:
    """Format a duration in the largest unit that divides it; ``never`` for an infinite duration."""
    if math.isinf(ms):
        return "never"
    unit = next((unit for unit in reversed(UNITS_MS) if ms >= UNITS_MS[unit] and ms % UNITS_MS[unit] == 0), "s")
    return f"{ms / UNITS_MS[unit]:g}{unit}"
