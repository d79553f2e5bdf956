"""Compute scores of leads in columns, as ``score``, ``crossing`` and ``stages`` do, in compiled code."""

from __future__ import annotations

from math import exp2, inf, log2

import numpy as np

from streams.accelerator.jit import compiled
from streams.accelerator.kernels.counting import amount_within
from streams.accelerator.layout import Cards, Model, Slots, Windows
from streams.scoring.crossing import BEYOND_MS, CERTAIN, MARGIN
from streams.scoring.fit import UNIT
from streams.scoring.score import FAR_MS
from streams.scoring.search import FLOAT_ERROR


@compiled
def advance_unchanged(c, s, k, w, m, row, arrival, rescoring):
    """``Leads.advance`` if no stage changes up to ``arrival``; False if one may."""
    if rescoring and c[row].calm_until == -inf:
        return False
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
    exact, engagement, fit = reading[0], reading[1], reading[2]
    near = c[row].size + 1 + FLOAT_ERROR * (reading[3] + reading[5])
    applies = _applies(k, row, card)
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
def _applies(k, row, card):
    """``score.does_apply``."""
    return k.scores[row, card].fit == k.scores[row, card].fit


@compiled
def read(c, s, k, w, m, row, card, now_ms):
    """``score.read``."""
    if not _applies(k, row, card):
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, inf
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
    return exact, engagement, fit, falling, falling_rate, rising, rising_rate, step


@compiled
def _fade(by, total, rate):
    """``score.fade_ms``."""
    if by <= 0.0:
        return 0.0
    if by >= total or rate <= 0.0:
        return inf
    fade = -log2(1.0 - by / total) * total / rate
    return fade if fade < FAR_MS else inf


@compiled
def _recheck_delay(by, total, rate):
    """``crossing._recheck_delay_ms``."""
    if rate <= 0.0:
        return inf
    return _fade(by + CERTAIN if by + MARGIN < total else by - MARGIN, total, rate)


@compiled
def _fall(by, falling, falling_rate):
    """``crossing._fall_ms``."""
    return _recheck_delay(by, falling, falling_rate) if by < falling else inf


@compiled
def _change(card, reading):
    """``crossing._change_ms``."""
    _, engagement, fit, falling, falling_rate, rising, rising_rate, _ = reading
    total = engagement + fit
    whole, change = float(np.int64(total) // UNIT), inf
    if whole > card.lowest:
        change = _fall(total - min(whole, card.highest) * UNIT, falling, falling_rate)
    if whole < card.highest:
        change = min(change, _recheck_delay((max(whole, card.lowest) + 1.0) * UNIT - total, rising, rising_rate))
    if whole <= card.lowest or whole >= card.highest:
        fall = _fall(total - whole * UNIT, falling, falling_rate)
        moved = min(fall, _recheck_delay((whole + 1.0) * UNIT - total, rising, rising_rate))
        change = min(change, max(moved, float(BEYOND_MS)))
    return change


@compiled
def bound_next_change(c, s, k, w, m, row, card, reading):
    """``crossing.bound_next_change``."""
    _, engagement, fit, falling, falling_rate, rising, rising_rate, step = reading
    total = engagement + fit
    calm, slack = inf, inf
    if not _applies(k, row, card):
        return calm, inf, slack
    for stage in range(m.cards[card].first_stage, m.cards[card].last_stage):
        if k.inside[row, stage]:
            spare = min(total - m.stages[stage].leave, engagement - m.stages[stage].keep_engagement)
            calm = min(calm, _fade(spare - MARGIN, falling, falling_rate))
        elif fit >= m.stages[stage].needs_fit and not _blocked(c, s, m, row, stage):
            missing = max(m.stages[stage].enter - total, m.stages[stage].needs_engagement - engagement) - MARGIN
            calm = min(calm, _fade(missing, rising, rising_rate))
            slack = min(slack, missing - rising)
    calm = min(calm, step)
    return calm, min(calm, _change(m.cards[card], reading)), slack


@compiled
def read_leads(c, s: Slots, k: Cards, w: Windows, m: Model, rows, nows, exact, engagement, calm, change, slack):
    """Read leads, each at its own instant: fill in scores in units, [lead, scorecard], and the bounds of each lead."""
    for i in range(rows.shape[0]):
        calm[i] = change[i] = slack[i] = inf
        for card in range(m.cards.shape[0]):
            reading = read(c, s, k, w, m, rows[i], card, nows[i])
            exact[i, card], engagement[i, card] = reading[0], reading[1]
            card_calm, card_change, card_slack = bound_next_change(c, s, k, w, m, rows[i], card, reading)
            calm[i], change[i] = min(calm[i], card_calm), min(change[i], card_change)
            slack[i] = min(slack[i], card_slack)
