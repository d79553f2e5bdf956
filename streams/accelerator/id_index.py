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
        self._live = self._filled = self._written = 0
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
        if max(map(len, names), default=0) > MAX_BYTES or not all(names):
            pairs = [(n, i) for n, i in zip(names, numbers, strict=True) if 0 < len(n) <= MAX_BYTES]
            names, numbers = [n for n, _ in pairs], [i for _, i in pairs]
        if not names:
            return
        text = b"".join(names)
        self._make_room(len(names), max(numbers), len(text))
        ends = np.cumsum(np.fromiter(map(len, names), np.int64, len(names)))
        self._text[self._written : self._written + len(text)] = np.frombuffer(text, np.uint8)
        rows = np.array(numbers, np.int64)
        _add(self._buckets, self._names, self._text.ctypes.data, SEED, rows, self._written, ends)
        self._written += len(text)
        self._live += len(names)
        self._filled += len(names)

    def remove(self, number: int) -> None:
        """Remove the name of a number, if it has one."""
        self._live -= _remove(self._buckets, self._names, number)

    def _make_room(self, more: int, greatest: int, letters: int) -> None:
        if greatest >= len(self._names):
            names = np.zeros(max(2 * len(self._names), greatest + 1), _NAME)
            names[: len(self._names)] = self._names
            self._names = names
        if 2 * (self._filled + more) > len(self._buckets):
            size = len(self._buckets)
            while size < 3 * (self._live + more):
                size *= 2
            self._buckets = np.full(size, NOWHERE, np.int32)
            _place(self._buckets, self._names)
            self._filled = self._live
        if self._written + letters + PADDING > len(self._text):
            kept = int(self._names["size"].sum())
            text = octets(max(len(self._text), 2 * (kept + letters + PADDING)))
            self._written = _move(self._names, self._text, text)
            self._text = text


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
        name = names[numbers[i]]
        name.at, name.size = begin, at + ends[i] - begin
        name.hash = xxh3(text, begin, name.size, seed)
        begin = at + ends[i]
        _insert(buckets, name.hash, numbers[i])


@compiled
def _insert(buckets, hashed, number):
    mask = np.uint64(buckets.shape[0] - 1)
    place = hashed & mask
    while buckets[place] != NOWHERE:
        place = (place + np.uint64(1)) & mask
    buckets[place] = number


@compiled
def _place(buckets, names):
    for number in range(names.shape[0]):
        if names[number].size > 0:
            _insert(buckets, names[number].hash, number)


@compiled
def _remove(buckets, names, number):
    if number >= names.shape[0] or names[number].size == 0:
        return 0
    mask = np.uint64(buckets.shape[0] - 1)
    place = names[number].hash & mask
    while buckets[place] != number:
        place = (place + np.uint64(1)) & mask
    buckets[place] = _REMOVED
    names[number].size = 0
    return 1


@compiled
def _move(names, text, new):
    at = 0
    for number in range(names.shape[0]):
        name = names[number]
        for i in range(name.size):
            new[at + i] = text[name.at + i]
        name.at = at
        at += name.size
    return at
