"""Find table rows by lead id in compiled code, with the id as bytes inside a longer text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from streams.accelerator.hashing import MAX_BYTES, SEED, xxh3
from streams.accelerator.jit import compiled
from streams.accelerator.layout import Column
from streams.accelerator.pointers import PADDING, Text, octets, same

NOWHERE: Final = -1
"""The number of an unknown name."""
_REMOVED: Final = -2
_NAME: Final = np.dtype([("hash", np.uint64), ("at", np.int64), ("size", np.int64)])
_MIN_ROOM: Final = 1024


class NameIndex:
    """Maps names of 1 to 240 bytes to numbers. Longer names are never found; the caller must look them up elsewhere."""

    def __init__(self) -> None:
        self._filled = self._written = 0
        self._buckets = np.full(2 * _MIN_ROOM, NOWHERE, np.int32)
        """Hash table of numbers with open addressing; its size is a power of two, and it is at most half full."""
        self._names = np.zeros(_MIN_ROOM, _NAME)
        self._text = octets(16 * _MIN_ROOM)

    def find(self, text: Text, ats: Column, sizes: Column) -> Column:
        """The numbers of names inside a text; NOWHERE for unknown names."""
        numbers = np.empty(len(ats), np.int64)
        _find(self._buckets, self._names, self._text.ctypes.data, SEED, text.address, ats, sizes, numbers)
        return numbers

    def add(self, names: Sequence[bytes], numbers: Sequence[int]) -> None:
        """Add names with their numbers, which must be small; neither may be in use."""
        text = b"".join(names)
        self._make_room(len(names), max(numbers, default=0), len(text))
        ends = np.cumsum(np.fromiter(map(len, names), np.int64, len(names)))
        self._text[self._written : self._written + len(text)] = np.frombuffer(text, np.uint8)
        rows = np.array(numbers, np.int64)
        _add(self._buckets, self._names, self._text.ctypes.data, SEED, rows, self._written, ends)
        self._written += len(text)
        self._filled += len(names)

    def remove(self, number: int) -> None:
        """Remove the name of a number, if it has one."""
        _remove(self._buckets, self._names, number)

    def _make_room(self, more: int, greatest: int, letters: int) -> None:
        fits = greatest < len(self._names) and 2 * (self._filled + more) <= len(self._buckets)
        if fits and self._written + letters + PADDING <= len(self._text):
            return
        live, size = int(np.count_nonzero(self._names["size"])), len(self._buckets)
        while size < 3 * (live + more):
            size *= 2
        wanted = 2 * (int(self._names["size"].sum()) + letters + PADDING)
        text = octets(max(len(self._text), wanted))
        names = np.zeros(max(len(self._names), 3 * greatest // 2 + 1), _NAME)
        names[: len(self._names)] = self._names
        self._buckets, self._filled = np.full(size, NOWHERE, np.int32), live
        self._written = _move(self._buckets, names, self._text, text)
        self._names, self._text = names, text


@compiled
def _find(buckets, names, text, seed, wanted, ats, sizes, numbers):
    mask = np.uint64(buckets.shape[0] - 1)
    for i in range(ats.shape[0]):
        at, size, found = ats[i], sizes[i], NOWHERE
        if 0 < size <= MAX_BYTES:
            hashed = xxh3(wanted, at, size, seed)
            place = hashed & mask
            while buckets[place] != NOWHERE:
                number = buckets[place]
                alike = number >= 0 and names[number].hash == hashed and names[number].size == size
                if alike and same(text, names[number].at, wanted, at, size):
                    found = number
                    break
                place = (place + np.uint64(1)) & mask
        numbers[i] = found


@compiled
def _add(buckets, names, text, seed, numbers, at, ends):
    begin = at
    for i in range(numbers.shape[0]):
        name, size = names[numbers[i]], at + ends[i] - begin
        if 0 < size <= MAX_BYTES:
            name.at, name.size, name.hash = begin, size, xxh3(text, begin, size, seed)
            _insert(buckets, name.hash, numbers[i])
        begin = at + ends[i]


@compiled
def _insert(buckets, hashed, number):
    mask = np.uint64(buckets.shape[0] - 1)
    place = hashed & mask
    while buckets[place] != NOWHERE:
        place = (place + np.uint64(1)) & mask
    buckets[place] = number


@compiled
def _remove(buckets, names, number):
    if number < names.shape[0] and names[number].size > 0:
        mask = np.uint64(buckets.shape[0] - 1)
        place = names[number].hash & mask
        while buckets[place] != number:
            place = (place + np.uint64(1)) & mask
        buckets[place] = _REMOVED
        names[number].size = 0


@compiled
def _move(buckets, names, text, new):
    """Move all names to a new text and to empty buckets."""
    at = 0
    for number in range(names.shape[0]):
        name = names[number]
        for i in range(name.size):
            new[at + i] = text[name.at + i]
        if name.size > 0:
            _insert(buckets, name.hash, number)
        name.at = at
        at += name.size
    return at
