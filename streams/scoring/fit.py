"""Compute the fit of a lead: the points of its traits on one scorecard, and whether the scorecard applies to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isinf, nan
from typing import Any, Final

from streams.scoring.conditions import compile_condition, paths
from streams.scoring.scorecard import Condition, FitLine, Scorecard
from streams.scoring.texts import number_of

UNIT: Final = 10**9
"""Units in a point. Scores are whole units of 10^-9 points, so that the parts sum to the score exactly."""
NOT_APPLICABLE: Final = nan
"""The fit of a lead to which a scorecard does not apply."""
MOST_POINTS: Final = 1_000_000_000.0
"""The most points of a fit line that multiplies a trait."""
_GREATEST: Final = 1e300

Traits = Mapping[str, Any]


def units(points: float) -> float:
    """Convert points to whole units; infinite bounds stay infinite."""
    return points if isinf(points) else round(points * UNIT)


class FitRule:
    """The fit lines of a scorecard, and the leads to which it applies."""

    def __init__(self, card: Scorecard) -> None:
        """Compile the conditions of a scorecard."""
        self.fit_max = units(card.fit_max)
        self.lines = [(line, _worth(line)) for line in card.fit]
        """Each line, with the function that computes its units; None if it does not hold."""
        self.applies = _test(card.applies_to)
        """Whether the scorecard applies to a lead with these traits."""
        self.traits = frozenset(
            paths(card.applies_to).union(*(paths(line.when) | {line.trait} - {""} for line in card.fit))
        )
        """The traits that it reads."""

    def of(self, traits: Traits) -> float:
        """The fit of a lead with these traits, in units; NOT_APPLICABLE if the scorecard does not apply to it."""
        if not self.applies(traits):
            return NOT_APPLICABLE
        return min(self.fit_max, sum(worth(traits) or 0 for _, worth in self.lines))


def _worth(line: FitLine) -> Callable[[Traits], float | None]:
    if line.times is not None:
        return _product(line.trait, line.times, line.minimum, line.maximum)
    holds, points = _test(line.when), units(line.points)
    return lambda traits: points if holds(traits) else None


def _product(trait: str, factor: float, low: float, high: float) -> Callable[[Traits], float | None]:
    low, high = max(low, -MOST_POINTS), min(high, MOST_POINTS)

    def worth(traits: Traits) -> float | None:
        number = number_of(traits.get(trait))
        if number is None:
            return None
        product = factor * min(max(number, -_GREATEST), _GREATEST)
        return units(min(max(product, low), high)) or None

    return worth


def _test(condition: Condition) -> Callable[[Traits], bool]:
    names = sorted(paths(condition))
    holds = compile_condition(condition, {name: i for i, name in enumerate(names)})
    return lambda traits: holds([traits.get(name) for name in names])


def grade_in(grades: tuple[tuple[str, float], ...], points: float) -> str:
    """The highest grade whose bound the points reach; the lowest one below every bound."""
    return next((grade for grade, bound in grades if points >= bound), grades[-1][0] if grades else "")
