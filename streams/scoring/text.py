"""Texts for compiled code: an address instead of an array.

A function that takes an array counts references to it, in and out; where it does little, that is most of its work.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from streams.scoring.compiled import compiled

PADDING: Final = 16
"""Bytes after a text, at least: whoever reads a word may read that far."""


class Text:
    """Bytes that stay where they are as long as this object is there."""

    def __init__(self, text: bytes) -> None:
        """Take a text, with PADDING to come after it."""
        self.bytes = text
        self._padded = np.frombuffer(text + bytes(PADDING), np.uint8)
        self.address: int = self._padded.ctypes.data
        """What compiled code calls a text."""


def _loads(width: int, result: Any) -> Any:
    """A function that reads so many bits, little-endian, at an address and so many bytes on."""

    def load(typing_context: Any, address: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = builder.inttoptr(builder.add(*args), ir.IntType(width).as_pointer())
            return builder.zext(builder.load(place, align=1), ir.IntType(64))

        return result(types.int64, types.int64), generate

    return intrinsic(load)


_byte, _word = _loads(8, types.int64), _loads(64, types.uint64)


@intrinsic
def _put(typing_context: Any, address: Any, at: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(builder.add(args[0], args[1]), ir.IntType(64).as_pointer())
        builder.store(builder.bswap(args[2]), place, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.uint64), generate


@compiled
def put(text, at, value):
    """Write a word to eight bytes, big-endian."""
    _put(text, at, np.uint64(value))


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
