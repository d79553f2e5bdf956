"""Model the score of a lead as a smooth curve: the sum of its parts before rounding.

Signals with the same half-life form one exponential. So between the instants at which a cap or a category clamp starts
or stops to apply, the curve is a sum of one exponential for each half-life. Such a sum has fewer zeros than terms
(Descartes' rule for exponentials). Dividing by one term and taking the derivative removes that term, and the zeros of
the rest separate the zeros of the whole (Rolle).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from math import ceil, exp2, expm1, inf, log, log2
from typing import Final, NamedTuple

from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule
from streams.scoring.score import fit_of
from streams.scoring.terms import terms_at

LN_2: Final = log(2.0)
BALANCED: Final = 0.0316
"""Rising and falling parts balance if their speeds differ by less than this share of their sum.

It is not a fraction of small whole numbers, so that round points do not put a lead exactly on this limit."""

Terms = Sequence[tuple[float, float]]
"""(rate in 1/ms, value at the start of the interval); a rate of 0 is a constant."""


class Group(NamedTuple):
    """The fading parts of one category and half-life; values at ``Smooth._origin``, in units."""

    rate: float
    net: float
    gross: float
    """The sum of the magnitudes."""


class Sum(NamedTuple):
    """One category between two instants at which a cap stops to apply."""

    low: float
    high: float
    constant: float
    """Sum of the parts that never fade, each rounded, and of the parts at their caps."""
    groups: tuple[Group, ...]


class _Part(NamedTuple):
    category: int
    rate: float
    worth: float
    cap: float
    released: float
    """The first ms at which its cap does not apply."""


class Smooth:
    """The curve of one lead on one scorecard, from an instant until the next step."""

    def __init__(self, card: CardRule, lead: Lead, start_ms: int) -> None:
        """Model the current state of the lead; after an event or a step, a new curve is needed."""
        self._bounds = card.bounds
        self._fit = fit_of(card, lead)
        self._constants = [0.0] * len(card.bounds)
        self._origin = lead.base + max(lead.ref, default=0)
        self._parts: list[_Part] = []
        self.blur = len(lead.signals) + 1
        """Greatest distance of score and curve, in units: twice the greatest error of rounding the parts."""
        for _, (points, cap, category, rate), amount, ref, _ in terms_at(card, lead, start_ms):
            self._add(category, points * amount, cap, rate, ref + lead.base)
        self._releases = sorted({int(p.released) for p in self._parts if p.released > -inf})
        self._regimes: dict[int, list[Sum]] = {}
        self._joins: dict[tuple[Sum, ...], Sum] = {}

    def _add(self, category: int, worth: float, cap: float, rate: float, ref_ms: int) -> None:
        if rate <= 0.0:
            self._constants[category] += min(max(float(round(worth)), -cap), cap)
        elif worth and cap:
            over = abs(worth) / cap
            released = ceil(ref_ms + log2(over) / rate) if over > 1.0 else -inf
            self._parts.append(_Part(category, rate, worth * exp2((ref_ms - self._origin) * rate), cap, released))

    @property
    def mixed(self) -> bool:
        """Whether decay both raises and lowers the score; otherwise the sum of the rounded parts is monotonic."""
        return any(p.worth > 0 for p in self._parts) and any(p.worth < 0 for p in self._parts)

    def total(self, at_ms: int) -> float:
        """Engagement plus fit, in units, not rounded."""
        clamped, free = 0.0, []
        for each in self._sums(at_ms):
            value = self._category(each, at_ms)
            if each.low < value < each.high:
                free.append(each)
            else:
                clamped += min(max(value, each.low), each.high)
        whole = free[0] if len(free) == 1 else self._joined(tuple(free))
        return self._category(whole, at_ms) + clamped + self._fit

    def balanced(self, at_ms: int) -> bool:
        """Whether the movements of rising and falling parts nearly cancel."""
        net = gross = 0.0
        groups = [g for each in self._sums(at_ms) if self._in_view(each, at_ms, self.blur) for g in each.groups]
        slowest = min((group.rate for group in groups), default=0.0)  # relative to it, so that not all underflow to 0
        for group in groups:
            faded = group.rate * exp2((self._origin - at_ms) * (group.rate - slowest))
            net += group.net * faded
            gross += group.gross * faded
        return abs(net) < BALANCED * gross

    def clamped(self, at_ms: int) -> dict[int, float]:
        """Category -> value, for the categories whose movements a clamp certainly hides."""
        return {
            i: each.low if self._category(each, at_ms) <= each.low else each.high
            for i, each in enumerate(self._sums(at_ms))
            if not self._in_view(each, at_ms, self.blur)
        }

    def stops(self, start_ms: int, end_ms: int) -> Iterator[int]:
        """Instants from start to end between which the curve is monotonic and stays balanced or unbalanced."""
        yield start_ms
        cuts = {cut for at in self._releases for cut in (at - 1, at) if start_ms < cut < end_ms}
        for start, end in pairwise([start_ms, *sorted(cuts), end_ms]):
            for low, high in pairwise(sorted({start, end, *self._clamps(start, end)})):
                yield from sorted({high, *self._turns(low, high)})

    def _sums(self, at_ms: int) -> list[Sum]:
        """All categories at an instant."""
        index = bisect_right(self._releases, at_ms)
        found = self._regimes.get(index)
        if found is None:
            found = self._regimes[index] = [
                self._sum(category, low, high, at_ms) for category, (low, high) in enumerate(self._bounds)
            ]
        return found

    def _sum(self, category: int, low: float, high: float, at_ms: int) -> Sum:
        constant, free = self._constants[category], []
        for part in self._parts:
            if part.category == category and at_ms < part.released:
                constant += part.cap if part.worth > 0 else -part.cap
            elif part.category == category:
                free.append(Group(part.rate, part.worth, abs(part.worth)))
        return Sum(low, high, constant, _grouped(free))

    def _joined(self, sums: tuple[Sum, ...]) -> Sum:
        """Combine unclamped categories, so that parts of several categories cancel without a rounding error."""
        if (found := self._joins.get(sums)) is None:
            groups = _grouped(group for each in sums for group in each.groups)
            found = self._joins[sums] = Sum(-inf, inf, sum(each.constant for each in sums), groups)
        return found

    def _category(self, each: Sum, at_ms: int) -> float:
        """The sum of a category before its clamps; parts with almost equal half-lives cancel exactly."""
        if not each.groups:
            return each.constant
        slowest, since_ms = each.groups[0].rate, self._origin - at_ms
        total = 0.0
        for _, net, _ in each.groups:
            total += net
        for rate, net, _ in each.groups[1:]:
            total += net * expm1(since_ms * (rate - slowest) * LN_2)
        return each.constant + total * exp2(since_ms * slowest)

    def _in_view(self, each: Sum, at_ms: int, margin: float) -> bool:
        """Whether the sum of a category is between its clamps, plus a margin."""
        return each.low - margin < self._category(each, at_ms) < each.high + margin

    def _clamps(self, start: int, end: int) -> Iterator[int]:
        """The instants right before and at which a category reaches a clamp, or gets close to it."""
        if end - start <= 1:
            return
        for each in self._sums(start):
            terms = [(g.rate, g.net * exp2((self._origin - start) * g.rate)) for g in each.groups]
            edges = {edge + by for edge in (each.low, each.high) for by in (-self.blur, 0, self.blur)} - {-inf, inf}
            if terms and edges:
                yield from crossings(terms, [edge - each.constant for edge in edges], start, end)

    def _turns(self, start: int, end: int) -> Iterator[int]:
        """The instants right before and at which the curve turns, or starts or stops to be balanced."""
        if end - start <= 1:
            return
        middle = (start + end) // 2
        sums = self._sums(start)
        speeds = self._speeds(start, [each for each in sums if self._in_view(each, middle, 0)])
        yield from zeros([(rate, net) for rate, (net, _) in speeds.items()], start, end)
        speeds = self._speeds(start, [each for each in sums if self._in_view(each, middle, self.blur)])
        for share in (BALANCED, -BALANCED):
            yield from zeros([(rate, net - share * gross) for rate, (net, gross) in speeds.items()], start, end)

    def _speeds(self, start: int, sums: Sequence[Sum]) -> dict[float, tuple[float, float]]:
        """Speed of the parts of each half-life at an instant, net and gross."""
        speeds: dict[float, tuple[float, float]] = {}
        for rate, net, gross in (group for each in sums for group in each.groups):
            speed = rate * exp2((self._origin - start) * rate)
            before = speeds.get(rate, (0.0, 0.0))
            speeds[rate] = (before[0] + net * speed, before[1] + gross * speed)
        return speeds


def _grouped(groups: Iterable[Group]) -> tuple[Group, ...]:
    """Combine groups with the same half-life, slowest first."""
    found: dict[float, Group] = {}
    for group in groups:
        _, net, gross = found.get(group.rate, (0.0, 0.0, 0.0))
        found[group.rate] = Group(group.rate, net + group.net, gross + group.gross)
    return tuple(sorted(found.values()))


def zeros(terms: Terms, start: int, end: int) -> list[int]:
    """The instants right before and at each change of sign of a sum of exponentials in (start, end]."""
    terms = sorted((rate, value) for rate, value in terms if value)
    changes = sum((one > 0) != (next_one > 0) for (_, one), (_, next_one) in pairwise(terms))
    if not changes or end <= start:
        return []
    (slowest, value), *rest = terms
    rest = [(rate - slowest, value) for rate, value in rest]
    return crossings(rest, [-value], start, end, turns=changes > 1)


def crossings(terms: Terms, levels: Iterable[float], start: int, end: int, turns: bool = True) -> list[int]:
    """The instants right before and at each crossing of a level by a sum of exponentials in (start, end].

    ``turns`` is False if the sum crosses no level twice.
    """
    stops = {start, end}
    if turns:
        stops.update(zeros([(rate, value * rate) for rate, value in terms], start, end))
    found = []
    for level in levels:
        for low, high in pairwise(sorted(stops)):
            before = _exceeds(terms, level, low - start)
            if before != _exceeds(terms, level, high - start):
                at = first_true(lambda t: _exceeds(terms, level, t - start) != before, low, high)  # noqa: B023
                found += [at - 1, at]
    return found


def first_true(holds: Callable[[int], bool], start: int, end: int) -> int:
    """The first whole number in (start, end] for which a monotonic condition holds; it must hold at the end."""
    while end - start > 1:
        middle = (start + end) // 2
        if holds(middle):
            end = middle
        else:
            start = middle
    return end


def _exceeds(terms: Terms, level: float, since_ms: int) -> bool:
    total = 0.0
    for rate, value in terms:
        total += value * exp2(-since_ms * rate)
    return total > level
