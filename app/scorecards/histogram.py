"""Groups scores into the few rows of a histogram. Pure."""

from __future__ import annotations

from math import ceil, floor, isfinite
from typing import Any, NamedTuple

BINS = 10
"""Rows of a histogram."""
WIDE = 1000
"""A range with more points than this is cut to the scores that occur."""


class Bin(NamedTuple):
    """One row: whole scores from ``low`` to ``high``, and the leads with them before and after a change."""

    low: int
    high: int
    before: int = 0
    after: int = 0


def split_range(low: float, high: float, rows: int = BINS) -> list[Bin]:
    """Empty rows from the lowest score to the highest; the highest score belongs to the last row."""
    first, last = floor(low), floor(high)
    width = max(ceil((last - first) / rows), 1)
    starts = list(range(first, last, width)) or [first]
    return [Bin(start, end) for start, end in zip(starts, [start - 1 for start in starts[1:]] + [last], strict=True)]


def is_wide(low: float, high: float) -> bool:
    """Whether a range has too many points to be divided whole."""
    return not (isfinite(high - low) and high - low <= WIDE)


def bin_scores(card: dict[str, Any]) -> list[Bin]:
    """The scores of a scorecard in a report, from the lowest row that is used to the highest."""
    scores = card["scores"]
    low, high = card["range"]
    if scores and is_wide(low, high):
        low, high = scores[0]["from"], scores[-1]["from"]
    bins = split_range(low, high)
    width = bins[0].high - bins[0].low + 1
    for row in scores:
        at = min(max((row["from"] - bins[0].low) // width, 0), len(bins) - 1)
        bins[at] = bins[at]._replace(before=bins[at].before + row["before"], after=bins[at].after + row["after"])
    used = [i for i, row in enumerate(bins) if row.before or row.after]
    return bins[used[0] : used[-1] + 1] if used else []
