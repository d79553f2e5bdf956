"""Divide time into the UTC calendar buckets of limits: hours, days, ISO weeks, months, quarters, years."""

from __future__ import annotations

from streams.scoring.scorecard import Period
from streams.units import DAY_MS, HOUR_MS, WEEK_MS

_WIDTHS: dict[Period, int] = {"hour": HOUR_MS, "day": DAY_MS, "week": WEEK_MS}
_MONTHS: dict[Period, int] = {"month": 1, "quarter": 3, "year": 12}
_THURSDAY_MS = 3 * DAY_MS
"""The epoch began on a Thursday; ISO weeks begin on Mondays."""


class Buckets:
    """The buckets of one period, each with a number; ``ever`` is one bucket without an end."""

    def __init__(self, period: Period) -> None:
        """Set the period."""
        self.width = _WIDTHS.get(period, 0)
        """Width of a bucket in ms; 0 if the buckets have no common width."""
        self.shift = _THURSDAY_MS if period == "week" else 0
        self.months = _MONTHS.get(period, 0)
        """Number of months of a bucket; 0 for other buckets."""
        self.endless = not (self.width or self.months)

    def number(self, at_ms: int) -> int:
        """The number of the bucket that contains an instant."""
        if self.months:
            return month_at(at_ms // DAY_MS) // self.months
        return (at_ms + self.shift) // self.width if self.width else 0

    def start_ms(self, number: int) -> int:
        """The first instant of a bucket that is not endless."""
        if self.months:
            return first_day(number * self.months) * DAY_MS
        return number * self.width - self.shift


def month_at(day: int) -> int:
    """The month that contains a day, as 12 for each year plus the months before it; days count from 1970-01-01."""
    day += 719_468  # from 0000-03-01 on, so that leap days end their years
    era, rest = day // 146_097, day % 146_097
    year = (rest - rest // 1460 + rest // 36_524 - rest // 146_096) // 365
    day_of_year = rest - (365 * year + year // 4 - year // 100)
    return 12 * (400 * era + year) + (5 * day_of_year + 2) // 153 + 2


def first_day(month: int) -> int:
    """The first day of a month, as in ``month_at``."""
    month -= 2
    year, rest = month // 12, month % 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * rest + 2) // 5 - 719_468
