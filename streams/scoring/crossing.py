"""When decay alone will change something: a search that cannot skip a crossing.

Every positive contribution only falls and every negative one only rises towards 0, so over an interval the score
lies between two sums taken at its ends. An interval in which no bound can be met is skipped whole; any other is
halved, the earlier half first, down to the millisecond. The search begins where a cheap lower bound says that nothing
happens before, with short intervals. Works with several half-lives, caps and negative points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, exp2, inf, log2

from streams.scoring.lead import Latch, Lead
from streams.scoring.rules import UNIT, CardRule, StageRule
from streams.scoring.score import FAR_MS, HALF, Reading, fade_ms, fit_of, published, read

MARGIN = 1000
"""Units by which rounding the parts to whole units may bring a bound closer than their exact sum would."""
CERTAIN = 50
"""Units beyond a whole point at which it has certainly been passed: when a lead is looked at, it has changed."""
PATIENCE = 4096
"""Halvings after which the search goes on in steps of a second: a score that grazes a bound for ever."""
LEAPS, SHORT_MS, SPAN_MS = 12, 8.0, 16
"""How often a search leaps over what is certainly quiet, how short a leap is not worth it, and where it looks first."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Bounds of score and engagement over an interval, in units."""

    low: float
    high: float
    engagement_high: float


def envelope(card: CardRule, lead: Lead, start_ms: int, end_ms: int) -> Envelope:
    """Between which values the score of a lead stays from ``start_ms`` to ``end_ms`` without events."""
    lows: list[float] = [0] * len(card.bounds)
    highs: list[float] = [0] * len(card.bounds)
    start, end = start_ms - lead.base, end_ms - lead.base
    for signal, amount, ref in zip(lead.signals, lead.amount, lead.ref, strict=True):
        weight = card.weights.get(signal)
        if weight is None:
            continue
        points, cap, category, inverse_half_life = weight
        worth = points * amount
        first = min(max(round(worth * exp2((ref - start) * inverse_half_life)), -cap), cap)
        last = min(max(round(worth * exp2((ref - end) * inverse_half_life)), -cap), cap)
        lows[category] += min(first, last)
        highs[category] += max(first, last)
    low = sum(min(max(total, floor), top) for total, (floor, top) in zip(lows, card.bounds, strict=True))
    high = sum(min(max(total, floor), top) for total, (floor, top) in zip(highs, card.bounds, strict=True))
    fit = fit_of(card, lead)
    return Envelope(
        min(max(low + fit, card.minimum), card.maximum),
        min(max(high + fit, card.minimum), card.maximum),
        high,
    )


def flips(rule: StageRule, latch: Latch | None, lead: Lead, reading: Reading) -> bool:
    """Whether a stage changes at a reading."""
    blocked = is_blocked(rule, lead)
    if latch is not None and latch.inside:
        return blocked or reading.exact < rule.leave
    return (
        not blocked
        and reading.exact >= rule.enter
        and reading.fit >= rule.needs_fit
        and reading.engagement >= rule.needs_engagement
    )


def is_blocked(rule: StageRule, lead: Lead) -> bool:
    """Whether a blocking signal has an amount above 0."""
    if not rule.blocking:
        return False
    return any(s in rule.blocking and a > 0 for s, a in zip(lead.signals, lead.amount, strict=True))


def may_flip(rule: StageRule, latch: Latch | None, bounds: Envelope) -> bool:
    """Whether the bounds of an interval leave room for a change of a stage that decay can change at all."""
    if latch is not None and latch.inside:
        return bounds.low < rule.leave
    return bounds.high >= rule.enter and bounds.engagement_high >= rule.needs_engagement


def decay_can_flip(rule: StageRule, latch: Latch | None, card: CardRule, lead: Lead) -> bool:
    """Whether time alone can change a stage: fit and blocks do not change with time."""
    if latch is not None and latch.inside:
        return True
    return not is_blocked(rule, lead) and fit_of(card, lead) >= rule.needs_fit


def horizon_ms(card: CardRule, lead: Lead) -> int:
    """How long decay can still move the score before every part rounds to 0; 0 where nothing fades."""
    fading = [
        (abs(weight[0] * amount), weight[3])
        for signal, amount in zip(lead.signals, lead.amount, strict=True)
        if (weight := card.weights.get(signal)) is not None and weight[3] > 0
    ]  # what a cap hides fades, too
    return max((ceil((log2(worth + 1) + 2) / rate) for worth, rate in fading), default=0)


def _first(may: Callable[[int, int], bool], holds: Callable[[int], bool], start_ms: int, end_ms: int) -> int | None:
    """The first whole ms in (start, end] at which a condition holds that did not hold at ``start``."""
    pending = [(start_ms, end_ms)]
    looks = 0
    while pending:
        start, end = pending.pop()
        looks += 1
        step = 1 if looks < PATIENCE else 1000
        if end <= start or not may(start, end):
            continue
        if end - start <= step:
            if holds(end):
                return end
            continue
        middle = (start + end) // 2
        pending.append((middle, end))
        pending.append((start, middle))
    return None


