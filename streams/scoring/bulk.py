"""Reading many leads at once: what ``score.read`` and ``crossing.soonest`` say of one, for all that a step touched.

NumPy does in 1 µs a lead what takes 10 one by one. It decides nothing: published scores and the bounds of what may
change, never a stage. A property test holds it to the readings of single leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streams.scoring.crossing import CERTAIN, MARGIN, soonest
from streams.scoring.lead import Lead
from streams.scoring.rules import UNIT, CardRule
from streams.scoring.score import FAR_MS, HALF, fit_of, published, read

WORTHWHILE: Final = 24
"""Fewer leads are read faster one by one."""
Floats = npt.NDArray[np.float64]


class Glance:
    """What one scorecard says of many leads, each at an instant; times in ms from there, points in units."""

    def __init__(self, shown: list[int], calm: Floats, due: Floats, slack: Floats) -> None:
        """``shown`` are published scores; the rest is as ``crossing.soonest`` returns it."""
        self.shown = shown
        self.calm = calm
        self.due = due
        self.slack = slack


class BulkCard:
    """The weights of a scorecard as arrays."""

    def __init__(self, card: CardRule) -> None:
        """Sort the weights by signal id."""
        self.card = card
        rows = sorted((signal, *weight) for signal, weight in card.weights.items())
        columns = [np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)] or [np.zeros(0)] * 5
        self._ids = columns[0].astype(np.int64)
        self._points, self._cap, category, self._rate = columns[1:]
        self._category = category.astype(np.int64)
        self._low, self._high = np.array(card.bounds, dtype=np.float64).T
        self._blocking = {signal for rule in card.stages for signal in rule.blocking}

    def glance(self, leads: Sequence[Lead], nows: Sequence[int]) -> Glance:
        """Read every lead at an instant of its own, not before its clock."""
        if len(leads) < WORTHWHILE or not len(self._ids):
            return self._one_by_one(leads, nows)
        falling, falling_rate, rising, rising_rate, engagement = self._sums(leads, nows)
        card = self.card
        fit = self._fit(leads)
        total = engagement + fit
        shown = np.floor((np.clip(total, card.minimum, card.maximum) + HALF) / UNIT)
        calm = np.full(len(leads), np.inf)
        slack = calm.copy()
        for rule in card.stages:
            missing = np.maximum(rule.enter - total, rule.needs_engagement - engagement) - MARGIN
            missing[fit < rule.needs_fit] = np.inf
            np.minimum(calm, _fade(missing, rising, rising_rate), out=calm)
            np.minimum(slack, missing - rising, out=slack)
        bound = shown * UNIT
        fall = _fade(total - bound + HALF + CERTAIN, falling, falling_rate)
        rise = _fade(bound + HALF - total + CERTAIN, rising, rising_rate)
        fall[bound - HALF <= card.minimum] = np.inf
        rise[bound + HALF > card.maximum] = np.inf
        due = np.minimum(calm, np.minimum(fall, rise))
        glance = Glance(shown.astype(np.int64).tolist(), calm, due, slack)
        self._mend(leads, nows, glance)
        return glance

    def _fit(self, leads: Sequence[Lead]) -> Floats:
        return np.fromiter((fit_of(self.card, lead) for lead in leads), np.float64, len(leads))

    def _sums(self, leads: Sequence[Lead], nows: Sequence[int]) -> tuple[Floats, ...]:
        """Falling and rising contributions with their rates, and engagement, of each lead at its instant."""
        n = len(leads)
        sizes = np.fromiter((len(lead.signals) for lead in leads), np.int64, n)
        size = int(sizes.sum())
        row = np.repeat(np.arange(n), sizes)
        signals = np.fromiter(chain.from_iterable([lead.signals for lead in leads]), np.int64, size)
        amount = np.fromiter(chain.from_iterable([lead.amount for lead in leads]), np.float64, size)
        ref = np.fromiter(chain.from_iterable([lead.ref for lead in leads]), np.float64, size)
        now = np.array(nows, np.float64) - np.fromiter((lead.base for lead in leads), np.float64, n)
        at = np.minimum(np.searchsorted(self._ids, signals), len(self._ids) - 1)
        rate = self._rate[at]
        part = np.rint(self._points[at] * amount * np.exp2((ref - now[row]) * rate))
        cap = self._cap[at]
        part = np.minimum(np.maximum(part, -cap), cap)
        part[self._ids[at] != signals] = 0.0
        up = np.maximum(part, 0.0)
        down = up - part
        width = len(self._low)
        cells = np.bincount(row * width + self._category[at], part, n * width).reshape(n, width)
        engagement = np.clip(cells, self._low, self._high).sum(axis=1)
        sums = (np.bincount(row, values, n) for values in (up, up * rate, down, down * rate))
        return (*sums, engagement)

    def _mend(self, leads: Sequence[Lead], nows: Sequence[int], glance: Glance) -> None:
        """Leads that are or were in a stage, or may be blocked, are read one by one: their stages differ."""
        for i, lead in enumerate(leads):
            if lead.latches or (self._blocking and not self._blocking.isdisjoint(lead.signals)):
                _, glance.calm[i], glance.due[i], glance.slack[i] = self._single(lead, nows[i])

    def _one_by_one(self, leads: Sequence[Lead], nows: Sequence[int]) -> Glance:
        rows = [self._single(lead, now) for lead, now in zip(leads, nows, strict=True)]
        shown, *columns = zip(*rows, strict=True) if rows else ([], [], [], [])
        return Glance(list(shown), *(np.array(column, dtype=np.float64) for column in columns))

    def _single(self, lead: Lead, now_ms: int) -> tuple[int, float, float, float]:
        reading = read(self.card, lead, now_ms)
        shown = published(reading.exact)
        return (shown, *soonest(self.card, lead, reading, shown))


def _fade(by: Floats, total: Floats, rate: Floats) -> Floats:
    """``score._fade_ms`` for arrays."""
    with np.errstate(all="ignore"):
        fade: Any = -np.log2(1.0 - by / total) * total / rate
    fade[~(fade < FAR_MS) | (by >= total) | (rate <= 0.0)] = np.inf
    fade[by <= 0.0] = 0.0
    result: Floats = fade
    return result
