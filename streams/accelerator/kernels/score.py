"""Compute scores of leads in columns, as ``score``, ``crossing`` and ``stages`` do, in compiled code."""

from __future__ import annotations

from math import exp2, inf, isnan
from typing import NamedTuple

import numpy as np

from streams.accelerator.jit import compiled
from streams.accelerator.kernels.counting import amount_within
from streams.accelerator.layout import Cards, Model, Slots, Windows
from streams.scoring.bounds import MARGIN, change_delay_ms, fade_ms
from streams.scoring.search import FLOAT_ERROR


class Reading(NamedTuple):
    """``score.Reading``, as far as the kernels need it."""

    exact: float
    engagement: float
    fit: float
    falling: float
    falling_rate: float
    rising: float
    rising_rate: float
    step_ms: float


@compiled
def advance_unchanged(c, s, k, w, m, row, arrival):
    """``Leads.advance`` if no stage changes up to ``arrival``; False if one may."""
    if arrival >= c[row].calm_until and not settle_unchanged(c, s, k, w, m, row, c[row].clock):
        return False
    for _ in range(m.steps):
        if arrival < c[row].calm_until:
            break
        slack = c[row].slack  # that of the clock: see ``Leads.advance``
        if not settle_unchanged(c, s, k, w, m, row, np.int64(c[row].calm_until) + 1):
            return False
        c[row].slack = min(slack, c[row].slack)
    return arrival < c[row].calm_until


@compiled
def settle_unchanged(c, s, k, w, m, row, now):
    """``stages.settle`` if no stage changes; if one does, change nothing and return False."""
    calm, slack = inf, inf
    for card in range(m.cards.shape[0]):
        if m.cards[card].last_stage > m.cards[card].first_stage:
            reading = read(c, s, k, w, m, row, card, now)
            if _flips(c, s, k, w, m, row, card, reading):
                return False
            card_calm, _, card_slack = bound_next_change(c, s, k, w, m, row, card, reading)
            calm, slack = min(calm, card_calm), min(slack, card_slack)
    c[row].calm_until, c[row].slack = now + calm - 1, slack
    return True


@compiled
def _blocked(c, s, m, row, stage):
    for i in range(c[row].size):
        if m.blocked_by[stage, s.names[row, i]] and s.slots[row, i].amount > 0.0:
            return True
    return False


@compiled
def _mixed(c, s, m, row, card):
    """``Smooth.mixed``."""
    rising = falling = False
    for i in range(c[row].size):
        signal = s.names[row, i]
        worth = m.weights[card, signal].worth * s.slots[row, i].amount
        if m.signals[signal].rate > 0.0 and worth == worth:
            falling, rising = falling or worth > 0.0, rising or worth < 0.0
    return rising and falling


@compiled
def _flips(c, s, k, w, m, row, card, reading):
    """``crossing.flips`` for any stage of a card; also True if a balanced score may decide (left to ``Scorer``)."""
    exact, engagement, fit = reading.exact, reading.engagement, reading.fit
    near = c[row].size + 1 + FLOAT_ERROR * (reading.falling + reading.rising)
    applies = not isnan(k.scores[row, card].fit)
    for stage in range(m.cards[card].first_stage, m.cards[card].last_stage):
        if not applies:
            if k.inside[row, stage]:
                return True
            continue
        bound = max(m.stages[stage].leave, m.stages[stage].keep_engagement + fit)
        if not k.inside[row, stage]:
            bound = max(m.stages[stage].enter, m.stages[stage].needs_engagement + fit)
        if abs(engagement + fit - bound) <= near and _mixed(c, s, m, row, card):
            return True
        if k.inside[row, stage]:
            if (
                exact < m.stages[stage].leave
                or fit < m.stages[stage].keep_fit
                or engagement < m.stages[stage].keep_engagement
                or _blocked(c, s, m, row, stage)
            ):
                return True
        elif (
            exact >= m.stages[stage].enter
            and fit >= m.stages[stage].needs_fit
            and engagement >= m.stages[stage].needs_engagement
            and not _blocked(c, s, m, row, stage)
        ):
            return True
    return False


@compiled
def read(c, s, k, w, m, row, card, now_ms):
    """``score.read``."""
    if isnan(k.scores[row, card].fit):
        return Reading(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, inf)
    now = now_ms - c[row].base
    sums = np.zeros(m.bounds.shape[1])
    falling = falling_rate = rising = rising_rate = 0.0
    step = inf
    for i in range(c[row].size):
        signal = s.names[row, i]
        worth = m.weights[card, signal].worth
        if worth != worth:
            continue
        rate, cap = m.signals[signal].rate, m.weights[card, signal].cap
        amount = s.slots[row, i].amount
        if m.signals[signal].window:
            amount, change = amount_within(c[row], w, s.windows[row, i], m.signals[signal], now)
            step = min(step, change)
        part = np.rint(worth * amount * exp2((s.slots[row, i].ref - now) * rate))
        if part >= 0.0:
            part = min(part, cap)
            falling += part
            falling_rate += part * rate
        else:
            part = max(part, -cap)
            rising -= part
            rising_rate -= part * rate
        sums[m.weights[card, signal].category] += part
    engagement = 0.0
    for i in range(sums.shape[0]):
        engagement += min(max(sums[i], m.bounds[card, i].low), m.bounds[card, i].high)
    fit = k.scores[row, card].fit
    exact = min(max(engagement + fit, m.cards[card].minimum), m.cards[card].maximum)
    return Reading(exact, engagement, fit, falling, falling_rate, rising, rising_rate, step)


@compiled
def bound_next_change(c, s, k, w, m, row, card, reading):
    """``crossing.bound_next_change``."""
    engagement, fit, rising = reading.engagement, reading.fit, reading.rising
    total, calm, slack = engagement + fit, inf, inf
    if isnan(k.scores[row, card].fit):
        return calm, inf, slack
    for stage in range(m.cards[card].first_stage, m.cards[card].last_stage):
        if k.inside[row, stage]:
            spare = min(total - m.stages[stage].leave, engagement - m.stages[stage].keep_engagement)
            calm = min(calm, fade_ms(spare - MARGIN, reading.falling, reading.falling_rate))
        elif fit >= m.stages[stage].needs_fit and not _blocked(c, s, m, row, stage):
            missing = max(m.stages[stage].enter - total, m.stages[stage].needs_engagement - engagement) - MARGIN
            calm = min(calm, fade_ms(missing, rising, reading.rising_rate))
            slack = min(slack, missing - rising)
    calm = min(calm, reading.step_ms)
    return calm, min(calm, change_delay_ms(m.cards[card], reading)), slack


@compiled
def read_leads(c, s: Slots, k: Cards, w: Windows, m: Model, rows, nows, exact, engagement, calm, change, slack):
    """Read leads, each at its own instant: fill in scores in units, [lead, scorecard], and the bounds of each lead."""
    for i in range(rows.shape[0]):
        calm[i] = change[i] = slack[i] = inf
        for card in range(m.cards.shape[0]):
            reading = read(c, s, k, w, m, rows[i], card, nows[i])
            exact[i, card], engagement[i, card] = reading.exact, reading.engagement
            card_calm, card_change, card_slack = bound_next_change(c, s, k, w, m, rows[i], card, reading)
            calm[i], change[i] = min(calm[i], card_calm), min(change[i], card_change)
            slack[i] = min(slack[i], card_slack)
