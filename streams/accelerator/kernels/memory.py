"""Remember recent events of leads in columns: ``Lead.knows``, ``remember`` and ``note_id`` in compiled code."""

from __future__ import annotations

import numpy as np

from streams.accelerator.jit import compiled
from streams.accelerator.layout import GROUP_BITS, MIN_ROOM, Recent
from streams.scoring.lead import AT_BYTES, ENTRY_BYTES, ID_BYTES, MAX_IDS, NEAR_MS, OFFSET_BYTES, OLDER, RECENT

OLD_BLOCKS = -(-MAX_IDS // OLDER)
"""Blocks of older message ids that a joined lead may need."""


@compiled
def has_room(lead, hit, width, used, used_old, places, old_places):
    """Whether the columns have room for one more event."""
    if lead.size + hit.last - hit.first > width:
        return False
    wanted = 0
    if lead.recents < RECENT and (lead.room < 0 or lead.recents == MIN_ROOM << lead.room):
        wanted = MIN_ROOM << (lead.room + 1)
    return used + wanted <= places and (lead.old_block >= 0 or used_old + OLDER <= old_places)


@compiled
def knows(lead, digests, old, digest):
    """``Lead.knows``."""
    places = MIN_ROOM << lead.room if lead.first else np.int64(lead.recents)
    for i in range(places):  # if the ring has wrapped around, search all of it
        if digests[lead.block + i] == digest and (i - lead.first) & (places - 1 if lead.first else -1) < lead.recents:
            return True
    for i in range(lead.olds):
        if old[lead.old_block + i] == digest:
            return True
    return False


@compiled
def has_value(lead, r: Recent):
    """Whether a recent event counted a value."""
    for i in range(lead.recents):
        if r.values[lead.block + ((lead.first + i) & ((MIN_ROOM << lead.room) - 1))] != np.uint64(0):
            return True
    return False


@compiled
def remember_in_place(lead, digests, events, old, digest, at, group):
    """``remember`` if the block has a free place, which is the usual case; return the place, or -1."""
    if at < -NEAR_MS or at >= NEAR_MS or lead.room < 0:
        return np.int64(-1)
    places = MIN_ROOM << lead.room
    if lead.recents == RECENT:
        if lead.old_block < 0:
            return np.int64(-1)
        _push(lead, old, digests[lead.block + lead.first])
        lead.first = (lead.first + 1) & (places - 1)
        lead.recents -= 1
    elif lead.recents == places:
        return np.int64(-1)
    place = lead.block + ((lead.first + lead.recents) & (places - 1))
    digests[place], events[place] = digest, (at << GROUP_BITS) | group
    lead.recents += 1
    return place


@compiled
def remember(c, r, row, digest, at, group, value, offset):
    """``Lead.remember``."""
    if at < -NEAR_MS or at >= NEAR_MS:
        note_id(c, r, row, digest)
        return
    if c[row].recents == RECENT:
        _ensure_old_block(c, r, row)
    elif c[row].room < 0 or c[row].recents == MIN_ROOM << c[row].room:
        _enlarge(c, r, row)
    place = remember_in_place(c[row], r.digests, r.events, r.old, digest, at, group)
    r.offsets[place] = offset
    if r.values.shape[0]:
        r.values[place] = value


@compiled
def _enlarge(c, r, row):
    """Move recent events to a block of twice the size; the columns have room for it."""
    room = c[row].room + 1
    block = r.free[room]
    if block >= 0:
        r.free[room] = r.events[block]
    else:
        block = r.used[0]
        r.used[0] += MIN_ROOM << room
    for i in range(c[row].recents):
        place = c[row].block + ((c[row].first + i) & ((MIN_ROOM << c[row].room) - 1))
        r.digests[block + i], r.events[block + i] = r.digests[place], r.events[place]
        r.offsets[block + i] = r.offsets[place]
        if r.values.shape[0]:
            r.values[block + i] = r.values[place]
    forget(c, r, row, False)
    c[row].room, c[row].block, c[row].first = room, block, 0


@compiled
def forget(c, r: Recent, row, everything):
    """Free the block of recent events and, if ``everything``, also that of older message ids."""
    if c[row].room >= 0:
        r.events[c[row].block] = r.free[c[row].room]
        r.free[c[row].room] = c[row].block
    if everything:
        if c[row].old_block >= 0:
            for block in range(c[row].old_block, c[row].old_block + most_ids(c[row]), OLDER):
                r.old[block] = r.used[2] + 1
                r.used[2] = block
        c[row].room, c[row].recents, c[row].first = -1, 0, 0
        c[row].old_block, c[row].olds, c[row].old_first = -1, 0, 0


@compiled
def note_id(c, r: Recent, row, digest):
    """``Lead.note_id``."""
    _ensure_old_block(c, r, row)
    _push(c[row], r.old, digest)


@compiled
def _ensure_old_block(c, r: Recent, row):
    """Allocate the block of older message ids if the lead has none; the columns have room."""
    if c[row].old_block < 0:
        if r.used[2] >= 0:
            c[row].old_block = r.used[2]
            r.used[2] = np.int64(r.old[r.used[2]]) - 1
        else:
            c[row].old_block = r.used[1]
            r.used[1] += OLDER


@compiled
def _push(lead, old, digest):
    """Add an older message id; if there are ``most_ids``, the oldest one makes room for it."""
    most = most_ids(lead)
    if lead.olds < most:
        old[lead.old_block + lead.olds] = digest
        lead.olds += 1
    else:
        old[lead.old_block + lead.old_first] = digest
        lead.old_first = lead.old_first + 1 if lead.old_first + 1 < most else 0


@compiled
def most_ids(lead):
    """The most older message ids that a lead keeps."""
    return OLDER if lead.olds <= OLDER else MAX_IDS


@compiled
def unpack(c, r: Recent, rows, recent, events, groups, values, rings, ids):
    """Load ``Lead.recent`` and ``Lead.ring`` of each of ``rows``; the columns have room.

    The leads follow one another: ``events`` and ``ids`` count what each has. Sets are given as group numbers.
    """
    event, older = 0, 0
    for i in range(rows.shape[0]):
        for _ in range(events[i]):
            at = event * ENTRY_BYTES
            digest = np.uint64(_number(recent, at, ID_BYTES))
            offset = np.uint32(_number(recent, at + ID_BYTES, OFFSET_BYTES))
            since = _number(recent, at + ID_BYTES + OFFSET_BYTES, AT_BYTES)
            if since >= NEAR_MS:
                since -= 2 * NEAR_MS
            remember(c, r, rows[i], digest, since, groups[event], values[event], offset)
            event += 1
        if ids[i] > OLDER:
            c[rows[i]].old_block = r.used[1]
            r.used[1] += OLD_BLOCKS * OLDER
        elif ids[i]:
            _ensure_old_block(c, r, rows[i])
        for j in range(ids[i]):
            r.old[c[rows[i]].old_block + j] = np.uint64(_number(rings, older * ID_BYTES, ID_BYTES))
            older += 1
        c[rows[i]].olds = ids[i]


@compiled
def _number(text, at, width):
    """Read ``width`` bytes, big-endian."""
    value = np.int64(0)
    for i in range(width):
        value = (value << 8) | np.int64(text[at + i])
    return value
