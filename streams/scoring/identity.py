"""How the states of two leads become one: amounts add up, once-only and limited signals stay so."""

from __future__ import annotations

from typing import Any

from streams.scoring.lead import RING_SIZE, Latch, Lead, Window
from streams.scoring.rules import Rules

MOST_ALIASES = 1000


def merge(rules: Rules, lead: Lead, other: Lead, origin: str) -> None:
    """Add the state of ``other``, known as ``origin``, to ``lead``. Nothing is counted twice."""
    shift = other.base - lead.base
    for i, signal in enumerate(other.signals):
        rule = rules.by_id.get(signal)
        if rule is not None and rule.counter is not None:
            window = other.windows.get(signal) or Window([], other.amount[i], other.ref[i])
            rule.counter.merge(lead, _shifted(window, shift))
        elif rule is not None:
            lead.add(signal, rule.inverse_half_life, other.ref[i] + shift, other.amount[i])
            lead.count[lead.signals.index(signal)] += other.count[i] - 1
    lead.ring = (other.ring + lead.ring)[-RING_SIZE:]
    for name, row in other.traits.items():
        set_trait(lead, name, row)
    for touch in other.touches:
        note_touch(lead, touch)
    for key, latch in other.latches.items():
        lead.latches[key] = _joined(lead.latches.get(key), latch)
    lead.inside = sum(latch.inside for latch in lead.latches.values())
    lead.first_seen = min(lead.first_seen, other.first_seen)
    lead.last_seen = max(lead.last_seen, other.last_seen)
    lead.clock = max(lead.clock, other.clock)
    add_aliases(lead, [origin, *other.aliases])
    lead.forget_derived()


def add_aliases(lead: Lead, ids: list[str]) -> None:
    """Remember the other names of a lead, sorted, so that the order of joins leaves no trace."""
    lead.aliases = sorted({*lead.aliases, *ids})[:MOST_ALIASES]


def set_trait(lead: Lead, name: str, row: list[Any]) -> bool:
    """Keep the latest by event time, then by message id: ``row`` is [value, ms since the epoch, message id]."""
    known = lead.traits.get(name)
    if known is not None and (row[1], row[2]) <= (known[1], known[2]):
        return False
    lead.traits[name] = row
    return True


def note_touch(lead: Lead, touch: list[Any]) -> None:
    """Keep the first and the last campaign: ``touch`` is [ms since the epoch, source, medium, name]."""
    touches = [*lead.touches, touch]
    first, last = min(touches), max(touches)
    lead.touches = [first] if first == last else [first, last]


def _shifted(window: Window, shift: int) -> Window:
    entries = [[at + shift, *rest] for at, *rest in window.entries]
    return Window(entries, window.closed, window.closed_ref + shift)


def _joined(mine: Latch | None, other: Latch) -> Latch:
    """One latch for two: inside if either is, with the latest of what was told."""
    if mine is None:
        return other
    leading = max(mine, other, key=lambda latch: (latch.inside, latch.published_at or 0, latch.since))
    told = [latch.published_at for latch in (mine, other) if latch.published_at is not None]
    return Latch(
        leading.inside,
        leading.since,
        max(mine.episode, other.episode),
        max(told, default=None),
        leading.silent,
    )
