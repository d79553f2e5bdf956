"""Find the leads of plain calls, and write records in Kafka's format 2, in compiled code. For intake."""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.accelerator.hashing import murmur2
from streams.accelerator.jit import compiled
from streams.accelerator.kernels.events import (
    ANONYMOUS,
    ENVELOPE,
    EVENT,
    IDENTIFY,
    MAX_DEPTH,
    TEXT,
    USER,
    read_fields,
    read_type,
    tabulate,
)
from streams.accelerator.kernels.ids import find_lead, has_plain_ids
from streams.accelerator.pointers import move, put_byte
from streams.events.rejects import MAX_EVENT_BYTES

FIELDS: Final = tabulate({name: (TEXT, slot) for slot, name in enumerate(ENVELOPE[: EVENT + 1])})
"""The fields that intake reads, as the first fields of ``Places``."""
_SPANS: Final = ("key_at", "key_size", "value_at", "value_size", "headers_at", "headers_size", "place_at", "place_size")
ROW: Final = np.dtype([(name, np.int64) for name in ("partition", "arrival", *_SPANS, "offset")])
"""A record to be written. ``headers`` is all headers, or ends before the value ``place`` followed by ``offset``."""
COMPLETE: Final = -1
"""The offset if ``headers`` is all headers."""
MAX_OVERHEAD: Final = 64
"""More bytes than a record has apart from the texts in its row."""
_MAX_LENGTH_BYTES: Final = 5


@compiled
def find_leads(text, octets, first, entries, keys, partitions, rows):
    """Find lead and partition of each value; ``key_size`` stays 0 if the call is not plain."""
    spans, tokens = np.zeros((EVENT + 1, 2), np.int64), np.zeros(EVENT + 1, np.int64)
    visited, stack = np.zeros(1, np.uint8), np.zeros(MAX_DEPTH, np.int64)
    for row in rows:
        begin = row.value_at
        if (
            row.value_size <= MAX_EVENT_BYTES
            and read_fields(text, begin, begin + row.value_size, first, entries, keys, spans, tokens, visited, stack)
            and has_plain_ids(spans, tokens, USER, ANONYMOUS)
            and read_type(text, spans, tokens) not in (np.uint64(0), IDENTIFY)  # an identify may need joins
        ):
            at, size = find_lead(text, spans, tokens, USER, ANONYMOUS)
            row.key_at, row.key_size = at, size
            row.partition = (np.int64(murmur2(octets[at : at + size])) & 0x7FFFFFFF) % partitions


@compiled
def write_records(text, rows, out):
    """Write records at the address ``out`` and return their size; offsets and times count from the first record."""
    at = 0
    for i, row in enumerate(rows):
        begin = at + _MAX_LENGTH_BYTES
        put_byte(out, begin, 0)
        end = _write_number(out, begin + 1, row.arrival - rows[0].arrival)
        end = _write_number(out, end, i)
        end = _write_text(out, _write_number(out, end, row.key_size), text, row.key_at, row.key_size)
        end = _write_text(out, _write_number(out, end, row.value_size), text, row.value_at, row.value_size)
        end = _write_text(out, end, text, row.headers_at, row.headers_size)
        if row.offset != COMPLETE:
            end = _write_place(out, end, text, row.place_at, row.place_size, row.offset)
        at = _write_text(out, _write_number(out, at, end - begin), out, begin, end - begin)
    return at


@compiled
def _write_place(out, at, text, place_at, place_size, offset):
    digits, bound = 1, 10
    while digits < 19 and offset >= bound:
        digits, bound = digits + 1, bound * 10
    end = _write_text(out, _write_number(out, at, place_size + digits), text, place_at, place_size) + digits
    for i in range(1, digits + 1):
        put_byte(out, end - i, 48 + offset % 10)
        offset //= 10
    return end


@compiled
def _write_text(out, at, text, begin, size):
    move(out, at, text, begin, size)
    return at + size


@compiled
def _write_number(out, at, number):
    """Write a number in zigzag encoding, seven bits per byte, as Protocol Buffers do."""
    rest = np.uint64((number << 1) ^ (number >> 63))
    while rest > np.uint64(127):
        put_byte(out, at, rest | np.uint64(128))
        rest >>= np.uint64(7)
        at += 1
    put_byte(out, at, rest)
    return at + 1
