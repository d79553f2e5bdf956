"""Find the first instant at which a decaying score is past a bound, in a bounded number of evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from itertools import pairwise
from math import exp2, floor
from typing import Final, NamedTuple

from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule
from streams.scoring.score import Reading, fit_of, read
from streams.scoring.smooth import Smooth, first_true
from streams.scoring.terms import terms_at

FIRST_STEP_MS: Final = 16
"""First step of the search, after the time in which the score certainly stays before the bound."""
FLOAT_ERROR: Final = 2.0**-45
"""Upper bound of the relative floating-point error of a part."""


class Bound(NamedTuple):
    """A value of engagement plus fit, in units; the score passes it by falling ``below`` it, or else by reaching it."""

    units: float
    below: bool
    lag: float = 0.0
    """Units by which a balanced score must be further."""

    def passed(self, total: float) -> bool:
        """Whether a total is beyond the bound."""
        return total < self.units if self.below else total >= self.units

    def passed_by_curve(self, total: float) -> bool:
        """Whether the curve of a balanced score is beyond the bound."""
        if self.below:
            return floor(total + 0.5) < self.units - self.lag
        return floor(total + 0.5) >= self.units + self.lag


class Envelope(NamedTuple):
    """Bounds of engagement plus fit over an interval, in units, before the range of the scorecard applies."""

    low: float
    high: float


def envelope(card: CardRule, lead: Lead, start_ms: int, end_ms: int, clamped: Mapping[int, float]) -> Envelope:
    """Compute bounds of the score of a lead from ``start_ms`` to ``end_ms`` without events and steps.

    ``clamped``: category -> value, for the categories that stay at a clamp.
    """
    lows: list[float] = [0] * len(card.bounds)
    highs: list[float] = [0] * len(card.bounds)
    start, end = start_ms - lead.base, end_ms - lead.base
    for _, (points, cap, category, inverse_half_life), amount, ref, _ in terms_at(card, lead, start_ms):
        worth = points * amount
        first = min(max(float(round(worth * exp2((ref - start) * inverse_half_life))), -cap), cap)
        last = min(max(float(round(worth * exp2((ref - end) * inverse_half_life))), -cap), cap)
        lows[category] += min(first, last)
        highs[category] += max(first, last)
    for category, total in clamped.items():
        lows[category] = highs[category] = total
    low = sum(min(max(total, floor), top) for total, (floor, top) in zip(lows, card.bounds, strict=True))
    high = sum(min(max(total, floor), top) for total, (floor, top) in zip(highs, card.bounds, strict=True))
    fit = fit_of(card, lead)
    return Envelope(low + fit, high + fit)


def near(lead: Lead, reading: Reading) -> float:
    """The distance from a bound, in units, within which rounding may decide the side on which the score is."""
    return len(lead.signals) + 1 + FLOAT_ERROR * (reading.falling + reading.rising)


class Search:
    """Searches for instants at which one lead passes bounds on one scorecard, up to the next step."""

    def __init__(self, card: CardRule, lead: Lead, start_ms: int) -> None:
        """Search on the current state of the lead, from ``start_ms`` on."""
        self.card, self.lead = card, lead
        self._start_ms = start_ms

    @cached_property
    def begin(self) -> Reading:
        """The score at the start."""
        return read(self.card, self.lead, self._start_ms)

    @cached_property
    def smooth(self) -> Smooth:
        """The curve of the score until the next step."""
        return Smooth(self.card, self.lead, self._start_ms)

    @cached_property
    def _total(self) -> Callable[[int], float]:
        return cache(self.smooth.total)

    def first(self, bound: Bound, holds: Callable[[int], bool], start_ms: int, end_ms: int) -> int | None:
        """The first whole ms in (start, end] at which ``holds``, the test for a score past the bound, is true."""
        if end_ms <= start_ms:
            return None
        reading = self.begin if start_ms == self._start_ms else read(self.card, self.lead, start_ms)
        blur = near(self.lead, reading)
        total = reading.engagement + reading.fit
        quiet_ms = (
            reading.fall_ms(total - bound.units - blur) if bound.below else reading.rise_ms(bound.units - total - blur)
        )
        if start_ms + quiet_ms > end_ms:
            return None
        start = start_ms + max(int(quiet_ms) - 1, 0)
        if not self.smooth.mixed:
            return _first_for_good(holds, start, end_ms)
        return self._first_of_mixed(bound, blur, holds, start, end_ms)

    def _first_of_mixed(
        self, bound: Bound, blur: float, holds: Callable[[int], bool], start_ms: int, end_ms: int
    ) -> int | None:
        """Like ``first``, for a score of which some parts rise and some fall."""
        for begin, stop in pairwise(self.smooth.stops(start_ms, end_ms)):
            middle = (begin + stop) // 2
            clamped = None if self.smooth.balanced(middle) else self.smooth.clamped(middle)
            pending = [(begin, stop)]
            while pending:
                start, end = pending.pop()
                if not self._may_pass(bound, blur, start, end, clamped):
                    continue
                if end - start == 1:
                    if holds(end):
                        return end
                    continue
                middle = (start + end) // 2
                pending += [(middle, end), (start, middle)]
        return None

    def _may_pass(self, bound: Bound, blur: float, start: int, end: int, clamped: Mapping[int, float] | None) -> bool:
        """Whether the score may be past the bound in an interval in which the curve is monotonic.

        ``clamped`` is the argument of ``envelope``; None if the score is balanced.
        """
        ends = self._total(start), self._total(end)
        extreme, beyond = (min(ends), -blur) if bound.below else (max(ends), blur)
        if not bound.passed(extreme + beyond):
            return False
        if end - start == 1:
            return True
        if clamped is None:
            return bound.passed_by_curve(extreme)
        low, high = envelope(self.card, self.lead, start, end, clamped)
        return bound.passed(low if bound.below else high)


def _first_for_good(holds: Callable[[int], bool], start_ms: int, end_ms: int) -> int | None:
    """The first whole ms in (start, end] at which a condition holds that, once true, stays true."""
    low, step = start_ms, FIRST_STEP_MS
    high = min(low + 1, end_ms)
    while not holds(high):
        if high >= end_ms:
            return None
        low, high, step = high, min(high + step, end_ms), 4 * step
    return first_true(holds, low, high)
