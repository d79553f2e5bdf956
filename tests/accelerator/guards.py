"""Allocate memory that ends at a page boundary, followed by an inaccessible guard page.

If compiled code reads or writes beyond its memory, the process ends at once instead of using other data.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from mmap import PAGESIZE, mmap
from unittest.mock import patch

import numpy as np

from streams.accelerator import id_index, pointers
from streams.accelerator.jit import compiled
from streams.accelerator.layout import Column

_PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)
JUNK = 0xA5
"""Value of every byte that was not written yet."""


def guarded(size: int) -> Column:
    """Allocate ``size`` bytes before a guard page; they are freed with the array."""
    pages = -(-size // PAGESIZE) * PAGESIZE
    memory = np.frombuffer(mmap(-1, pages + PAGESIZE), np.uint8)
    if _libc.mprotect(ctypes.c_void_p(memory.ctypes.data + pages), ctypes.c_size_t(PAGESIZE), _PROT_NONE):
        raise OSError(ctypes.get_errno(), "mprotect")
    found = memory[pages - size : pages]
    found[:] = JUNK
    return found


@compiled
def read_byte(text: int, at: int) -> int:
    """Read a byte as compiled code does."""
    return pointers.byte(text, at)  # type: ignore[no-any-return]


@compiled
def write_word(text: int, at: int, value: int) -> None:
    """Write eight bytes as compiled code does."""
    pointers.put(text, at, value)


@contextmanager
def guard_pages() -> Iterator[None]:
    """Put a guard page behind everything that compiled code reads or writes by address."""
    with ExitStack() as patches:
        for module in (pointers, id_index):
            patches.enter_context(patch.object(module, "octets", guarded))
        yield
