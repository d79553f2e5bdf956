"""The stored form of leads in columns, written by compiled code: what ``stored.encode`` writes of a Lead."""

from __future__ import annotations

import numpy as np

from streams.scoring.columns import LEAST_ROOM, Groups, Model, Recent, Slots
from streams.scoring.compiled import compiled
from streams.scoring.kernel_memory import when, which
from streams.scoring.lead import AT_BYTES, ENTRY_BYTES, ID_BYTES, OLDER, RECENT
from streams.scoring.text import put


@compiled
def encode(c, s: Slots, bits, r: Recent, m: Model, g: Groups, version, rows, begin, out, size, ends):
    """What ``stored.encode`` writes of leads from the ``begin``-th on, but for the rare parts; ``out`` is an address.

    Returns:
        How many are done, which is fewer where ``out``, so many bytes long, was too short for all.
    """
    names, slots, digests, events, old = s.names, s.slots, r.digests, r.events, r.old
    signals, start, members = m.signals, g.start, g.signal
    at = 0
    marks, widest = np.empty(RECENT, np.int64), 0
    for group in range(start.shape[0] - 1):
        widest = max(widest, start[group + 1] - start[group])
    for i in range(begin, rows.shape[0]):
        row = rows[i]
        lead = c[row]
        base, count = lead.base, np.int64(lead.size)
        places = (LEAST_ROOM << lead.room) - 1 if lead.room >= 0 else 0
        if at + 96 + count * 32 + lead.recents * (ENTRY_BYTES + 8 + 9 * widest) + lead.olds * ID_BYTES > size:
            return i
        at = _array(out, at, 20 if lead.rare else 13)
        for value in (version, base, lead.clock - base, lead.first_seen - base, lead.last_seen - base):
            at = _integer(out, at, value)
        at = _array(out, at, count)
        for j in range(count):
            at = _integer(out, at, signals[names[row, j]].id)
        at = _array(out, at, count)
        for j in range(count):
            put(out, at, np.uint64(0xCB) << np.uint64(56))
            put(out, at + 1, bits[row, j].amount)
            at += 9
        at = _array(out, at, count)
        for j in range(count):
            at = _integer(out, at, slots[row, j].ref)
        at = _array(out, at, count)
        for j in range(count):
            at = _integer(out, at, slots[row, j].count)
        at = _binary(out, at, lead.olds * ID_BYTES)
        for j in range(lead.olds):
            place = np.int64(lead.old_first) + j
            if place >= OLDER:
                place -= OLDER
            put(out, at, old[lead.old_block, place] << np.uint64(64 - 8 * ID_BYTES))
            at += ID_BYTES
        at = _binary(out, at, lead.recents * ENTRY_BYTES)
        seen = 0
        for j in range(lead.recents):
            place = lead.block + ((lead.first + j) & places)
            mark, group = 0, which(events[place])
            while mark < seen and marks[mark] != group:
                mark += 1
            marks[mark] = group
            seen = max(seen, mark + 1)
            put(out, at, digests[place] << np.uint64(64 - 8 * ID_BYTES))
            rest = (np.uint64(when(events[place])) << np.uint64(8)) | np.uint64(mark)
            put(out, at + ID_BYTES, rest << np.uint64(64 - 8 * (AT_BYTES + 1)))
            at += ENTRY_BYTES
        at = _array(out, at, seen)
        for j in range(seen):
            first, last = start[marks[j]], start[marks[j] + 1]
            at = _array(out, at, last - first)
            for k in range(first, last):
                where = -1 - signals[members[k]].id  # no longer among those of the lead: its id, as a negative number
                for n in range(count):
                    if names[row, n] == members[k]:
                        where = n
                        break
                at = _integer(out, at, where)
        put(out, at, np.uint64(0xC3 if lead.known else 0xC2) << np.uint64(56))
        at += 1
        ends[i] = at
    return rows.shape[0]


@compiled
def _headed(out, at, head, value, width):
    """A byte and then the lowest bytes of a number, at most seven, big-endian."""
    put(out, at, (np.uint64(head) << np.uint64(56)) | (np.uint64(value) << np.uint64(64 - 8 * width)) >> np.uint64(8))
    return at + 1 + width


@compiled
def _array(out, at, size):
    """The head of a MessagePack array."""
    if size < 16:
        return _headed(out, at, 0x90 + size, 0, 1) - 1
    return _headed(out, at, 0xDC, size, 2)


@compiled
def _binary(out, at, size):
    """The head of MessagePack bytes."""
    return _headed(out, at, 0xC4, size, 1) if size < 256 else _headed(out, at, 0xC5, size, 2)


@compiled
def _integer(out, at, value):
    """A MessagePack integer, as short as it can be."""
    if -32 <= value < 128:
        return _headed(out, at, value & 0xFF, 0, 1) - 1
    if value >= 0:
        width = 1 if value < 2**8 else 2 if value < 2**16 else 4 if value < 2**32 else 8
        head = 0xCC
    else:
        width = 1 if value >= -(2**7) else 2 if value >= -(2**15) else 4 if value >= -(2**31) else 8
        head = 0xD0
    if width < 8:
        return _headed(out, at, head + (0 if width == 1 else 1 if width == 2 else 2), value, width)
    put(out, at, np.uint64(head + 3) << np.uint64(56))
    put(out, at + 1, np.uint64(value))
    return at + 9
