"""The stored form of leads in columns, written by compiled code: what ``stored.encode`` writes of a Lead."""

from __future__ import annotations

import numpy as np

from streams.scoring.columns import Groups, Model, Recent, Slots
from streams.scoring.compiled import compiled
from streams.scoring.kernel_memory import event
from streams.scoring.lead import AT_BYTES, ENTRY_BYTES, ID_BYTES, OLDER, RECENT


@compiled
def encode(c, s: Slots, bits, r: Recent, m: Model, g: Groups, version, rows, begin, out, ends):
    """What ``stored.encode`` writes of leads from the ``begin``-th on, but for the rare parts.

    Returns:
        How many are done, which is fewer where ``out`` was too short for all.
    """
    at = 0
    marks = np.empty(RECENT, np.int64)
    for i in range(begin, rows.shape[0]):
        row = rows[i]
        longest = 80 + c[row].size * 32 + c[row].recents * (ENTRY_BYTES + 8) + c[row].olds * ID_BYTES
        for j in range(c[row].recents):
            group = event(c, r, row, j)[2]
            longest += 9 * (g.start[group + 1] - g.start[group])
        if at + longest > out.shape[0]:
            return i
        at = _encode_one(c, s, bits, r, m, g, version, row, out, at, marks)
        ends[i] = at
    return rows.shape[0]


@compiled
def _encode_one(c, s, bits, r, m, g, version, row, out, at, marks):
    base, size = c[row].base, c[row].size
    at = _array(out, at, 20 if c[row].rare else 13)
    for value in (version, base, c[row].clock - base, c[row].first_seen - base, c[row].last_seen - base):
        at = _integer(out, at, value)
    at = _array(out, at, size)
    for i in range(size):
        at = _integer(out, at, m.signals[s.names[row, i]].id)
    at = _array(out, at, size)
    for i in range(size):
        out[at] = 0xCB
        at = _bytes(out, at + 1, bits[row, i].amount, 8)
    at = _array(out, at, size)
    for i in range(size):
        at = _integer(out, at, s.slots[row, i].ref)
    at = _array(out, at, size)
    for i in range(size):
        at = _integer(out, at, s.slots[row, i].count)
    at = _binary(out, at, c[row].olds * ID_BYTES)
    for i in range(c[row].olds):
        at = _bytes(out, at, r.old[c[row].old_block, (c[row].old_first + i) % OLDER], ID_BYTES)
    at = _encode_recent(c, s, r, m, g, row, out, at, marks)
    out[at] = 0xC3 if c[row].known else 0xC2
    return at + 1


@compiled
def _encode_recent(c, s, r, m, g, row, out, at, marks):
    at = _binary(out, at, c[row].recents * ENTRY_BYTES)
    seen = 0
    for i in range(c[row].recents):
        digest, when, group = event(c, r, row, i)
        at = _bytes(out, at, digest, ID_BYTES)
        at = _bytes(out, at, np.uint64(when), AT_BYTES)
        mark = 0
        while mark < seen and marks[mark] != group:
            mark += 1
        marks[mark] = group
        seen = max(seen, mark + 1)
        out[at] = mark
        at += 1
    at = _array(out, at, seen)
    for i in range(seen):
        first, last = g.start[marks[i]], g.start[marks[i] + 1]
        at = _array(out, at, last - first)
        for j in range(first, last):
            at = _integer(out, at, _place(c, s, m, row, g.signal[j]))
    return at


@compiled
def _place(c, s, m, row, signal):
    """Where a signal stands among those of the lead; where it does not, its id, as a negative number."""
    for i in range(c[row].size):
        if s.names[row, i] == signal:
            return i
    return -1 - m.signals[signal].id


@compiled
def _bytes(out, at, value, width):
    """The lowest bytes of a number, big-endian."""
    for i in range(width):
        out[at + i] = (value >> np.uint64(8 * (width - 1 - i))) & np.uint64(0xFF)
    return at + width


@compiled
def _array(out, at, size):
    """The head of a MessagePack array."""
    if size < 16:
        out[at] = 0x90 + size
        return at + 1
    out[at] = 0xDC
    return _bytes(out, at + 1, np.uint64(size), 2)


@compiled
def _binary(out, at, size):
    """The head of MessagePack bytes."""
    if size < 256:
        out[at] = 0xC4
        return _bytes(out, at + 1, np.uint64(size), 1)
    out[at] = 0xC5
    return _bytes(out, at + 1, np.uint64(size), 2)


@compiled
def _integer(out, at, value):
    """A MessagePack integer, as short as it can be."""
    if -32 <= value < 128:
        return _bytes(out, at, np.uint64(value), 1)
    if value >= 0:
        width = 1 if value < 2**8 else 2 if value < 2**16 else 4 if value < 2**32 else 8
        head = 0xCC
    else:
        width = 1 if value >= -(2**7) else 2 if value >= -(2**15) else 4 if value >= -(2**31) else 8
        head = 0xD0
    out[at] = head + (0 if width == 1 else 1 if width == 2 else 2 if width == 4 else 3)
    return _bytes(out, at + 1, np.uint64(value), width)
