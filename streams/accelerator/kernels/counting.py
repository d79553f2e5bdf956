"""Count limited and distinct signals of leads in columns, exactly like ``Counter``."""

from __future__ import annotations

from math import exp2, inf

import numpy as np

from streams.accelerator.jit import compiled
from streams.accelerator.kernels.windows import drop, free_window, insert, new_window
from streams.accelerator.layout import MAX_ENTRIES, Model, Slots, Windows
from streams.scoring.buckets import Buckets
from streams.scoring.counting import DISTINCT_VALUES, KEPT, LATEST

bucket_of, bucket_start = Buckets.number, Buckets.start_ms
ADDED, MOVED, LIMITED, LATE = range(4)
"""The members of ``Counted``."""


@compiled
def count(c, s: Slots, m: Model, w: Windows, row, signal, at, arrival, now, value):
    """``Counter.count`` for an event at ``at`` ms after base; needs room in the columns and ``can_count``."""
    lead, rule = c[row], m.signals[signal]
    if _is_closed(rule, at + lead.base, arrival):
        return LATE
    if not rule.distinct:
        value = np.uint64(0)
    slot = slot_of(lead, s.names, row, signal)
    if slot < 0:
        add(lead, s.names, s.slots, row, signal, rule.rate, at, 1.0)
        number = new_window(w)
        s.windows[row, lead.size - 1] = number
        insert(w, w.windows[number], at, value)
        return ADDED
    window = w.windows[s.windows[row, slot]]
    if rule.latest:
        return _count_latest(lead, s, w, window, rule, row, slot, at)
    if rule.distinct:
        return _count_distinct(lead, s, w, window, rule, row, slot, at, value)
    return _count_limited(lead, s, w, window, rule, row, slot, at, now)


@compiled
def has_room_for_windows(hit, w):
    """Whether the columns have room to count all signals of one more event."""
    hits = hit.last - hit.first
    return w.used[0] + hits <= w.windows.shape[0] and w.used[1] + hits * MAX_ENTRIES <= w.ats.shape[0]


@compiled
def can_count(lead, s, signals, w, row, signal):
    """Whether ``count`` can handle a signal: not if it started without a window or has too many entries.

    A signal with a window can have more than LATEST entries if its limit was removed.
    """
    slot, rule = slot_of(lead, s.names, row, signal), signals[signal]
    if slot < 0:
        return True
    number, most = s.windows[row, slot], LATEST + 1 if rule.latest else MAX_ENTRIES if rule.window else DISTINCT_VALUES
    return number > 0 and (rule.distinct or w.windows[number].size < most)


@compiled
def keep(lead, s, w, row, hits, first, last):
    """Copy the windows of these hits, for ``restore``."""
    sizes, refs, closed = np.zeros(last - first, np.int64), np.zeros(last - first, np.int64), np.zeros(last - first)
    ats, values = np.zeros((last - first, MAX_ENTRIES), np.int64), np.zeros((last - first, MAX_ENTRIES), np.uint64)
    for j in range(last - first):
        slot = slot_of(lead, s.names, row, hits[first + j].signal)
        if slot >= 0 and s.windows[row, slot]:
            window = w.windows[s.windows[row, slot]]
            sizes[j], refs[j], closed[j] = window.size, window.closed_ref, window.closed
            for i in range(window.size):
                ats[j, i], values[j, i] = w.ats[window.block + i], w.values[window.block + i]
    return sizes, refs, closed, ats, values


@compiled
def restore(lead, s, w, row, hits, first, kept, size):
    """Undo ``count``: restore the copied windows, and free those of signals added since."""
    sizes, refs, closed, ats, values = kept
    for i in range(size, lead.size):
        if s.windows[row, i]:
            free_window(w, s.windows[row, i])
            s.windows[row, i] = 0
    lead.size = size
    for j in range(sizes.shape[0]):
        slot = slot_of(lead, s.names, row, hits[first + j].signal)
        if slot >= 0 and s.windows[row, slot]:
            window = w.windows[s.windows[row, slot]]
            window.size, window.closed_ref, window.closed = sizes[j], refs[j], closed[j]
            for i in range(sizes[j]):
                w.ats[window.block + i], w.values[window.block + i] = ats[j, i], values[j, i]


@compiled
def slot_of(lead, names, row, signal):
    """The slot of a signal of a lead; -1 if the lead does not have it."""
    for i in range(lead.size):
        if names[row, i] == signal:
            return i
    return -1


@compiled
def add(lead, names, slots, row, signal, rate, at, amount):
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


@compiled
def _is_closed(rule, at_ms, now_ms):
    """``Counter._closed``."""
    return not rule.endless and now_ms > bucket_start(rule, bucket_of(rule, at_ms) + 1) + rule.lateness


