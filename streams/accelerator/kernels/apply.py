"""Apply plain events to leads in columns: the compiled inner loop of the scorer.

Traits and campaigns are noted before, the details of amounts afterwards (see ``RareParts``). Events that are not plain,
and every change of a stage, are left to ``Scorer``, which defines the correct result; a property test requires the same
bytes from both.
Everything is computed in the same order with the same functions, so that results agree to the last bit.
"""

from __future__ import annotations

from math import inf
from typing import Final

import numpy as np

from streams.accelerator.jit import compiled
from streams.accelerator.kernels.counting import (
    ADDED,
    LATE,
    LIMITED,
    MOVED,
    add,
    can_count,
    count,
    has_room_for_windows,
    keep,
    restore,
)
from streams.accelerator.kernels.memory import has_room, has_value, knows, remember, remember_in_place
from streams.accelerator.kernels.score import advance_unchanged, settle_unchanged
from streams.accelerator.layout import Cards, Matches, Model, Recent, Slots, Windows

DUPLICATE, ERASED, OVER_LIMIT, TOO_LATE = range(4)
"""Indexes of counts: duplicates, events of erased leads, events over a limit, and late events of a limited signal."""
TALLIES: Final = ("duplicates", "erased", "limited", "late")
"""Their names in ``Outcome.tally``."""
NOT_PLAIN: Final = -1
"""The match of an event that ``Scorer`` has to apply."""


@compiled
def apply(
    c, s: Slots, k: Cards, r: Recent, w: Windows, m: Model, h: Matches, e, fits, begin, rescoring, left, counts, fired
):  # fmt: skip
    """Apply events from ``begin`` on. ``fits`` has a row for each event whose traits change a fit: its ``refit``.

    Events that are not plain, and all later ones of the same leads, are added to ``left``. ``fired`` counts how often
    each signal counted.

    Returns:
        The next event if the columns are too short for it, else the number of events; and the number of events left.
    """
    # Local names, because reading an array from a tuple costs more than using it.
    names, slots, inside, signals, matches, hits = s.names, s.slots, k.inside, m.signals, h.matches, h.hits
    digests, recents, old, used, has_values = r.digests, r.events, r.old, r.used, r.values.shape[0] > 0
    offsets = r.offsets
    lefts = 0
    for i in range(begin, e.shape[0]):
        row, match = e[i].row, e[i].match
        if row < 0 or c[row].stuck:
            left[lefts] = i
            lefts += 1
            continue
        lead, arrival, taken = c[row], e[i].arrival, False
        idle = arrival - lead.last_seen
        if match >= 0 and not (idle > m.late_ms and (arrival - e[i].at > m.late_ms or idle >= m.idle_ms[lead.known])):
            hit = matches[match]
            room = has_room(lead, hit, names.shape[1], used[0], used[1], digests.shape[0], old.shape[0])
            if not room or (hit.counted and not has_room_for_windows(hit, w)):
                return i, lefts
            taken = not (
                (rescoring and lead.calm_until == -inf)  # the change of the scorecards comes first
                or (hit.scaled and has_values and has_value(lead, r))
                or (lead.amounts and e[i].value != np.uint64(0))
            ) and (arrival <= lead.clock or arrival < lead.calm_until or advance_unchanged(c, s, k, w, m, row, arrival))
        if taken:
            at, now = e[i].at, max(lead.clock, arrival)
            if arrival <= lead.erased_at:
                counts[ERASED] += 1
            else:
                refit, calm, slack = e[i].refit, lead.calm_until, lead.slack
                if refit >= 0:
                    _exchange(k.scores, row, fits, refit)
                    taken = settle_unchanged(c, s, k, w, m, row, now)
                if taken and hit.last > hit.first:
                    digest = e[i].digest
                    if knows(lead, digests, old, digest):
                        counts[DUPLICATE] += 1
                    else:
                        gain = hit.gain + hit.amount_gain * e[i].amount
                        may_change_stage = lead.slack <= gain or (hit.beyond_gain and _is_inside(inside, row))
                        if hit.counted or may_change_stage:
                            taken = _count_and_settle(c, s, k, w, m, h, e[i], now, counts, fired)
                        else:
                            for j in range(hit.first, hit.last):
                                signal = hits[j].signal
                                rate, amount = signals[signal].rate, e[i].amount if hits[j].scaled else 1.0
                                add(lead, names, slots, row, signal, rate, at - lead.base, amount)
                                fired[signal] += 1
                            lead.slack -= gain
                        if taken:
                            place = remember_in_place(lead, digests, recents, old, digest, at - lead.base, hit.group)
                            if place < 0:
                                remember(c, r, row, digest, at - lead.base, hit.group, e[i].value, e[i].offset)
                            else:
                                offsets[place] = e[i].offset
                                if has_values:
                                    r.values[place] = e[i].value
                            if hit.scaled:
                                e[i].counted, lead.amounts = 1, 1
                if taken:
                    _note(lead, now, at, e[i].known)
                elif refit >= 0:
                    _exchange(k.scores, row, fits, refit)
                    lead.calm_until, lead.slack = calm, slack
        if taken:
            lead.touched = 1
        else:
            lead.stuck = 1
            left[lefts] = i
            lefts += 1
    return e.shape[0], lefts


