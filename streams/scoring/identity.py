"""Merge the states of two leads: amounts add up, and limits still hold."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final

from streams.scoring.event import LeadEvent
from streams.scoring.lead import ID_BYTES, MAX_IDS, OLDER, RECENT, Lead, Ledger, detail_key, id_hash
from streams.scoring.retraction import retract_event, was_retracted
from streams.scoring.rules import Rules
from streams.scoring.verdicts import SalesCall, Verdict, keep_verdicts

MAX_ALIASES = 1000
MAX_TRAITS = 64
"""Traits that a lead keeps beside those that a scorecard reads and those of ALWAYS_KEPT."""
ALWAYS_KEPT: Final = frozenset(
    ["name", "first_name", "last_name", "email", "phone", "title", "company", "website", "country", "owner"]
)
PUBLIC: Final = 1
"""Last element of the row of a trait that came with a public write key, which anybody can use."""
_PRIVATE: Final = 3
"""Length of the row of any other trait."""


def merge(rules: Rules, lead: Lead, other: Lead, origin: str) -> set[bytes]:
    """Add the state of ``other``, whose id is ``origin``, to ``lead``, but for its stages. Nothing is counted twice.

    Returns:
        The events that one of the two had counted and that had been retracted from the other.
    """
    retracted = _count_once(rules, lead, other)
    merge_verdicts(lead, other)
    shift = other.base - lead.base
    for i, signal in enumerate(other.signals):
        rule = rules.by_id.get(signal)
        if rule is not None and rule.counter is not None:
            ledger = other.ledgers.get(signal) or Ledger([], other.amount[i], other.ref[i])
            rule.counter.merge(lead, _shifted(ledger, shift))
        elif rule is not None:
            lead.add(signal, rule.inverse_half_life, other.ref[i] + shift, other.amount[i])
            lead.count[lead.signals.index(signal)] += other.count[i] - 1
    _join_memories(lead, other, shift)
    for name, row in other.traits.items():
        note_trait(lead, name, row, rules.traits)
    for touch in other.touches:
        note_touch(lead, touch)
    lead.first_seen = min(lead.first_seen, other.first_seen)
    lead.last_seen = max(lead.last_seen, other.last_seen)
    add_aliases(lead, [origin, *other.aliases])
    fits = {} if other.traits else lead.fits
    lead.forget_derived()
    lead.fits = fits
    return retracted


def _count_once(rules: Rules, lead: Lead, other: Lead) -> set[bytes]:
    """Undo events in one of two leads if they were also counted in, or retracted from, the other."""
    theirs = [digest for digest, *_ in other.remembered() if lead.knows(digest)]
    mine = [digest for digest, *_ in lead.remembered() if other.knows(digest) and digest not in theirs]
    for digest in theirs:
        retract_event(rules, other, digest)
    for digest in mine:
        retract_event(rules, lead, digest)
    return {digest for digest in theirs + mine if was_retracted(lead, digest) or was_retracted(other, digest)}


def _join_memories(lead: Lead, other: Lead, shift: int) -> None:
    """Combine the recent events of both leads: the latest ones of both together, by event time."""
    mine = lead.remembered()
    theirs = [(digest, at + shift, signals, offset) for digest, at, signals, offset in other.remembered()]
    details: dict[bytes, list[Any]] = lead.details | {
        detail_key(digest, at + shift, signal): detail
        for digest, at, signals, _ in other.remembered()
        for signal in (signals if other.details else ())
        if (detail := other.details.get(detail_key(digest, at, signal))) is not None
    }
    together = sorted(mine + theirs, key=lambda event: (event[1], event[0]))
    older, latest = together[:-RECENT], together[-RECENT:]
    rings, kept = [], set(latest)
    for ring, events, others in ((lead.ring, mine, theirs), (other.ring, theirs, mine)):
        ids = _ids_beside(ring, len(events), sum(event in kept for event in others))
        rings.append((min((event[1] for event in events), default=0), ids))
    ids = [digest for _, digests in sorted(rings) for digest in digests] + [digest for digest, *_ in older]
    lead.ring = b"".join(dict.fromkeys(ids))[-MAX_IDS * ID_BYTES :]
    lead.recent, lead.sets, lead.details = b"", [], {}
    for digest, at, signals, offset in latest:
        keys = [detail_key(digest, at, signal) for signal in signals] if details else []
        lead.details.update({key: details[key] for key in keys if key in details})
        lead.remember(digest, at, signals, offset)


def _ids_beside(ring: bytes, recent: int, later: int) -> list[bytes]:
    """The ids of a ring, without those that are certainly older than 128 others.

    ``recent`` events of the same lead and ``later`` ones of the other are younger than all of them.
    """
    ids = [ring[start : start + ID_BYTES] for start in range(0, len(ring), ID_BYTES)]
    return ids[max(len(ids) + recent + later - RECENT - OLDER, 0) :]


def add_aliases(lead: Lead, ids: list[str]) -> None:
    """Add aliases to a lead, sorted, so that the order of joins does not matter."""
    lead.aliases = sorted({*lead.aliases, *ids})[:MAX_ALIASES]


def note_traits(lead: Lead, event: LeadEvent, read: Set[str]) -> int:
    """Store the traits of an event, as ``note_trait`` does; return the number of traits that were left out."""
    left_out = 0
    for name, value in (event.traits or {}).items():
        row = [value, event.at, event.message_id]
        left_out += note_trait(lead, name, [*row, PUBLIC] if event.public else row, read)
    return left_out


def note_trait(lead: Lead, name: str, row: list[Any], read: Set[str]) -> int:
    """Store a trait of an event; ``read`` are the traits that scorecards read.

    Of all other traits MAX_TRAITS are kept: the first by name, those of public keys last. So the kept traits do not
    depend on the order of arrival. A trait that null took back counts, because an older value must not bring it back.

    Returns:
        The number of traits that were left out.
    """
    if not set_trait(lead, name, row) or len(lead.traits) <= MAX_TRAITS:
        return 0
    others = [known for known in lead.traits if known not in ALWAYS_KEPT and known not in read]
    others.sort(key=lambda known: (len(lead.traits[known]) > _PRIVATE, known))
    for known in others[MAX_TRAITS:]:
        del lead.traits[known]
    return len(others[MAX_TRAITS:])


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
    return len(row) <= _PRIVATE, row[1], row[2]


def note_verdict(lead: Lead, event: LeadEvent, call: SalesCall) -> Verdict | None:
    """Note the verdict of sales in an event; None if it was retracted before or is known.

    It is not kept if it is older than those that a lead keeps of its kind.
    """
    digest = id_hash(event.message_id)
    if was_retracted(lead, digest) or any(each.digest == digest for each in lead.verdicts):
        return None
    verdict = Verdict(event.at, call.kind, digest, call.detail, call.by)
    lead.verdicts = keep_verdicts([*lead.verdicts, verdict])
    return verdict


def merge_verdicts(lead: Lead, other: Lead) -> None:
    """Add the verdicts of ``other``, but for those that one of the two knows to be retracted."""
    both = (*lead.verdicts, *other.verdicts)
    if both:
        gone = {each.digest for each in both if any(was_retracted(one, each.digest) for one in (lead, other))}
        lead.verdicts = keep_verdicts(each for each in both if each.digest not in gone)


def note_touch(lead: Lead, touch: list[Any]) -> None:
    """Keep the first and the last campaign: ``touch`` is [ms since the epoch, source, medium, name]."""
    touches = [*lead.touches, touch]
    first, last = min(touches), max(touches)
    lead.touches = [first] if first == last else [first, last]


def _shifted(ledger: Ledger, shift: int) -> Ledger:
    entries = [[at + shift, *rest] for at, *rest in ledger.entries]
    return Ledger(entries, ledger.closed, ledger.closed_ref + shift)