def _first_from(
    may: Callable[[int, int], bool],
    holds: Callable[[int], bool],
    start_ms: int,
    end_ms: int,
    quiet_ms: Callable[[int], float],
) -> int | None:
    """The same, where ``quiet_ms`` tells for how long after an instant nothing can happen."""
    start = start_ms
    for _ in range(LEAPS):
        leap = quiet_ms(start)
        if leap < SHORT_MS:
            break
        start = min(start + int(leap) - 1, end_ms) if leap < FAR_MS else end_ms
        if start >= end_ms:
            return None
    length = SPAN_MS
    while start < end_ms:
        end = min(start + length, end_ms)
        at = _first(may, holds, start, end)
        if at is not None:
            return at
        start, length = end, 2 * length
    return None


def next_flip(card: CardRule, lead: Lead, start_ms: int, end_ms: int) -> int | None:
    """The first instant in (start, end] at which decay changes a stage of the card."""
    found: int | None = None
    for rule in card.stages:
        latch = lead.latches.get(rule.key)
        if not decay_can_flip(rule, latch, card, lead):
            continue
        at = _first_from(
            lambda a, b: may_flip(rule, latch, envelope(card, lead, a, b)),  # noqa: B023 - used at once
            lambda t: flips(rule, latch, lead, read(card, lead, t)),  # noqa: B023
            start_ms,
            end_ms if found is None else found,
            lambda t: _calm_ms(rule, latch, read(card, lead, t)),  # noqa: B023
        )
        found = at if at is not None else found
    return found


def next_change(card: CardRule, lead: Lead, now_ms: int) -> int | None:
    """The first instant after ``now_ms`` at which the published score or a stage changes by decay; None if never."""
    end_ms = now_ms + horizon_ms(card, lead)
    shown = published(read(card, lead, now_ms).exact)
    low, high = shown * UNIT - HALF, shown * UNIT + HALF
    rounding = _first_from(
        lambda a, b: _leaves(envelope(card, lead, a, b), low, high),
        lambda t: published(read(card, lead, t).exact) != shown,
        now_ms,
        end_ms,
        lambda t: _stays_ms(read(card, lead, t), low, high),
    )
    flip = next_flip(card, lead, now_ms, end_ms if rounding is None else rounding)
    return rounding if flip is None else flip


def _stays_ms(reading: Reading, low: float, high: float) -> float:
    """How long decay certainly leaves a score between two bounds."""
    total = reading.engagement + reading.fit
    return min(reading.fall_ms(total - low - MARGIN), reading.rise_ms(high - total - MARGIN))


def _leaves(bounds: Envelope, low: float, high: float) -> bool:
    return bounds.low < low or bounds.high >= high


def _calm_ms(rule: StageRule, latch: Latch | None, reading: Reading) -> float:
    """How long decay certainly leaves a stage as it is that it can change at all."""
    total = reading.engagement + reading.fit
    if latch is not None and latch.inside:
        return reading.fall_ms(total - rule.leave - MARGIN)
    return reading.rise_ms(max(rule.enter - total, rule.needs_engagement - reading.engagement) - MARGIN)


def _look_ms(by: float, total: float, rate: float) -> float:
    """When decay may have changed a score by so many units: once it has for certain, or sooner if it ends there."""
    if rate <= 0.0:
        return inf
    return fade_ms(by + CERTAIN if by + MARGIN < total else by - MARGIN, total, rate)


def soonest(card: CardRule, lead: Lead, reading: Reading, shown: int) -> tuple[float, float, float]:
    """Cheap lower bounds, in ms from the reading and in units.

    Returns:
        The time before which no stage can change by decay, the time at which a stage or the published score is
        worth a look (with one half-life, CERTAIN units of decay after it has changed; with several, before), and
        the units that may be added before a stage could be entered.
    """
    total = reading.engagement + reading.fit
    calm, slack = inf, inf
    for rule in card.stages:
        latch = lead.latches.get(rule.key)
        if latch is not None and latch.inside:
            calm = min(calm, _calm_ms(rule, latch, reading))
        elif decay_can_flip(rule, latch, card, lead):
            missing = max(rule.enter - total, rule.needs_engagement - reading.engagement) - MARGIN
            calm = min(calm, reading.rise_ms(missing))
            slack = min(slack, missing - reading.rising)
    bound = shown * UNIT
    change = calm
    if bound - HALF > card.minimum:
        change = min(change, _look_ms(total - bound + HALF, reading.falling, reading.falling_rate))
    if bound + HALF <= card.maximum:
        change = min(change, _look_ms(bound + HALF - total, reading.rising, reading.rising_rate))
    return calm, change, slack