@compiled
def _exchange(scores, row, fits, refit):
    """Exchange the fits of a lead with others."""
    for card in range(scores.shape[1]):
        scores[row, card].fit, fits[refit, card] = fits[refit, card], scores[row, card].fit


@compiled
def _note(lead, now, at, known):
    """Note the times of an event."""
    lead.clock = now
    if known:
        lead.known = 1
    if at > lead.last_seen:
        lead.last_seen = at
    elif at < lead.first_seen:
        lead.first_seen = at


@compiled
def _count_and_settle(c, s, k, w, m, h, event, now, counts, fired):
    """Count the matched signals; if that changes a stage or one cannot be counted here, undo it and return False."""
    hit, row = h.matches[event.match], event.row
    lead, hits, first = c[row], h.hits, hit.first
    for j in range(first, hit.last):
        signal = hits[j].signal
        if m.signals[signal].most and not can_count(lead, s, m.signals, w, row, signal):
            return False
    inside = _is_inside(k.inside, row)
    size, at = np.int64(lead.size), event.at - lead.base
    # If no stage can change, there is nothing to undo, so no copy is needed.
    most = hit.gain + hit.amount_gain * event.amount
    is_certain = lead.slack > most and not (inside or (hit.counted and hit.beyond_gain))
    kept = s.slots[row, : np.int64(0) if is_certain else size].copy()
    windows = keep(lead, s, w, row, hits, first, hit.last if hit.counted and not is_certain else first)
    counted = np.full(hit.last - first, ADDED)
    gain, moved = 0.0, False
    for j in range(first, hit.last):
        signal = hits[j].signal
        rule, amount = m.signals[signal], event.amount if hits[j].scaled else 1.0
        if rule.most:
            counted[j - first] = count(c, s, m, w, row, signal, at, event.arrival, now, event.value)
        else:
            add(lead, s.names, s.slots, row, signal, rule.rate, at, amount)
        if counted[j - first] == ADDED or counted[j - first] == MOVED:
            gain += rule.gain * amount
            moved = moved or counted[j - first] == MOVED
    harmless = gain < lead.slack and not ((moved and hit.beyond_gain) or (inside and (moved or hit.beyond_gain)))
    if is_certain or harmless:
        lead.slack -= gain
    elif not settle_unchanged(c, s, k, w, m, row, now):
        restore(lead, s, w, row, hits, first, windows, size)
        for j in range(size):
            s.slots[row, j] = kept[j]
        return False
    for j in range(first, hit.last):
        if counted[j - first] == ADDED:
            fired[hits[j].signal] += 1
        elif counted[j - first] == LIMITED:
            counts[OVER_LIMIT] += 1
        elif counted[j - first] == LATE:
            counts[TOO_LATE] += 1
    return True


@compiled
def _is_inside(inside, row):
    for stage in range(inside.shape[1]):
        if inside[row, stage]:
            return True
    return False