@compiled
def _count_limited(lead, s, w, window, rule, row, slot, at, now):
    _fold(lead, w, window, rule, now)
    first, last = window.block, window.block + window.size
    if not rule.endless:
        number = bucket_of(rule, at + lead.base)
        start, end = bucket_start(rule, number) - lead.base, bucket_start(rule, number + 1) - lead.base
        while last > first and w.ats[last - 1] >= end:
            last -= 1
        first = last
        while first > window.block and w.ats[first - 1] >= start:
            first -= 1
    if last - first < rule.most:
        insert(w, window, at, np.uint64(0))
        _add(lead, s, w, window, rule, row, slot, at)
        return ADDED
    if at > w.ats[last - 1] or (at == w.ats[last - 1] and w.values[last - 1] == np.uint64(0)):
        return LIMITED
    drop(w, window, last - 1)
    insert(w, window, at, np.uint64(0))
    _recompute(lead, s, w, window, rule, row, slot)
    return MOVED


@compiled
def _count_latest(lead, s, w, window, rule, row, slot, at):
    if window.size == LATEST and at > w.ats[window.block]:
        drop(w, window, window.block)
    if window.size < LATEST:
        insert(w, window, at, np.uint64(0))
    _add(lead, s, w, window, rule, row, slot, at)
    return ADDED


@compiled
def _add(lead, s, w, window, rule, row, slot, at):
    """``Counter._add``."""
    if rule.window:
        s.slots[row, slot].count += 1
        _recompute(lead, s, w, window, rule, row, slot)
    else:
        add(lead, s.names, s.slots, row, s.names[row, slot], rule.rate, at, 1.0)


@compiled
def _count_distinct(lead, s, w, window, rule, row, slot, at, value):
    known = -1
    for i in range(window.block, window.block + window.size):
        if w.values[i] == value:
            known = i
            break
    latest = window.block + window.size - 1
    if known >= 0:
        if at >= w.ats[known]:
            return LIMITED
        drop(w, window, known)
    elif window.size >= DISTINCT_VALUES:
        if at > w.ats[latest] or (at == w.ats[latest] and value >= w.values[latest]):
            return LIMITED
        drop(w, window, latest)
    elif not rule.limited:
        insert(w, window, at, value)
        _add(lead, s, w, window, rule, row, slot, at)
        return ADDED
    insert(w, window, at, value)
    _recompute(lead, s, w, window, rule, row, slot)
    return MOVED


@compiled
def _fold(lead, w, window, rule, now):
    """``Counter._fold``."""
    gone, kept = 0, LATEST if rule.window else KEPT
    while window.size - gone > kept and _is_closed(rule, w.ats[window.block + gone] + lead.base, now):
        at = w.ats[window.block + gone]
        if window.closed == 0.0 and not rule.window:
            window.closed, window.closed_ref = 1.0, at
        elif not rule.window:
            later = max(at, window.closed_ref)
            fade, fresh = window.closed_ref - later, at - later
            window.closed = window.closed * exp2(fade * rule.rate) + exp2(fresh * rule.rate)
            window.closed_ref = later
        gone += 1
    if gone:
        for i in range(window.block, window.block + window.size - gone):
            w.ats[i], w.values[i] = w.ats[i + gone], w.values[i + gone]
        window.size -= gone


@compiled
def _counting(lead, w, window, rule):
    """The times, in ms after base, of the entries that count; with a window, only of the latest ones."""
    times, counting, bucket, room = np.empty(window.size, np.int64), 0, np.int64(0), np.int64(0)
    for i in range(window.size):
        at = w.ats[window.block + i]
        new = bucket_of(rule, at + lead.base)
        if i == 0 or new != bucket:
            bucket, room = new, rule.most
        room -= 1
        if room >= 0:
            times[counting] = at
            counting += 1
    return times[max(counting - LATEST, 0) if rule.window else 0 : counting]


@compiled
def _recompute(lead, s, w, window, rule, row, slot):
    """``Counter.recompute``."""
    times = _counting(lead, w, window, rule)
    ref = times[-1] if times.shape[0] else np.int64(0)
    if window.closed != 0.0:
        ref = max(ref, window.closed_ref) if times.shape[0] else window.closed_ref
    total = window.closed * exp2((window.closed_ref - ref) * rule.rate) if window.closed != 0.0 else 0.0
    for at in times:
        total += exp2((at - ref) * rule.rate)
    kept = s.slots[row, slot]
    kept.amount, kept.ref, kept.count = total, ref, max(kept.count, times.shape[0])


@compiled
def amount_within(lead, w, number, rule, now):
    """The amount of a signal with a window at ``now`` ms after base, and the time in ms until it changes."""
    if number == 0:
        return 0.0, inf
    times, expired = _counting(lead, w, w.windows[number], rule), 0
    while expired < times.shape[0] and times[expired] + rule.window <= now:
        expired += 1
    amount, step = float(times.shape[0] - expired), expired
    if rule.at_least:
        amount, step = 1.0 if amount >= rule.at_least else 0.0, times.shape[0] - rule.at_least
    return amount, float(times[step] + rule.window - now) if expired <= step < times.shape[0] else inf
