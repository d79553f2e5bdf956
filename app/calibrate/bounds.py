"""Finds the bound of a stage that as many leads enter each week as sales can take up.

One replay tries many bounds: each becomes a stage of its own in a scorecard that has no other stages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import pstdev
from typing import Final

from app.backtest.metrics import quantile
from streams.scoring.scorecard import Model, Scorecard, Stage
from streams.scoring.stages import Transition

AT_ONCE: Final = 4
"""Bounds of one replay."""
PRECISION: Final = 0.05
"""Points: the bound is not worked out more exactly."""
NEAR: Final = 0.98
"""The share of the wanted entries that is close enough."""
PREFIX: Final = "at_"


@dataclass(frozen=True, slots=True)
class Volume:
    """The entries of a stage with this bound."""

    enter: float
    entries: int


def ladder_of(model: Model, card: Scorecard, target: Stage, bounds: Sequence[float]) -> Model:
    """A file with one scorecard, whose stages are the target stage with each of these bounds."""
    gap = target.enter - target.leave
    stages = tuple(
        replace(target, name=f"{PREFIX}{i}", enter=bound, leave=bound - gap) for i, bound in enumerate(bounds)
    )
    return replace(model, scorecards=(replace(card, stages=stages, shadow=False),))


def count_entries(bounds: Sequence[float], transitions: Iterable[Transition]) -> list[Volume]:
    """The entries for each bound of a ladder."""
    counts = Counter(t.stage for t in transitions if t.kind == "entered" and not t.silenced)
    return [Volume(bound, counts[f"{PREFIX}{i}"]) for i, bound in enumerate(bounds)]


def first_bounds(scores: Sequence[float], share: float) -> list[float]:
    """Bounds for the first replay: from the score that this share of the leads has on, as leads peak above it."""
    guess = quantile(scores, 1 - min(max(share, 0.0), 1.0)) or 0.0
    return [round(guess + i * _step(scores), 2) for i in range(AT_ONCE)]


def next_bounds(volumes: Sequence[Volume], most: float, scores: Sequence[float]) -> list[float]:
    """Bounds for the next replay: between the neighbours with more and fewer entries; none if one is close enough."""
    if any(NEAR * most <= v.entries <= most for v in volumes):
        return []
    above = [v.enter for v in volumes if v.entries > most]
    below = [v.enter for v in volumes if v.entries <= most]
    if not below:
        return [round(max(above) + i * 2 * _step(scores), 2) for i in range(1, AT_ONCE + 1)]
    if not above:
        return [round(min(below) - i * 2 * _step(scores), 2) for i in range(1, AT_ONCE + 1)]
    low, high = max(above), min(below)
    if high - low <= PRECISION:
        return []
    return [round(low + (high - low) * i / (AT_ONCE + 1), 2) for i in range(1, AT_ONCE + 1)]


def best_bound(volumes: Sequence[Volume], most: float) -> Volume | None:
    """The lowest bound with at most so many entries; None if even the highest one has more."""
    return min((v for v in volumes if v.entries <= most), key=lambda v: v.enter, default=None)


def _step(scores: Sequence[float]) -> float:
    return max(pstdev(scores) / 2, PRECISION) if scores else 1.0
