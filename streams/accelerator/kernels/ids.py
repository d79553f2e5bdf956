"""Check in compiled code whether ``clean_id`` returns an id unchanged."""

from __future__ import annotations

from streams.accelerator.jit import compiled
from streams.accelerator.pointers import byte
from streams.events.identities import ODD_FIRST, ODD_LAST, WORD_SHAPES

_ODD_FIRST, _ODD_LAST = tuple(map(ord, ODD_FIRST)), tuple(map(ord, ODD_LAST))


@compiled
def is_usual(text, at, size):
    """Whether an id is ASCII and cannot be a placeholder, so that ``clean_id`` returns it unchanged."""
    if not is_trimmed(text, at, size):
        return False
    first, last = byte(text, at), byte(text, at + size - 1)
    for odd in _ODD_FIRST:
        if first == odd:
            return False
    for odd in _ODD_LAST:
        if last == odd:
            return False
    shape = 256 * size + (first | 32)
    for placeholder in WORD_SHAPES:
        if shape == placeholder:
            return False
    for i in range(at, at + size):
        if byte(text, i) > 126:
            return False
    return True


@compiled
def is_trimmed(text, at, size):
    """Whether no white space can be at the ends of a text."""
    first, last = byte(text, at), byte(text, at + size - 1)
    return 32 < first < 127 and 32 < last < 127
