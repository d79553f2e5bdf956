"""Merge the states of two leads: amounts add up, and limits still hold."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final

from streams.scoring.lead import ID_BYTES, OLDER, Latch, Lead, Window, detail_key
from streams.scoring.rules import Rules

MOST_ALIASES = 1000
MOST_TRAITS = 64
"""Traits that a lead keeps beside those that a scorecard reads and those of ALWAYS_KEPT."""
ALWAYS_KEPT: Final = frozenset(
    ["name", "first_name", "last_name", "email", "phone", "title", "company", "website", "country", "owner"]
)
PUBLIC: Final = 1
"""Last element of the row of a trait that came with a public write key, which anybody can use."""


def merge(rules: Rules, lead: Lead, other: Lead, origin: str) -> None:
    """Add the state of ``other``, whose id is ``origin``, to ``lead``. Nothing is counted twice."""
    shift = other.base - lead.base
    for i, signal in enumerate(other.signals):
        rule = rules.by_id.get(signal)
        if rule is not None and rule.counter is not None:
            window = other.windows.get(signal) or Window([], other.amount[i], other.ref[i])
            rule.counter.merge(lead, _shifted(window, shift))
        elif rule is not None:
            lead.add(signal, rule.inverse_half_life, other.ref[i] + shift, other.amount[i])
            lead.count[lead.signals.index(signal)] += other.count[i] - 1
    lead.ring = (other.ring + lead.ring)[-OLDER * ID_BYTES :]
    _join_recent(lead, other, shift)
    for name, row in other.traits.items():
        note_trait(lead, name, row, rules.traits)
    for touch in other.touches:
        note_touch(lead, touch)
    for key, latch in other.latches.items():
        lead.latches[key] = _joined(lead.latches.get(key), latch)
    lead.first_seen = min(lead.first_seen, other.first_seen)
    lead.last_seen = max(lead.last_seen, other.last_seen)
    lead.clock = max(lead.clock, other.clock)
    add_aliases(lead, [origin, *other.aliases])
    lead.forget_derived()


def _join_recent(lead: Lead, other: Lead, shift: int) -> None:
    """Combine the recent events of both leads, those of the other first."""
    mine, lead.recent, lead.sets = lead.remembered(), b"", []
    for digest, at, signals in other.remembered():
        for signal in signals if other.details else ():
            if (detail := other.details.get(detail_key(digest, at, signal))) is not None:
                lead.details[detail_key(digest, at + shift, signal)] = detail
        lead.remember(digest, at + shift, signals)
    for digest, at, signals in mine:
        lead.remember(digest, at, signals)


def add_aliases(lead: Lead, ids: list[str]) -> None:
    """Add aliases to a lead, sorted, so that the order of joins does not matter."""
    lead.aliases = sorted({*lead.aliases, *ids})[:MOST_ALIASES]


def note_trait(lead: Lead, name: str, row: list[Any], read: Set[str]) -> int:
    """Store a trait of an event; ``read`` are the traits that scorecards read.

    Of all other traits MOST_TRAITS are kept: the first by name, those of public keys last. So the kept traits do not
    depend on the order of arrival. A trait that null took back counts, because an older value must not bring it back.

    Returns:
        The number of traits that were left out.
    """
    if not set_trait(lead, name, row) or len(lead.traits) <= MOST_TRAITS:
        return 0
    others = [known for known in lead.traits if known not in ALWAYS_KEPT and known not in read]
    others.sort(key=lambda known: (_public(lead.traits[known]), known))
    for known in others[MOST_TRAITS:]:
        del lead.traits[known]
    return len(others[MOST_TRAITS:])


def set_trait(lead: Lead, name: str, row: list[Any]) -> bool:
    """Keep the latest value by event time, then by message id; any other value replaces one from a public key.

    ``row`` is [value, ms since the epoch, message id], followed by PUBLIC if it came with a public key.
    """
    known = lead.traits.get(name)
    if known is not None and _priority(row) <= _priority(known):
        return False
    lead.traits[name] = row
    return True


def _priority(row: list[Any]) -> tuple[bool, int, str]:
    """Sort key of a row: the greater one is kept. The order is total, so the order of arrival does not matter."""
    return not _public(row), row[1], row[2]


def _public(row: list[Any]) -> bool:
    return len(row) > 3


def note_touch(lead: Lead, touch: list[Any]) -> None:
    """Keep the first and the last campaign: ``touch`` is [ms since the epoch, source, medium, name]."""
    touches = [*lead.touches, touch]
    first, last = min(touches), max(touches)
    lead.touches = [first] if first == last else [first, last]


def _shifted(window: Window, shift: int) -> Window:
    entries = [[at + shift, *rest] for at, *rest in window.entries]
    return Window(entries, window.closed, window.closed_ref + shift)


def _joined(mine: Latch | None, other: Latch) -> Latch:
    """Merge two latches: inside if either is, with the latest publication time.

    If only the other one is inside, episodes add up, because its episode was never published under this lead id.
    """
    if mine is None:
        return other
    episode = mine.episode if mine.inside else mine.episode + other.episode
    leading = max(mine, other, key=lambda latch: (latch.inside, latch.published_at or 0, latch.since))
    published = [latch.published_at for latch in (mine, other) if latch.published_at is not None]
    return Latch(
        leading.inside,
        leading.since,
        episode,
        max(published, default=None),
        leading.silent,
        leading.by,
    )
