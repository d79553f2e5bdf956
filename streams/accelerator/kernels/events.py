"""Read plain events from their JSON in compiled code: lead, message id, kind and time, without Python objects.

A plain event is a page, a screen, an identify or a named track call with the usual fields in their usual forms. It may
have traits or a campaign, which are only found here. All other events are left to ``Codec``, which defines the correct
result; nothing is rejected here. A property test requires that both read plain events alike.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from streams.accelerator.hashing import MAX_BYTES, xxh3
from streams.accelerator.jit import compiled
from streams.accelerator.kernels.ids import find_lead, has_plain_ids, is_trimmed
from streams.accelerator.kernels.json_tokens import (
    DIGITS,
    ESCAPED_TEXT,
    MISSING,
    NULL,
    OBJECT,
    PLAIN_TEXT,
    QUOTE,
    scalar,
    skip_blanks,
    text_end,
)
from streams.accelerator.kernels.times import SHORT_CHARS, TIME_CHARS, time_at
from streams.accelerator.layout import NEVER, Column
from streams.accelerator.pointers import Text, byte, same, word
from streams.events.calls import MAX_MESSAGE_ID_CHARS

MAX_DEPTH: Final = 32
ENVELOPE: Final = (
    *("type", "messageId", "userId", "anonymousId", "event"),
    *("timestamp", "sentAt", "originalTimestamp", "receivedAt"),
)
TYPE, MESSAGE, USER, ANONYMOUS, EVENT, TIME, SENT, ORIGINAL, RECEIVED = range(len(ENVELOPE))
TRAITS, INNER_TRAITS, SOURCE = range(len(ENVELOPE), len(ENVELOPE) + 3)
NODE, EXTRA, TEXT, SCALAR, NUMBER = range(5)
"""Forms that a field may have: object with fields that are read; any object or null; text or null; text, boolean or
null; text, number or null."""
_SKIPPED, _ARRAY = -1, -2
_COMMA, _COLON = 44, 58
_OPEN, _CLOSE, _OPEN_ARRAY, _CLOSE_ARRAY = 123, 125, 91, 93
_BEGUN, _AFTER_VALUE, _AFTER_COMMA = range(3)
_PAGE, _TRACK, _SCREEN, IDENTIFY = (
    np.uint64(int.from_bytes(text, "little")) for text in (b"page", b"track", b"screen", b"identify")
)
_MASKS: Final = tuple(np.uint64((1 << 8 * size) - 1) for size in range(9))

FOUND: Final = np.dtype(
    [
        ("lead_at", np.int64),
        ("lead_size", np.int64),
        ("id_at", np.int64),  # message id
        ("id_size", np.int64),
        ("digest", np.uint64),
        ("kind", np.uint64),  # hash of name and values; events with equal hashes match alike
        ("at", np.int64),
        ("sent", np.int64),  # NEVER if missing
        ("known", np.uint8),
        ("plain", np.uint8),
        ("extras", np.uint8),  # whether it may have traits or a campaign
    ],
    align=True,
)
"""The values found in one event."""
_ENTRY: Final = np.dtype([(n, np.int64) for n in ("key_at", "key_size", "form", "slot", "node")], align=True)


class Places(NamedTuple):
    """The paths that scorecards read, as a tree of objects."""

    first: Any
    """The entries of an object are those from ``first[node]`` to ``first[node + 1]``."""
    entries: Any
    keys: Text
    values: Any
    """The slot of each path."""
    slots: int


def places(paths: Sequence[tuple[str, ...]], numeric: Collection[tuple[str, ...]]) -> Places | None:
    """Build the tree of these paths and of the fields of every event; None if a path leads through another's value."""
    tree: dict[str, Any] = {name: (TEXT, slot) for slot, name in enumerate(ENVELOPE)}
    tree |= {"traits": (EXTRA, TRAITS)}
    fixed = {("context", "traits"): EXTRA, ("context", "campaign", "source"): TEXT}
    slots: dict[tuple[str, ...], int] = {(name,): slot for slot, name in enumerate((*ENVELOPE, "traits"))}
    for path in (*fixed, *paths):
        if path in slots:
            continue
        slots[path] = len(slots)
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                return None
        if path[-1] in node:
            return None
        node[path[-1]] = (fixed.get(path, NUMBER if path in numeric else SCALAR), slots[path])
    values = np.array([slots[path] for path in paths], np.int64)
    return Places(*tabulate(tree), values, len(slots))


