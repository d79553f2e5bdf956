"""Give compiled code access to texts by address instead of by array.

A compiled function counts references to each array argument; in a small function, that is most of its cost.
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
"""Extra bytes after a text (readable) and after an output (writable), because whole words are read and written."""
_CANARY: Final = bytes.fromhex("c5a1fe03d2960b7e")


class Overrun(Exception):
    """Compiled code wrote past the end of its output, so the memory of this process cannot be trusted."""


def octets(size: int) -> Column:
    """Allocate bytes; in tests, an inaccessible page follows them."""
    return np.empty(size, np.uint8)


class Text:
    """Bytes at a fixed address for the lifetime of this object."""

    def __init__(self, text: bytes) -> None:
        """Copy a text and add PADDING."""
        self.bytes = text
        self.octets = octets(len(text) + PADDING)
        """The same bytes as an array, and PADDING."""
        self.octets[: len(text)] = np.frombuffer(text, np.uint8)
        self.address: int = self.octets.ctypes.data
        """The ``text`` argument of compiled functions."""


class Output:
    """A buffer that compiled code writes by address, between two canaries."""

    def __init__(self, size: int) -> None:
        """Allocate ``size`` bytes."""
        self._size = size
        self._guarded = octets(size + PADDING + 2 * len(_CANARY))
        self._guarded[: len(_CANARY)] = self._guarded[-len(_CANARY) :] = np.frombuffer(_CANARY, np.uint8)
        self.address: int = self._guarded.ctypes.data + len(_CANARY)

    def written(self, size: int) -> memoryview:
        """The first ``size`` bytes.

        Raises:
            Overrun: more bytes were written than allocated.
        """
        canaries = self._guarded[: len(_CANARY)].tobytes(), self._guarded[-len(_CANARY) :].tobytes()
        if size > self._size or canaries != (_CANARY, _CANARY):
            msg = f"compiled code wrote {size} bytes into a buffer of {self._size}"
            raise Overrun(msg)
        return self._guarded[len(_CANARY) : len(_CANARY) + size].data


def _loads(width: int, result: Any) -> Any:
    """Make a function that reads ``width`` bits, little-endian, at an address plus an offset."""

    def load(typing_context: Any, address: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = builder.inttoptr(builder.add(*args), ir.IntType(width).as_pointer())
            return builder.zext(builder.load(place, align=1), ir.IntType(64))

        return result(types.int64, types.int64), generate

    return intrinsic(load)


byte = _loads(8, types.int64)
"""Read a byte as a signed integer, because Numba mixes signed and unsigned ones to floats."""
word = _loads(64, types.uint64)
"""Read eight bytes, little-endian."""


def _stores(width: int, swapped: bool) -> Any:
    """Make a function that writes ``width`` bits at an address plus an offset."""

    def store(typing_context: Any, address: Any, at: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = builder.inttoptr(builder.add(*args[:2]), ir.IntType(width).as_pointer())
            value = builder.trunc(args[2], ir.IntType(width))
            builder.store(builder.bswap(value) if swapped else value, place, align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.uint64), generate

    return intrinsic(store)


put = _stores(64, swapped=True)
"""Write eight bytes, big-endian."""
put_byte = _stores(8, swapped=False)
"""Write one byte."""


def _move(typing_context: Any, out: Any, at: Any, text: Any, begin: Any, size: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        to, of = (builder.inttoptr(builder.add(*pair), byte) for pair in (args[:2], args[2:4]))
        raw_memmove(builder, to, of, args[4], 1)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


move: Any = intrinsic(_move)
"""Copy bytes; source and target may overlap."""


@compiled
def same(one, at, other, place, size):
    """Whether ``size`` bytes at two places are equal."""
    while size >= 8:
        if word(one, at) != word(other, place):
            return False
        at, place, size = at + 8, place + 8, size - 8
    if size <= 0:
        return True
    rest = (np.uint64(1) << np.uint64(8 * size)) - np.uint64(1)
    return (word(one, at) ^ word(other, place)) & rest == np.uint64(0)
