"""Find the ends of JSON tokens (RFC 8259) in compiled code, and check that they are valid."""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.accelerator.jit import compiled
from streams.accelerator.pointers import byte, word

MISSING, NULL, PLAIN_TEXT, ESCAPED_TEXT, TRUE, FALSE, DIGITS, OBJECT = range(8)
"""Kinds of tokens; MISSING if a field is not there. ``scalar`` returns no OBJECT."""
MAX_NUMBER_CHARS: Final = 17
QUOTE: Final = 34
_BACKSLASH, _ZERO = 92, 48
_NULL, _TRUE, _FALSE = (np.uint64(int.from_bytes(text, "little")) for text in (b"null", b"true", b"alse"))
_ONES, _HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_SPACES, _QUOTES, _BACKSLASHES = (np.uint64(n * 0x0101010101010101) for n in (32, QUOTE, _BACKSLASH))


@compiled
def skip_blanks(text, at, end):
    """Skip white space between tokens."""
    while at < end:
        mark = byte(text, at)
        if mark > 32 or not (mark == 32 or mark == 10 or mark == 13 or mark == 9):
            break
        at += 1
    return at


@compiled
def scalar(text, at, end):
    """Return start and length of the text of a scalar, its kind, and its end; the end is -1 if it is invalid."""
    mark = byte(text, at)
    if mark == QUOTE:
        close, escaped = text_end(text, at + 1, end)
        return at + 1, close - at - 1, ESCAPED_TEXT if escaped else PLAIN_TEXT, close + 1 if close >= 0 else -1
    letters = word(text, at) & np.uint64(0xFFFFFFFF)
    if letters == _NULL:
        return at, 0, NULL, at + 4 if at + 4 <= end else -1
    if letters == _TRUE:
        return at, 0, TRUE, at + 4 if at + 4 <= end else -1
    if mark == 102 and word(text, at + 1) & np.uint64(0xFFFFFFFF) == _FALSE:
        return at, 0, FALSE, at + 5 if at + 5 <= end else -1
    close = _number(text, at, end)
    return at, close - at, DIGITS, close


@compiled
def _number(text, at, end):
    """The end of a number; -1 if it is invalid or too long."""
    begin = at
    if byte(text, at) == 45:
        at += 1
    whole = _digits(text, at, end)
    if whole == at or (whole > at + 1 and byte(text, at) == _ZERO):
        return -1
    at = whole
    if at < end and byte(text, at) == 46:
        fraction = _digits(text, at + 1, end)
        if fraction == at + 1:
            return -1
        at = fraction
    if at < end and (byte(text, at) == 101 or byte(text, at) == 69):
        at += 1
        if at < end and (byte(text, at) == 43 or byte(text, at) == 45):
            at += 1
        exponent = _digits(text, at, end)
        if exponent == at or exponent > at + 2:
            return -1
        at = exponent
    return at if at - begin <= MAX_NUMBER_CHARS else -1


@compiled
def _digits(text, at, end):
    while at < end and 48 <= byte(text, at) <= 57:
        at += 1
    return at


@compiled
def text_end(text, at, end):
    """The end of a text, and whether it has escapes; -1 if it is invalid or has lone surrogates or bad UTF-8."""
    escaped = False
    while at < end:
        at += _count_plain_bytes(word(text, at))
        if at >= end:
            break
        mark = byte(text, at)
        if mark == QUOTE:
            return at, escaped
        if mark == _BACKSLASH:
            escaped = True
            at = _skip_escape(text, at + 1, end)
        elif mark >= 128:
            at = _skip_character(text, at, end)
        elif mark < 32:
            at = -1
        if at < 0:
            break
    return -1, escaped


@compiled
def _count_plain_bytes(letters):
    """Count the bytes of a word before the first quote, backslash, control character or non-ASCII byte.

    Uses the borrow of a subtraction (Anderson, "Bit Twiddling Hacks"); only the lowest mark is reliable.
    """
    quotes, backslashes = letters ^ _QUOTES, letters ^ _BACKSLASHES
    marks = ((quotes - _ONES) & ~quotes) | ((backslashes - _ONES) & ~backslashes) | ((letters - _SPACES) & ~letters)
    marks = (marks | letters) & _HIGH
    if marks == np.uint64(0):
        return 8
    below = ((marks & (~marks + np.uint64(1))) >> np.uint64(7)) - np.uint64(1)
    return np.int64(((below & _ONES) * _ONES) >> np.uint64(56))


@compiled
def _skip_escape(text, at, end):
    """Skip what follows a backslash; -1 if it is invalid."""
    if at >= end:
        return -1
    mark = byte(text, at)
    if mark != 117:
        simple = mark == 34 or mark == 92 or mark == 47 or mark == 98 or mark == 102 or mark == 110
        return at + 1 if simple or mark == 114 or mark == 116 else -1
    if at + 5 > end:
        return -1
    code = 0
    for i in range(at + 1, at + 5):
        digit = byte(text, i)
        if 48 <= digit <= 57:
            digit -= 48
        elif 97 <= digit <= 102 or 65 <= digit <= 70:
            digit = (digit | 32) - 87
        else:
            return -1
        code = code * 16 + digit
    return -1 if 0xD800 <= code < 0xE000 else at + 5


@compiled
def _skip_character(text, at, end):
    """Skip a character of more than one byte in UTF-8 (RFC 3629); -1 if it is invalid."""
    lead = byte(text, at)
    if lead < 0xC2 or lead > 0xF4:
        return -1
    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    if at + size > end:
        return -1
    for i in range(at + 1, at + size):
        if byte(text, i) & 0xC0 != 0x80:
            return -1
    second = byte(text, at + 1)
    if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
        return -1
    if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
        return -1
    return at + size
