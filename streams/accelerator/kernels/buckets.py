"""Divide time into the calendar buckets of limits, as ``scoring.buckets`` does."""

from __future__ import annotations

import numpy as np

from streams.accelerator.jit import compiled
from streams.scoring.counting import DAY_MS


@compiled
def is_endless(rule):
    """``Buckets.endless``."""
    return rule.width == 0 and rule.months == 0


@compiled
def bucket_of(rule, at_ms):
    """``Buckets.number``."""
    if rule.months:
        return _month_at(at_ms // DAY_MS) // rule.months
    return (at_ms + rule.shift) // rule.width if rule.width else np.int64(0)


@compiled
def bucket_start(rule, number):
    """``Buckets.start_ms``."""
    if rule.months:
        return _first_day(number * rule.months) * DAY_MS
    return number * rule.width - rule.shift


@compiled
def _month_at(day):
    """``buckets.month_at``."""
    day += 719_468
    era, rest = day // 146_097, day % 146_097
    year = (rest - rest // 1460 + rest // 36_524 - rest // 146_096) // 365
    day_of_year = rest - (365 * year + year // 4 - year // 100)
    return 12 * (400 * era + year) + (5 * day_of_year + 2) // 153 + 2


@compiled
def _first_day(month):
    """``buckets.first_day``."""
    month -= 2
    year, rest = month // 12, month % 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * rest + 2) // 5 - 719_468
