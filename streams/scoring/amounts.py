"""Read the amount of a signal at an instant, and find the next instant at which an amount changes at once."""

from __future__ import annotations

from bisect import bisect_right
from math import inf

from streams.scoring.lead import Lead
from streams.scoring.rules import SignalRule


def amount_at(rule: SignalRule, lead: Lead, now_ms: int) -> float:
    """The amount of a signal at ``now_ms``, an instant not before the lead's clock."""
    if rule.window_ms:
        count = _events_within(rule, lead, now_ms)
        return float(count >= rule.at_least) if rule.at_least else float(count)
    rule = rule_in_force(rule, lead, now_ms)
    return lead.amount_at(rule.id, rule.inverse_half_life, now_ms)


def is_present(rule: SignalRule, lead: Lead, now_ms: int) -> bool:
    """Whether the amount of a signal is above 0; one that fades always is, once anything was counted."""
    if rule.window_ms:
        return amount_at(rule, lead, now_ms) > 0
    return rule.id in lead.signals and lead.amount[lead.signals.index(rule.id)] > 0


def was_present(rule: SignalRule, lead: Lead) -> bool:
    """Whether the amount of a signal was above 0 at any time, as far as its events are kept."""
    if rule.id not in lead.signals:
        return False
    if not rule.window_ms:
        return lead.amount[lead.signals.index(rule.id)] > 0
    if not rule.at_least:
        return True
    expiries = _expiries(rule, lead)
    ends = zip(expiries, expiries[rule.at_least - 1 :], strict=False)
    return any(last - first < rule.window_ms for first, last in ends)


def rule_in_force(rule: SignalRule, lead: Lead, now_ms: int) -> SignalRule:
    """The signal with the half-life by which it is read now: that of the first guard that is present."""
    return next((each for guard, each in rule.switches if is_present(guard, lead, now_ms)), rule)


def next_step_ms(rule: SignalRule, lead: Lead, now_ms: int) -> float:
    """The first instant after ``now_ms`` at which the amount changes at once; infinite if it only fades."""
    if not rule.window_ms:
        return min((next_step_ms(guard, lead, now_ms) for guard, _ in rule.switches), default=inf)
    expiries = _expiries(rule, lead)
    if rule.at_least:
        expiries = [expiries[-rule.at_least]] if len(expiries) >= rule.at_least else []
    after = bisect_right(expiries, now_ms)
    return expiries[after] if after < len(expiries) else inf


def last_step_ms(rule: SignalRule, lead: Lead) -> float:
    """The last instant at which the amount changes at once; minus infinity if it only fades."""
    if not rule.window_ms:
        return max((last_step_ms(guard, lead) for guard, _ in rule.switches), default=-inf)
    return max(_expiries(rule, lead), default=-inf)


def latest_match_ms(rule: SignalRule, lead: Lead) -> float:
    """The time of the latest event that matched, whether it counts or not; minus infinity if none did."""
    times = rule.latest.counter.times(lead) if rule.latest is not None and rule.latest.counter is not None else []
    return times[-1] + lead.base if times else -inf


def _events_within(rule: SignalRule, lead: Lead, now_ms: int) -> int:
    """The number of events that count and are within the window."""
    expiries = _expiries(rule, lead)
    return len(expiries) - bisect_right(expiries, now_ms)


def _expiries(rule: SignalRule, lead: Lead) -> list[int]:
    """The instants from which on the events that count are not within the window, earliest first."""
    assert rule.counter is not None
    return [at + lead.base + rule.window_ms for at in rule.counter.times(lead)]
