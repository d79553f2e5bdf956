"""Divides the leads of a scorecard by their scores, from the number of leads at or above some of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf
from typing import Any, Final

from app.scorecards.histogram import Bin, is_wide, split_range
from streams.scoring.scorecard import Scorecard

View = dict[str, Any]
ROWS: Final = 20


class Distribution:
    """The rows of a histogram, and what to count for them."""

    def __init__(self, card: Scorecard, lowest: int, highest: int) -> None:
        """``lowest`` and ``highest`` are the scores that occur: the ends of the rows if the range is wide."""
        self._card = card
        low, high = card.minimum, card.maximum
        if is_wide(low, high):
            low = max(low, lowest)
            high = max(min(high, highest), low)
        self._rows: list[Bin] = split_range(low, high, ROWS)
        self._points = sorted({row.low for row in self._rows[1:]} | {p for s in card.stages for p in _points(s)})

    @property
    def bounds(self) -> list[float]:
        """The whole scores from which on leads must be counted; the first is below all."""
        return [-inf, *self._points]

    def describe(self, counts: Sequence[int]) -> View:
        """The leads of each row and above the bounds of each stage; ``counts`` are those for ``bounds``.

        A score outside the range counts at its end, as it is published there.
        """
        total, *rest = counts
        above = dict(zip(self._points, rest, strict=True))
        lows = [row.low for row in self._rows]
        from_low = [total, *(above[low] for low in lows[1:]), 0]
        return {
            "leads": total,
            "bins": [
                {"from": row.low, "to": row.high, "leads": from_low[i] - from_low[i + 1]}
                for i, row in enumerate(self._rows)
            ],
            "stages": [
                {
                    "name": stage.name,
                    "label": stage.label,
                    "enter": stage.enter,
                    "leave": stage.leave,
                    "leads_from_enter": self._count_from(stage.enter, total, above),
                    "leads_from_leave": self._count_from(stage.leave, total, above),
                }
                for stage in self._card.stages
            ],
        }

    def _count_from(self, bound: float, total: int, above: dict[int, int]) -> int:
        if bound <= self._card.minimum:
            return total
        return 0 if bound > self._card.maximum else above[ceil(bound)]


def _points(stage: Any) -> tuple[int, int]:
    return ceil(stage.enter), ceil(stage.leave)
