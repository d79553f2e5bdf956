"""Texts for compiled code: an address instead of an array.

A function that takes an array counts references to it, in and out; where it does little, that is most of its work.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import raw_memmove
from numba.extending import intrinsic

from streams.accelerator.jit import compiled
from streams.accelerator.layout import Column

PADDING: Final = 8
"""Bytes after a text that may be read, and bytes after an output that may be written: a word at its end."""
_MARK: Final = bytes.fromhex("c5a1fe03d2960b7e")


class Overrun(Exception):
    """Compiled code has written past the end of its output: the memory of this process cannot be trusted."""


def octets(size: int) -> Column:
    """Bytes at an address; tests put a page after them that cannot be read or written."""
    return np.empty(size, np.uint8)


class Text:
    """Bytes that stay where they are as long as this object is there."""

    def __init__(self, text: bytes) -> None:
        """Take a text, with PADDING to come after it."""
        self.bytes = text
        self._padded = octets(len(text) + PADDING)
        self._padded[: len(text)] = np.frombuffer(text, np.uint8)
        self.address: int = self._padded.ctypes.data
        """What compiled code calls a text."""


class Output:
    """Room for so many bytes that compiled code writes by address, between two marks that must stay."""

    def __init__(self, size: int) -> None:
        """Make room."""
        self._size = size
        self._marked = octets(size + PADDING + 2 * len(_MARK))
        self._marked[: len(_MARK)] = self._marked[-len(_MARK) :] = np.frombuffer(_MARK, np.uint8)
        self.address: int = self._marked.ctypes.data + len(_MARK)

    def written(self, size: int) -> memoryview:
        """The first ``size`` bytes.

        Raises:
            Overrun: there was no room for them.
        """
        marks = self._marked[: len(_MARK)].tobytes(), self._marked[-len(_MARK) :].tobytes()
        if size > self._size or marks != (_MARK, _MARK):
            msg = f"{size} bytes were written where there was room for {self._size}"
            raise Overrun(msg)
        return self._marked[len(_MARK) : len(_MARK) + size].data


def _loads(width: int, result: Any) -> Any:
    """A function that reads so many bits, little-endian, at an address and so many bytes on."""

    def load(typing_context: Any, address: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = builder.inttoptr(builder.add(*args), ir.IntType(width).as_pointer())
            return builder.zext(builder.load(place, align=1), ir.IntType(64))

        return result(types.int64, types.int64), generate

    return intrinsic(load)


_byte, _word = _loads(8, types.int64), _loads(64, types.uint64)


def _stores(width: int, swapped: bool) -> Any:
    """A function that writes so many bits at an address and so many bytes on."""

    def store(typing_context: Any, address: Any, at: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = builder.inttoptr(builder.add(*args[:2]), ir.IntType(width).as_pointer())
            value = builder.trunc(args[2], ir.IntType(width))
            builder.store(builder.bswap(value) if swapped else value, place, align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.uint64), generate

    return intrinsic(store)


_put, _put_byte = _stores(64, swapped=True), _stores(8, swapped=False)


@intrinsic
def _move(typing_context: Any, out: Any, at: Any, text: Any, begin: Any, size: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        to, of = (builder.inttoptr(builder.add(*pair), byte) for pair in (args[:2], args[2:4]))
        raw_memmove(builder, to, of, args[4], 1)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


@compiled
def move(out, at, text, begin, size):
    """Copy so many bytes, which may overlap with where they go."""
    _move(out, at, text, begin, size)


@compiled
def put(text, at, value):
    """Write a word to eight bytes, big-endian."""
    _put(text, at, np.uint64(value))


@compiled
def put_byte(text, at, value):
    """Write one byte."""
    _put_byte(text, at, np.uint64(value))


@compiled
def byte(text, at):
    """The byte there, as a signed number, because only those go together with others."""
    return _byte(text, at)


@compiled
def word(text, at):
    """The eight bytes from there on."""
    return _word(text, at)


@compiled
def same(one, at, other, place, size):
    """Whether so many bytes are the same here and there."""
    while size >= 8:
        if word(one, at) != word(other, place):
            return False
        at, place, size = at + 8, place + 8, size - 8
    if size <= 0:
        return True
    rest = (np.uint64(1) << np.uint64(8 * size)) - np.uint64(1)
    return (word(one, at) ^ word(other, place)) & rest == np.uint64(0)
