"""Allocate and change windows of leads in columns: sorted entries in blocks of memory."""

from __future__ import annotations

from streams.accelerator.jit import compiled
from streams.accelerator.layout import MIN_ROOM, Slots, Windows


@compiled
def insert(w, window, at, value):
    """Insert an entry in order; the columns have room."""
    if window.size == MIN_ROOM << window.room:
        _enlarge(w, window)
    i = window.block + window.size
    while i > window.block and (w.ats[i - 1] > at or (w.ats[i - 1] == at and w.values[i - 1] > value)):
        w.ats[i], w.values[i] = w.ats[i - 1], w.values[i - 1]
        i -= 1
    w.ats[i], w.values[i] = at, value
    window.size += 1


@compiled
def drop(w, window, at):
    """Remove the entry at a place."""
    window.size -= 1
    for i in range(at, window.block + window.size):
        w.ats[i], w.values[i] = w.ats[i + 1], w.values[i + 1]


@compiled
def _new_block(w, room):
    block = w.used[3 + room] - 1
    if block >= 0:
        w.used[3 + room] = w.ats[block]
    else:
        block = w.used[1]
        w.used[1] += MIN_ROOM << room
    return block


@compiled
def _free_block(w, window):
    w.ats[window.block] = w.used[3 + window.room]
    w.used[3 + window.room] = window.block + 1


@compiled
def _enlarge(w, window):
    block = _new_block(w, window.room + 1)
    for i in range(window.size):
        w.ats[block + i], w.values[block + i] = w.ats[window.block + i], w.values[window.block + i]
    _free_block(w, window)
    window.block, window.room = block, window.room + 1


@compiled
def new_window(w):
    """Allocate an empty window and return its number; the columns have room."""
    number = w.used[2]
    if number > 0:
        w.used[2] = w.windows[number].block
    else:
        number = w.used[0]
        w.used[0] += 1
    window = w.windows[number]
    window.closed, window.closed_ref, window.size, window.room = 0.0, 0, 0, 0
    window.block = _new_block(w, 0)
    return number


@compiled
def free_window(w, number):
    """Free a window."""
    _free_block(w, w.windows[number])
    w.windows[number].block = w.used[2]
    w.used[2] = number


@compiled
def forget_windows(c, s: Slots, w: Windows, row):
    """Free the windows of a lead."""
    for i in range(c[row].size):
        if s.windows[row, i]:
            free_window(w, s.windows[row, i])
            s.windows[row, i] = 0


@compiled
def load_windows(s: Slots, w: Windows, row, slots, sizes, closed, refs, ats, values):
    """Load the windows of a ``Lead``, given one after another; the columns have room."""
    at = 0
    for i in range(slots.shape[0]):
        number = new_window(w)
        s.windows[row, slots[i]] = number
        window = w.windows[number]
        window.closed, window.closed_ref = closed[i], refs[i]
        for _ in range(sizes[i]):
            insert(w, window, ats[at], values[at])
            at += 1
