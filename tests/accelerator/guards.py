"""Memory whose end is the end of a page, with a page behind it that cannot be read or written.

Compiled code that goes beyond what it was given ends the process there, instead of reading or writing something else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from mmap import PAGESIZE, mmap
from unittest.mock import patch

import numpy as np

from streams.accelerator import id_index, pointers
from streams.accelerator.layout import Column

_PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)
JUNK = 0xA5
"""Every byte that nobody has written yet."""


def guarded(size: int) -> Column:
    """So many bytes at the end of a page; freed with the array."""
    pages = -(-size // PAGESIZE) * PAGESIZE
    memory = np.frombuffer(mmap(-1, pages + PAGESIZE), np.uint8)
    if _libc.mprotect(ctypes.c_void_p(memory.ctypes.data + pages), ctypes.c_size_t(PAGESIZE), _PROT_NONE):
        raise OSError(ctypes.get_errno(), "mprotect")
    found = memory[pages - size : pages]
    found[:] = JUNK
    return found


@contextmanager
def guard_pages() -> Iterator[None]:
    """Put a guard page behind everything that compiled code reads or writes by address."""
    with ExitStack() as patches:
        for module in (pointers, id_index):
            patches.enter_context(patch.object(module, "octets", guarded))
        yield