def tabulate(tree: dict[str, Any]) -> tuple[Column, Column, Text]:
    """Convert a tree of objects to the first three fields of Places."""
    objects, first, rows, keys = [tree], [0], list[tuple[int, ...]](), b""
    for node in objects:
        for key, below in node.items():
            name = key.encode()
            inner = isinstance(below, dict)
            form, slot = (NODE, 0) if inner else below
            rows.append((len(keys), len(name), form, slot, len(objects) if inner else _SKIPPED))
            objects += [below] if inner else []
            keys += name
        first.append(len(rows))
    return np.array(first), np.array(rows, _ENTRY), Text(keys)


@compiled
def scan(text, ends, selected, first, entries, keys, values, slots, seed, found):
    """Read records; ``ends[2 i]`` is the end of the i-th value, ``ends[2 i + 1]`` that of the lead id that may follow.

    ``text`` and ``keys`` are addresses. ``seed`` is secret, so that nobody can make the hashes of two kinds collide.
    """
    spans, tokens = np.zeros((slots, 2), np.int64), np.zeros(slots, np.int64)
    visited, stack = np.zeros(first.shape[0], np.uint8), np.zeros(MAX_DEPTH, np.int64)
    begin = 0
    for i in range(selected.shape[0]):
        end, owner = ends[2 * i], ends[2 * i + 1]
        found[i].plain = (
            selected[i]
            and read_fields(text, begin, end, first, entries, keys, spans, tokens, visited, stack)
            and _read_ids_and_times(text, end, owner, spans, tokens, found[i])
            and _hash_kind(text, spans, tokens, values, seed, found[i])
        )
        found[i].extras = tokens[TRAITS] > NULL or tokens[INNER_TRAITS] > NULL or tokens[SOURCE] > NULL
        begin = owner


@compiled
def _read_ids_and_times(text, end, owner, spans, tokens, one):
    """Read lead id, message id and times; False if the event is not plain."""
    if not has_plain_ids(spans, tokens, USER, ANONYMOUS):
        return False
    user = tokens[USER] == PLAIN_TEXT
    if owner > end:
        one.lead_at, one.lead_size = end, owner - end
    else:
        one.lead_at, one.lead_size = find_lead(text, spans, tokens, USER, ANONYMOUS)
        if one.lead_size == 0:
            return False
    one.known = (
        user and spans[USER, 1] == one.lead_size and same(text, spans[USER, 0], text, one.lead_at, one.lead_size)
    )
    if user and not one.known and not is_trimmed(text, spans[USER, 0], spans[USER, 1]):
        return False
    one.id_at, one.id_size = spans[MESSAGE, 0], spans[MESSAGE, 1]
    if tokens[MESSAGE] != PLAIN_TEXT or one.id_size < 1 or one.id_size > MAX_MESSAGE_ID_CHARS:
        return False
    one.digest = xxh3(text, one.id_at, one.id_size, np.uint64(0)) >> np.uint64(16)
    if tokens[TIME] != PLAIN_TEXT:
        return False
    one.at, one.sent = time_at(text, spans[TIME, 0], spans[TIME, 1]), NEVER
    if one.at == NEVER:
        return False
    if tokens[SENT] == PLAIN_TEXT and (spans[SENT, 1] == TIME_CHARS or spans[SENT, 1] == SHORT_CHARS):
        if spans[ORIGINAL, 1] > 0 and tokens[ORIGINAL] > NULL and spans[RECEIVED, 1] > 0 and tokens[RECEIVED] > NULL:
            return True  # corrected before it was forwarded
        one.sent = time_at(text, spans[SENT, 0], spans[SENT, 1])
        return one.sent != NEVER
    return tokens[SENT] <= NULL


@compiled
def read_type(text, spans, tokens):
    """The letters of a plain type; 0 for any other, and for a track call without a name."""
    size = spans[TYPE, 1]
    if tokens[TYPE] != PLAIN_TEXT or size > 8:
        return np.uint64(0)
    letters = word(text, spans[TYPE, 0]) & _MASKS[size]
    plain = letters == _PAGE or letters == _SCREEN or letters == IDENTIFY
    if letters == _TRACK:
        plain = tokens[EVENT] >= PLAIN_TEXT and spans[EVENT, 1] > 0
    return letters if plain else np.uint64(0)


