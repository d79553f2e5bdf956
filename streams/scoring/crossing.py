"""Find the next instant at which decay alone changes a stage or a published score, in a bounded number of steps.

The score is a sum of parts. Each part fades towards 0 and is rounded to a whole unit. If all parts move in one
direction, the score is monotonic and bisection finds the first instant. If some fall and some rise, ``Smooth`` gives
the instants between which the unrounded sum is monotonic; an interval is bisected only if the bound is met in it.
No crossing is skipped.

Windows, absence, guards of half-lives and blocks that end change at known instants: the steps. The search goes from one
to the next: it looks at each, and between two of them the parts only fade.

The rounded sum may differ from the unrounded one by a few units. This close to a bound, the score usually passes it
within a few roundings. But if rising and falling parts balance, it could hover there for months, one unit above and
one unit below. So **within that distance of a bound, the parts of a balanced score are summed before rounding**: a
stage is decided by the curve, rounded to a whole unit (``steadied``). This depends only on the lead and the instant, so
events, decay and every search decide alike. The published score counts as unchanged until the curve is further from
the bound than rounding can reach.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from math import floor, inf

from streams.scoring.blocks import is_blocked, is_open
from streams.scoring.bounds import BEYOND_MS, MARGIN, change_delay_ms
from streams.scoring.fit import UNIT
from streams.scoring.lead import Latch, Lead
from streams.scoring.rules import CardRule, StageRule
from streams.scoring.score import Reading, does_apply, fit_of, published, read
from streams.scoring.search import Bound, Search, near
from streams.scoring.smooth import Smooth
from streams.scoring.terms import end_of_change, spans


def steadied(card: CardRule, smooth: Smooth, reading: Reading, now_ms: int) -> Reading:
    """The reading, with the parts summed before rounding if they balance."""
    if not (smooth.mixed and smooth.balanced(now_ms)):
        return reading
    total = floor(smooth.total(now_ms) + 0.5)
    exact = min(max(total, card.minimum), card.maximum)
    return reading._replace(exact=exact, engagement=total - reading.fit)


def flips(
    card: CardRule,
    rule: StageRule,
    lead: Lead,
    reading: Reading,
    now_ms: int,
    smooth: Smooth | None = None,
) -> bool:
    """Whether a stage changes at a reading."""
    latch = lead.latches.get(rule.key)
    if not reading.applies:
        return latch is not None and latch.inside
    bound = _bound_of(card, rule, latch, reading.fit)
    if abs(reading.engagement + reading.fit - bound.units) <= near(lead, reading):
        reading = steadied(card, smooth or Smooth(card, lead, now_ms), reading, now_ms)
    if latch is not None and latch.inside:
        return (
            is_blocked(rule, lead, now_ms)
            or reading.exact < rule.leave
            or reading.fit < rule.keep_fit
            or reading.engagement < rule.keep_engagement
        )
    return (
        is_open(rule, lead, now_ms)
        and reading.exact >= rule.enter
        and reading.fit >= rule.needs_fit
        and reading.engagement >= rule.needs_engagement
    )


def decay_can_flip(rule: StageRule, latch: Latch | None, card: CardRule, lead: Lead, now_ms: int) -> bool:
    """Whether decay alone can change a stage before the next step: fit does not change, nor do blocks and needs."""
    if latch is not None and latch.inside:
        return True
    return fit_of(card, lead) >= rule.needs_fit and is_open(rule, lead, now_ms)


def _bound_of(card: CardRule, rule: StageRule, latch: Latch | None, fit: float) -> Bound:
    """The sum of engagement and fit at which a stage changes."""
    if latch is not None and latch.inside:
        leave = _in_range(card, rule.leave, below=True)
        return leave._replace(units=max(leave.units, rule.keep_engagement + fit))
    enter = _in_range(card, rule.enter, below=False)
    return enter._replace(units=max(enter.units, rule.needs_engagement + fit))


def _in_range(card: CardRule, units: float, below: bool, lag: float = 0.0) -> Bound:
    """Turn a bound of the clamped score into one of engagement plus fit; unreachable bounds become infinite."""
    units = -inf if units <= card.minimum else inf if units > card.maximum else units
    return Bound(units, below, lag)


class _Walk:
    """Goes through the time of one lead on one scorecard from step to step."""

    def __init__(self, card: CardRule, lead: Lead) -> None:
        self.card, self.lead = card, lead
        self._search = cache(partial(Search, card, lead))

    def first(
        self, start_ms: int, end_ms: int, stepped: Callable[[int], bool], find: Callable[[Search, int, int], int | None]
    ) -> int | None:
        """The first instant in (start, end]: a step for which ``stepped`` is true, or one that ``find`` finds.

        ``find`` is called with the first and the last instant of each span between two steps.
        """
        for begin_ms, stop_ms in spans(self.card, self.lead, start_ms, end_ms):
            if begin_ms > start_ms and stepped(begin_ms):
                return begin_ms
            if (found := find(self._search(begin_ms), begin_ms, stop_ms)) is not None:
                return found
        return None

    def first_change(self, now_ms: int, end_ms: int) -> int | None:
        """The first instant in (now, end] at which the published score or a stage changes."""
        shown = published(read(self.card, self.lead, now_ms).exact)
        return self.first(
            now_ms,
            end_ms,
            lambda t: published(read(self.card, self.lead, t).exact) != shown or _flips_any(self.card, self.lead, t),
            lambda search, begin_ms, stop_ms: _next_change(search, shown, begin_ms, stop_ms),
        )


def next_flip(card: CardRule, lead: Lead, start_ms: int, end_ms: int) -> int | None:
    """The first instant in (start, end] at which time alone changes a stage of the card."""
    if not card.stages or not does_apply(card, lead):
        return None
    return _Walk(card, lead).first(start_ms, end_ms, lambda t: _flips_any(card, lead, t), _next_flip)


def _flips_any(card: CardRule, lead: Lead, now_ms: int) -> bool:
    reading = read(card, lead, now_ms)
    return any(flips(card, rule, lead, reading, now_ms) for rule in card.stages)


def _next_flip(search: Search, start_ms: int, end_ms: int) -> int | None:
    """The first instant in (start, end] at which decay changes a stage."""
    card, lead = search.card, search.lead
    found: int | None = None
    for rule in card.stages:
        latch = lead.latches.get(rule.key)
        if not decay_can_flip(rule, latch, card, lead, start_ms):
            continue
        at = search.first(
            _bound_of(card, rule, latch, fit_of(card, lead)),
            lambda t: flips(card, rule, lead, read(card, lead, t), t, search.smooth),  # noqa: B023 - used at once
            start_ms,
            end_ms if found is None else found,
        )
        found = at if at is not None else found
    return found


def next_change(card: CardRule, lead: Lead, now_ms: int) -> int | None:
    """The first instant after ``now_ms`` at which time changes the published score or a stage; None if never."""
    if not does_apply(card, lead):
        return None
    return _Walk(card, lead).first_change(now_ms, end_of_change(card, lead, now_ms))


def next_look(card: CardRule, lead: Lead, now_ms: int) -> int | None:
    """The first instant after ``now_ms`` at which time changes a stage, the published score or the rank."""
    if not does_apply(card, lead):
        return None
    walk, end_ms = _Walk(card, lead), end_of_change(card, lead, now_ms)
    change, whole = walk.first_change(now_ms, end_ms), read(card, lead, now_ms).whole
    if card.lowest < whole < card.highest:
        return change
    moved = walk.first(
        now_ms,
        end_ms,
        lambda t: read(card, lead, t).whole != whole,
        lambda search, begin_ms, stop_ms: _next_whole(search, whole, begin_ms, stop_ms),
    )
    if moved is None:
        return change
    look = max(moved, now_ms + BEYOND_MS)
    return look if change is None else min(change, look)


def _next_change(search: Search, shown: int, now_ms: int, end_ms: int) -> int | None:
    """The first instant in (now, end] at which decay changes the published score ``shown`` or a stage."""
    found = _next_published(search, shown, now_ms, end_ms)
    flip = _next_flip(search, now_ms, end_ms if found is None else found)
    return found if flip is None else flip


def _next_published(search: Search, shown: int, now_ms: int, end_ms: int) -> int | None:
    """The first instant in (now, end] at which the published score certainly changes; at the end any change counts."""
    card, lead = search.card, search.lead
    lag = near(lead, search.begin)
    low = _in_range(card, shown * UNIT, below=True, lag=lag)
    high = _in_range(card, (shown + 1) * UNIT, below=False, lag=lag)
    return _first_past(search, low, high, now_ms, end_ms, lambda later: published(later.exact) != shown)


def _next_whole(search: Search, whole: int, now_ms: int, end_ms: int) -> int | None:
    """The same for the whole number by which the lead is ranked."""
    lag = near(search.lead, search.begin)
    low, high = Bound(whole * UNIT, True, lag), Bound((whole + 1) * UNIT, False, lag)
    return _first_past(search, low, high, now_ms, end_ms, lambda later: later.whole != whole)


def _first_past(
    search: Search, low: Bound, high: Bound, now_ms: int, end_ms: int, differs: Callable[[Reading], bool]
) -> int | None:
    """The first instant in (now, end] at which the score is certainly past a bound; the end if it ``differs`` there."""
    fall = search.first(low, lambda t: _shows_other(search, low, t), now_ms, end_ms)
    limit_ms = end_ms if fall is None else fall
    rise = search.first(high, lambda t: _shows_other(search, high, t), now_ms, limit_ms)
    found = fall if rise is None else rise
    return end_ms if found is None and differs(read(search.card, search.lead, end_ms)) else found


def _shows_other(search: Search, bound: Bound, at_ms: int) -> bool:
    """Whether a published score is certainly past a bound."""
    reading = read(search.card, search.lead, at_ms)
    total = reading.engagement + reading.fit
    close = abs(total - bound.units) <= 2 * bound.lag + 1
    if close and search.smooth.mixed and search.smooth.balanced(at_ms):
        return bound.passed_by_curve(search.smooth.total(at_ms))
    return bound.passed(total)


def bound_next_change(card: CardRule, lead: Lead, reading: Reading) -> tuple[float, float, float]:
    """Compute cheap lower bounds of the next change, in ms from the reading and in units.

    Returns:
        The time before which decay changes no stage; the time at which to check stages, published score and rank (with
        one half-life, CERTAIN units of decay after the change; with several, before it); and the units that may be
        added before a stage could be entered.
    """
    total = reading.engagement + reading.fit
    calm, slack = inf, inf
    if not reading.applies:
        return calm, inf, slack
    for rule in card.stages:
        latch = lead.latches.get(rule.key)
        if latch is not None and latch.inside:
            spare = min(total - rule.leave, reading.engagement - rule.keep_engagement)
            calm = min(calm, reading.fall_ms(spare - MARGIN))
        elif decay_can_flip(rule, latch, card, lead, reading.at_ms):
            missing = max(rule.enter - total, rule.needs_engagement - reading.engagement) - MARGIN
            calm = min(calm, reading.rise_ms(missing))
            slack = min(slack, missing - reading.rising)
    calm = min(calm, reading.step_ms)
    return calm, min(calm, change_delay_ms(card, reading)), slack
