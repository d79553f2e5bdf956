"""Measures a backtest: weekly load, time to qualify, and how well scores foretell outcomes. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from streams.units import DAY_MS

WEEK_MS: Final = 7 * DAY_MS
_FIRST_MONDAY_MS: Final = 4 * DAY_MS
"""1970-01-05."""


# Volume ---------------------------------------------------------------------------------------------------------


def week_of(at_ms: int) -> int:
    """The start of the ISO week, Monday 0:00 UTC, in ms."""
    return (at_ms - _FIRST_MONDAY_MS) // WEEK_MS * WEEK_MS + _FIRST_MONDAY_MS


def count_by_week(times_ms: Iterable[int], from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """(start of the week, count) for every week from ``from_ms`` to ``to_ms``."""
    weeks = dict.fromkeys(range(week_of(from_ms), week_of(to_ms) + 1, WEEK_MS), 0)
    for at_ms in times_ms:
        weeks[week_of(at_ms)] += 1
    return list(weeks.items())


@dataclass(frozen=True, slots=True)
class Load:
    """How a sales team copes with the leads of each week."""

    most: int
    """Leads of the fullest week."""
    weeks_over: int
    """Weeks with more leads than the capacity."""
    longest_queue: int
    """The most leads that wait at the end of a week, if the team takes up as many as it can each week."""
    left_over: int
    """Leads that wait at the end."""
    used: float
    """The share of the capacity that is used."""


def measure_load(weekly: Sequence[int], capacity: int) -> Load:
    """Compare the leads of each week with the number that a team can take up in a week."""
    queue, longest, done = 0, 0, 0
    for leads in weekly:
        worked = min(queue + leads, capacity)
        done, queue = done + worked, queue + leads - worked
        longest = max(longest, queue)
    count = max(len(weekly), 1)
    over = sum(leads > capacity for leads in weekly)
    return Load(max(weekly, default=0), over, longest, queue, done / (capacity * count))


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which this share of the values is, between neighbours by their distance; None for no values."""
    if not values:
        return None
    ordered = sorted(values)
    at = (len(ordered) - 1) * share
    low, high = ordered[math.floor(at)], ordered[math.ceil(at)]
    return low + (high - low) * (at - math.floor(at))


# A yes or no against outcomes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Confusion:
    """Predictions against outcomes."""

    right: int
    """Predicted and won."""
    wrong: int
    """Predicted and lost."""
    missed: int
    """Not predicted and won."""
    spared: int
    """Not predicted and lost."""

    @property
    def total(self) -> int:
        """All leads with an outcome."""
        return self.right + self.wrong + self.missed + self.spared

    @property
    def precision(self) -> float | None:
        """The share of the predicted that was won."""
        return _share(self.right, self.right + self.wrong)

    @property
    def recall(self) -> float | None:
        """The share of the won that was predicted."""
        return _share(self.right, self.right + self.missed)

    @property
    def accuracy(self) -> float | None:
        """The share of predictions that agree with the outcome."""
        return _share(self.right + self.spared, self.total)

    @property
    def kappa(self) -> float | None:
        """Agreement beyond chance (Cohen 1960): 1 is perfect, 0 is what chance gives."""
        if not self.total:
            return None
        yes = (self.right + self.wrong) * (self.right + self.missed)
        no = (self.missed + self.spared) * (self.wrong + self.spared)
        chance = (yes + no) / self.total**2
        return None if chance == 1 else ((self.right + self.spared) / self.total - chance) / (1 - chance)


def confuse(predicted: Sequence[bool], won: Sequence[bool]) -> Confusion:
    """Count predictions by outcome."""
    pairs = list(zip(predicted, won, strict=True))
    return Confusion(*(pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))))


# Scores against outcomes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Leads with similar scores, and how many of them were won."""

    low: float
    high: float
    leads: float
    won: float

    @property
    def rate(self) -> float | None:
        """The share that was won."""
        return _share(self.won, self.leads)


def split_deciles(scores: Sequence[float], won: Sequence[bool], parts: int = 10) -> list[Group]:
    """Ten groups of equal size, the highest scores first.

    Leads with equal scores on a border count in both groups in proportion, so that their order does not matter.
    """
    size = len(scores) / parts
    groups: list[Group] = []
    ties = [[score, len(found), sum(found)] for score, found in _by_score(scores, won)]
    for _ in range(parts if scores else 0):
        need, wins, low, high = size, 0.0, ties[0][0], ties[0][0]
        while ties and need > 1e-9:
            score, count, right = ties[0]
            part = min(need / count, 1.0)
            low, wins, need = score, wins + right * part, need - count * part
            if part == 1.0:
                ties.pop(0)
            else:
                ties[0][1:] = [count * (1 - part), right * (1 - part)]
        groups.append(Group(low, high, size, wins))
        ties = ties or [[low, 0, 0]]
    return groups


def split_bands(scores: Sequence[float], won: Sequence[bool], bounds: Sequence[float]) -> list[Group]:
    """Groups by bounds of scores: from each bound up to the next one; the last group includes its upper bound."""
    leads, wins = [0] * (len(bounds) - 1), [0] * (len(bounds) - 1)
    for score, right in zip(scores, won, strict=True):
        at = min(bisect_right(bounds, score), len(bounds) - 1) - 1
        if at >= 0 and score <= bounds[-1]:
            leads[at] += 1
            wins[at] += right
    return [Group(*pair, *found) for pair, *found in zip(pairwise(bounds), leads, wins, strict=True)]


def area_under_curve(scores: Sequence[float], won: Sequence[bool]) -> float | None:
    """The chance that a won lead scored more than a lost one, ties counting half; None without one of each."""
    lost_below, pairs = 0, 0.0
    for _, found in reversed(_by_score(scores, won)):
        wins = sum(found)
        losses = len(found) - wins
        pairs += wins * (lost_below + losses / 2)
        lost_below += losses
    wins = sum(won)
    return pairs / (wins * lost_below) if wins and lost_below else None


# Two scorecards -------------------------------------------------------------------------------------------------


def overlap(mine: set[str], theirs: set[str]) -> float | None:
    """The share of all members that both sets have; None for two empty sets."""
    return _share(len(mine & theirs), len(mine | theirs))


def rank_correlation(mine: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Spearman's correlation of two rankings: 1 for the same order; None if one of them has no order."""
    a, b = _ranks(mine), _ranks(theirs)
    middle = (len(a) - 1) / 2
    above, spread_a, spread_b = (
        math.fsum((x - middle) * (y - middle) for x, y in zip(one, other, strict=True))
        for one, other in ((a, b), (a, a), (b, b))
    )
    return above / math.sqrt(spread_a * spread_b) if spread_a and spread_b else None


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 0; equal values share the mean of their ranks."""
    ranks, order, begin = [0.0] * len(values), sorted(range(len(values)), key=values.__getitem__), 0
    for _, tied in groupby(order, key=values.__getitem__):
        places = list(tied)
        for place in places:
            ranks[place] = begin + (len(places) - 1) / 2
        begin += len(places)
    return ranks


def _by_score(scores: Sequence[float], won: Sequence[bool]) -> list[tuple[float, list[bool]]]:
    """(score, outcomes), the highest score first."""
    pairs = sorted(zip(scores, won, strict=True), reverse=True)
    return [(score, [right for _, right in found]) for score, found in groupby(pairs, key=lambda pair: pair[0])]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