@compiled
def _hash_kind(text, spans, tokens, values, seed, one):
    """Hash the kind of the event; False if its type is not plain, or a value is an object or too long."""
    letters = read_type(text, spans, tokens)
    if letters == np.uint64(0):
        return False
    hashed = letters + seed
    if letters == _TRACK:
        if spans[EVENT, 1] > MAX_BYTES:
            return False
        hashed ^= xxh3(text, spans[EVENT, 0], spans[EVENT, 1], seed)
    for i in range(values.shape[0]):
        slot = values[i]
        token = tokens[slot]
        if token == OBJECT:  # traits that a scorecard reads
            return False
        hashed = (hashed ^ (hashed >> np.uint64(29))) * np.uint64(0x9FB21C651E98DF25) + np.uint64(max(token, NULL))
        if token == PLAIN_TEXT or token == ESCAPED_TEXT or token == DIGITS:
            size = spans[slot, 1]
            if size > MAX_BYTES:
                return False
            hashed += np.uint64(size) + (xxh3(text, spans[slot, 0], size, seed) if size else np.uint64(0))
    one.kind = hashed
    return True


@compiled
def read_fields(text, at, end, first, entries, keys, spans, tokens, visited, stack):
    """Find the values of all slots in one object; False if it is not plain or not valid JSON (RFC 8259)."""
    for i in range(tokens.shape[0]):
        tokens[i] = MISSING
    for i in range(visited.shape[0]):
        visited[i] = 0
    at = skip_blanks(text, at, end)
    if at >= end or byte(text, at) != _OPEN:
        return False
    at, depth, state = at + 1, 0, _BEGUN
    stack[0] = 0
    while True:
        at = skip_blanks(text, at, end)
        if at >= end:
            return False
        node = stack[depth]
        mark = byte(text, at)
        if mark == (_CLOSE_ARRAY if node == _ARRAY else _CLOSE) and state != _AFTER_COMMA:
            at, depth, state = at + 1, depth - 1, _AFTER_VALUE
            if depth < 0:
                return skip_blanks(text, at, end) == end
            continue
        if state == _AFTER_VALUE:
            if mark != _COMMA:
                return False
            at, state = at + 1, _AFTER_COMMA
            continue
        entry = -1
        if node != _ARRAY:
            if mark != QUOTE:
                return False
            close, escaped = text_end(text, at + 1, end)
            if close < 0 or escaped:
                return False
            if node >= 0:
                for i in range(first[node], first[node + 1]):
                    size = close - at - 1
                    if entries[i].key_size == size and same(text, at + 1, keys, entries[i].key_at, size):
                        entry = i
                        break
            at = skip_blanks(text, close + 1, end)
            if at >= end or byte(text, at) != _COLON:
                return False
            at = skip_blanks(text, at + 1, end)
            if at >= end:
                return False
            mark = byte(text, at)
        if mark == _OPEN or mark == _OPEN_ARRAY:
            depth += 1
            if depth >= MAX_DEPTH:
                return False
            stack[depth] = _ARRAY if mark == _OPEN_ARRAY else _SKIPPED
            if entry >= 0:
                below, slot = entries[entry].node, entries[entry].slot
                if entries[entry].form > EXTRA or mark != _OPEN:
                    return False
                if visited[below] if entries[entry].form == NODE else tokens[slot] != MISSING:
                    return False
                if entries[entry].form == NODE:
                    stack[depth], visited[below] = below, 1
                else:
                    tokens[slot] = OBJECT
            at, state = at + 1, _BEGUN
            continue
        begin, size, token, at = scalar(text, at, end)
        if at < 0:
            return False
        if entry >= 0:
            slot = entries[entry].slot
            if not _accepts(entries[entry].form, token) or tokens[slot] != MISSING:
                return False
            tokens[slot], spans[slot, 0], spans[slot, 1] = token, begin, size
        state = _AFTER_VALUE


@compiled
def _accepts(form, token):
    """Whether a field of this form may have this token."""
    if token == NULL:
        return form != NODE
    if token == PLAIN_TEXT or token == ESCAPED_TEXT:
        return form >= TEXT
    return form == (NUMBER if token == DIGITS else SCALAR)
