"""The hot loop: what ``Scorer`` does with plain events, compiled, over leads in columns.

Plain is an event that no limit, value, amount, trait or campaign makes particular. What else comes, and whatever
turns a stage, is left to ``Scorer``, which says what is right: a property test holds both to the same bytes.
Everything is computed in the same order with the same functions, so that not even the last bit differs.
"""

from __future__ import annotations

from math import exp2
from typing import Final

from streams.scoring.columns import Cards, Matches, Model, Recent, Slots
from streams.scoring.compiled import compiled
from streams.scoring.kernel_memory import has_room, jots, knows, remember
from streams.scoring.kernel_reading import settles, stays_calm

DONE, FULL = 0, 1
DUPLICATE, GONE = 0, 1
"""What is counted: repeated events, and events of erased leads."""
PARTICULAR: Final = -1
"""The match of an event that ``Scorer`` has to apply."""


@compiled
def apply(c, s: Slots, k: Cards, r: Recent, m: Model, h: Matches, e, begin, rescoring, left, counts, fired):
    """Apply events from ``begin`` on; what is particular, and all that follows for the same lead, goes to ``left``.

    Returns:
        FULL and the event to go on from where recent events need more room, else DONE; and how many are left.
    """
    # Taking an array out of a tuple costs more than using it.
    names, slots, inside, signals, matches, hits = s.names, s.slots, k.inside, m.signals, h.matches, h.hits
    digests, recents, old, used = r.digests, r.events, r.old, r.used
    lefts = 0
    for i in range(begin, e.shape[0]):
        row, match = e[i].row, e[i].match
        if row < 0 or c[row].stuck:
            left[lefts] = i
            lefts += 1
            continue
        lead, arrival, taken = c[row], e[i].arrival, False
        if match >= 0:
            hit = matches[match]
            if not has_room(lead, hit, names.shape[1], used[0], used[1], digests.shape[0], old.shape[0]):
                return FULL, i, lefts
            taken = (
                arrival <= lead.clock or arrival < lead.calm_until or stays_calm(c, s, k, m, row, arrival, rescoring)
            )
        if taken:
            at, now = e[i].at, max(lead.clock, arrival)
            if arrival <= lead.erased_at:
                counts[GONE] += 1
            else:
                if hit.last > hit.first:
                    digest = e[i].digest
                    if knows(lead, digests, old, digest):
                        counts[DUPLICATE] += 1
                    else:
                        if lead.slack > hit.gain and not (hit.lowers and _is_inside(inside, row)):
                            for j in range(hit.first, hit.last):
                                signal = hits[j].signal
                                rate, amount = signals[signal].rate, hits[j].amount
                                _add(lead, names, slots, row, signal, rate, at - lead.base, amount)
                            lead.slack -= hit.gain
                        else:
                            taken = _count_and_settle(c, s, k, m, h, row, match, at - lead.base, now)
                        if taken:
                            if not jots(lead, digests, recents, old, digest, at - lead.base, hit.group):
                                remember(c, r, row, digest, at - lead.base, hit.group)
                            fired[match] += 1
                if taken:
                    _note(lead, now, at, e[i].known)
        if taken:
            lead.touched = 1
        else:
            lead.stuck = 1
            left[lefts] = i
            lefts += 1
    return DONE, e.shape[0], lefts


@compiled
def _note(lead, now, at, known):
    """That there was an event."""
    lead.clock = now
    if known:
        lead.known = 1
    if at > lead.last_seen:
        lead.last_seen = at
    elif at < lead.first_seen:
        lead.first_seen = at


@compiled
def _count_and_settle(c, s, k, m, h, row, match, at, now):
    """Raise the amounts of what matched; False, and nothing done, where that turns a stage."""
    hit, lead = h.matches[match], c[row]
    size = lead.size
    kept = s.slots[row, :size].copy()
    for j in range(hit.first, hit.last):
        signal = h.hits[j].signal
        _add(lead, s.names, s.slots, row, signal, m.signals[signal].rate, at, h.hits[j].amount)
    if settles(c, s, k, m, row, now):
        return True
    lead.size = size
    for j in range(size):
        s.slots[row, j] = kept[j]
    return False


@compiled
def _is_inside(inside, row):
    for stage in range(inside.shape[1]):
        if inside[row, stage]:
            return True
    return False


@compiled
def _add(lead, names, slots, row, signal, rate, at, amount):
    """``Lead.add``."""
    size = lead.size
    for i in range(size):
        if names[row, i] == signal:
            slot = slots[row, i]
            ahead = at - slot.ref
            if ahead >= 0:
                slot.amount = slot.amount * exp2(-ahead * rate) + amount
                slot.ref = at
            else:
                slot.amount += amount * exp2(ahead * rate)
            slot.count += 1
            return
    slot = slots[row, size]
    names[row, size], slot.amount, slot.ref, slot.count = signal, amount, at, 1
    lead.size = size + 1
