"""Encode leads in columns in their stored form, in compiled code, with the same bytes as ``scoring.stored.encode``.

Ids and blobs are written one after another as arguments of the Redis protocol, each after a line with its length.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.accelerator.jit import compiled
from streams.accelerator.kernels.memory import most_ids
from streams.accelerator.layout import GROUP_BITS, MAX_GROUPS, MIN_ROOM, Groups, Model, Recent, Slots, Windows
from streams.accelerator.pointers import move, put, put_byte
from streams.scoring.lead import AT_BYTES, ENTRY_BYTES, ID_BYTES, OFFSET_BYTES, RECENT

CR, LF, DOLLAR, ZERO = b"\r\n$0"
MAX_LINE_BYTES: Final = 24
"""Most bytes that ``_line`` writes."""


@compiled
def room_for(c, s: Slots, r: Recent, w: Windows, g: Groups, rows, size):
    """The maximum number of bytes that ``encode`` writes; ``size`` is the total of ids and rarely used parts."""
    room, widest = size, 0
    for group in range(g.start.shape[0] - 1):
        widest = max(widest, g.start[group + 1] - g.start[group])
    for i in range(rows.shape[0]):
        lead = c[rows[i]]
        room += 2 * MAX_LINE_BYTES + 96 + np.int64(lead.size) * 32
        room += lead.recents * (ENTRY_BYTES + 8 + 9 * widest) + lead.olds * ID_BYTES
        if w.used[0] > 1:
            windows, entries = _count_windows(s, w, rows[i], np.int64(lead.size))
            room += windows * 32 + entries * 24
        if r.values.shape[0] > 0:
            room += lead.recents * 32
    return room


@compiled
def encode(c, s: Slots, r: Recent, w: Windows, m: Model, g: Groups, version, rows, text, ends, out, spans):
    """Write the ids and stored forms of leads.

    ``out`` is the address of ``room_for`` bytes.
    ``text`` contains the ids, then the three rarely used parts of each lead that has them; the n-th text is from
    ``ends[n]`` to ``ends[n + 1]``. ``spans`` receives start and end of each blob in ``out``.
    """
    names, slots, digests, events, old = s.names, s.slots, r.digests, r.events, r.old
    signals, start, members, plain = m.signals, g.start, g.signal, g.plain
    has_windows, has_values = w.used[0] > 1, r.values.shape[0] > 0
    at, apart = 0, rows.shape[0]
    marks = np.empty(RECENT, np.int64)
    for i in range(rows.shape[0]):
        row = rows[i]
        lead = c[row]
        base, count = lead.base, np.int64(lead.size)
        places = (MIN_ROOM << lead.room) - 1 if lead.room >= 0 else 0
        windows, details = 0, 0
        if has_windows:
            windows, _ = _count_windows(s, w, row, count)
        if has_values:
            details = _count_details(lead, r, places)
        head = _text(out, _line(out, at, ends[i + 1] - ends[i]), text, ends, i)
        at = head + MAX_LINE_BYTES
        began = at
        at = _array(out, at, 20 if lead.rare or windows or details else 13)
        for value in (version, base, lead.clock - base, lead.first_seen - base, lead.last_seen - base):
            at = _integer(out, at, value)
        at = _array(out, at, count)
        for j in range(count):
            at = _integer(out, at, signals[names[row, j]].id)
        at = _array(out, at, count)
        for j in range(count):
            at = _eight(out, at, 0xCB, np.float64(slots[row, j].amount).view(np.uint64))
        at = _array(out, at, count)
        for j in range(count):
            at = _integer(out, at, slots[row, j].ref)
        at = _array(out, at, count)
        for j in range(count):
            at = _integer(out, at, slots[row, j].count)
        at, most = _binary(out, at, lead.olds * ID_BYTES), most_ids(lead)
        for j in range(lead.olds):
            place = np.int64(lead.old_first) + j
            if place >= most:
                place -= most
            put(out, at, old[lead.old_block + place] << np.uint64(64 - 8 * ID_BYTES))
            at += ID_BYTES
        at = _binary(out, at, lead.recents * ENTRY_BYTES)
        seen = 0
        for j in range(lead.recents):
            place = lead.block + ((lead.first + j) & places)
            mark, group = 0, plain[events[place] & (MAX_GROUPS - 1)]
            while mark < seen and marks[mark] != group:
                mark += 1
            marks[mark] = group
            seen = max(seen, mark + 1)
            put(out, at, digests[place] << np.uint64(64 - 8 * ID_BYTES))
            rest = (np.uint64(events[place] >> GROUP_BITS) << np.uint64(8)) | np.uint64(mark)
            put(out, at + ID_BYTES, np.uint64(r.offsets[place]) << np.uint64(64 - 8 * OFFSET_BYTES))
            put(out, at + ID_BYTES + OFFSET_BYTES, rest << np.uint64(64 - 8 * (AT_BYTES + 1)))
            at += ENTRY_BYTES
        at = _array(out, at, seen)
        for j in range(seen):
            first, last = start[marks[j]], start[marks[j] + 1]
            at = _array(out, at, last - first)
            for k in range(first, last):
                where = -1 - signals[members[k]].id  # a signal that the lead no longer has: see ``stored._place``
                for n in range(count):
                    if names[row, n] == members[k]:
                        where = n
                        break
                at = _integer(out, at, where)
        put(out, at, np.uint64(0xC3 if lead.known else 0xC2) << np.uint64(56))
        at += 1
        if lead.rare:
            at = _text(out, at, text, ends, apart)
        elif windows or details:
            at = _headed(out, at, 0x80, 0x80, 1)  # no latches, no traits
        if lead.rare or windows or details:
            at = _windows(out, at, s, w, signals, row, count, windows)
            if lead.rare:
                at = _text(out, at, text, ends, apart + 1)
                apart += 3
            else:
                at = _headed(out, at, 0x90, 0x9000, 2)  # no aliases, no touches, never erased
            if lead.amounts:
                at = _text(out, at, text, ends, apart - 1)
            else:
                at = _details(out, at, lead, r, g, signals, places, details)
        begun = _line(out, head, at - began)
        move(out, begun, out, began, at - began)
        spans[i, 0], spans[i, 1] = begun, begun + at - began
        at = spans[i, 1]


@compiled
def _count_windows(s, w, row, count):
    """Count the windows of a lead and their entries."""
    windows, entries = 0, 0
    for j in range(count):
        if s.windows[row, j]:
            windows += 1
            entries += w.windows[s.windows[row, j]].size
    return windows, entries


@compiled
def _count_details(lead, r, places):
    """Count the recent events of a lead that have a value."""
    details = 0
    for j in range(lead.recents):
        details += r.values[lead.block + ((lead.first + j) & places)] != np.uint64(0)
    return details


@compiled
def _windows(out, at, s, w, signals, row, count, windows):
    """Write windows by signal: [[[ms after base, no message id, amount 1, value], ...], closed, closed_ref]."""
    at = _map(out, at, windows)
    for j in range(count):
        number = s.windows[row, j]
        if number == 0:
            continue
        window = w.windows[number]
        at = _array(out, _array(out, _integer(out, at, signals[s.names[row, j]].id), 3), window.size)
        for i in range(window.block, window.block + window.size):
            at = _integer(out, _array(out, at, 4), w.ats[i])
            at = _unsigned(out, _headed(out, at, 0xA0, 1, 1), w.values[i])
        at = _integer(out, _eight(out, at, 0xCB, np.float64(window.closed).view(np.uint64)), window.closed_ref)
    return at


@compiled
def _details(out, at, lead, r, g, signals, places, details):
    """Write the details of recent events with a value: ``detail_key`` -> [no message id, amount 1, value]."""
    at = _map(out, at, details)
    for j in range(lead.recents if details else 0):
        place = lead.block + ((lead.first + j) & places)
        if r.values[place] == np.uint64(0):
            continue
        at = _headed(out, at, 0xC4, 16, 1)
        signal = signals[g.distinct[r.events[place] & (MAX_GROUPS - 1)]].id
        put(out, at, r.digests[place] << np.uint64(16))
        put(out, at + 6, np.uint64(r.events[place] >> GROUP_BITS) << np.uint64(16))
        put(out, at + 12, np.uint64(signal) << np.uint64(32))
        at = _array(out, at + 16, 3)
        at = _unsigned(out, _headed(out, at, 0xA0, 1, 1), r.values[place])
    return at


@compiled
def _text(out, at, text, ends, number):
    """Copy one of several texts."""
    size = ends[number + 1] - ends[number]
    move(out, at, text, ends[number], size)
    return at + size


@compiled
def _line(out, at, number):
    """Write the end of the previous line and the Redis line for a text of ``number`` bytes, and nothing beyond it."""
    digits, bound = 1, 10
    while number >= bound:
        digits, bound = digits + 1, bound * 10
    put_byte(out, at, CR)
    put_byte(out, at + 1, LF)
    put_byte(out, at + 2, DOLLAR)
    for digit in range(at + 2 + digits, at + 2, -1):
        put_byte(out, digit, ZERO + number % 10)
        number //= 10
    put_byte(out, at + 3 + digits, CR)
    put_byte(out, at + 4 + digits, LF)
    return at + 5 + digits


@compiled
def _headed(out, at, head, value, width):
    """Write a byte, then the lowest ``width`` bytes of a number (at most seven), big-endian."""
    put(out, at, (np.uint64(head) << np.uint64(56)) | (np.uint64(value) << np.uint64(64 - 8 * width)) >> np.uint64(8))
    return at + 1 + width


@compiled
def _array(out, at, size):
    """Write the head of a MessagePack array."""
    if size < 16:
        return _headed(out, at, 0x90 + size, 0, 1) - 1
    return _headed(out, at, 0xDC, size, 2)


@compiled
def _map(out, at, size):
    """Write the head of a MessagePack map."""
    return _headed(out, at, 0x80 + size, 0, 1) - 1 if size < 16 else _headed(out, at, 0xDE, size, 2)


@compiled
def _unsigned(out, at, value):
    """Write an unsigned 64-bit integer as MessagePack."""
    return _integer(out, at, np.int64(value)) if value < np.uint64(2**63) else _eight(out, at, 0xCF, value)


@compiled
def _eight(out, at, head, value):
    """Write a byte (0xCB begins a float), then eight bytes, big-endian."""
    put_byte(out, at, head)
    put(out, at + 1, value)
    return at + 9


@compiled
def _binary(out, at, size):
    """Write the head of MessagePack bytes."""
    return _headed(out, at, 0xC4, size, 1) if size < 256 else _headed(out, at, 0xC5, size, 2)


@compiled
def _integer(out, at, value):
    """Write a MessagePack integer in its shortest form."""
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
    return _eight(out, at, head + 3, np.uint64(value))
