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
from streams.scoring.kernel_memory import has_room, knows, remember
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
    names, slots, inside, signals, matches, hits = s.names, s.slots, k.inside, m.signals, h.matches, h.hits
    digests, old, used = r.digests, r.old, r.used  # whatever is taken out of a tuple costs more than all else here
    lefts = 0
    for i in range(begin, e.shape[0]):
        row, match = e[i].row, e[i].match
        if row >= 0 and not c[row].stuck:
            taken = False
            if match >= 0 and not has_room(
                c[row], matches[match], names.shape[1], used, digests.shape[0], old.shape[0]
            ):
                return FULL, i, lefts
            if match >= 0 and _advances(c, s, k, m, row, e[i].arrival, rescoring):
                hit = matches[match]
                taken = True
                lead, digest, at = c[row], e[i].digest, e[i].at
                now = max(lead.clock, e[i].arrival)
                if e[i].arrival <= lead.erased_at:
                    counts[GONE] += 1
                else:
                    if hit.last > hit.first:
                        if knows(lead, digests, old, digest):
                            counts[DUPLICATE] += 1
                        elif lead.slack > hit.gain and not (hit.risky and _is_inside(inside, row)):
                            for j in range(hit.first, hit.last):
                                signal = hits[j].signal
                                _add(
                                    lead,
                                    names,
                                    slots,
                                    row,
                                    signal,
                                    signals[signal].rate,
                                    at - lead.base,
                                    hits[j].amount,
                                )
                            lead.slack -= hit.gain
                            remember(c, r, row, digest, at - lead.base, hit.group)
                            fired[match] += 1
                        elif _count_and_settle(c, s, k, m, h, row, match, at - lead.base, now):
                            remember(c, r, row, digest, at - lead.base, hit.group)
                            fired[match] += 1
                        else:
                            taken = False
                    if taken:
                        _note(lead, now, at, e[i].known)
            if taken:
                c[row].touched = 1
                continue
            c[row].stuck = 1
        left[lefts] = i
        lefts += 1
    return DONE, e.shape[0], lefts


@compiled
def _advances(c, s, k, m, row, arrival, rescoring):
    """Whether no stage changes before an event that arrives then."""
    return arrival <= c[row].clock or arrival < c[row].calm_until or stays_calm(c, s, k, m, row, arrival, rescoring)


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
