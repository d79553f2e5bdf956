"""Parse times like ``2026-11-22T01:02:03.004Z``, or without milliseconds, in compiled code."""

from __future__ import annotations

from typing import Final

from streams.accelerator.jit import compiled
from streams.accelerator.layout import NEVER
from streams.accelerator.pointers import byte
from streams.scoring.buckets import first_day

SHORT_CHARS: Final = 20
TIME_CHARS: Final = 24


@compiled
def time_at(text, at, size):
    """Parse a time of ``size`` bytes into ms since the epoch; NEVER for any other form."""
    if size != TIME_CHARS and size != SHORT_CHARS:
        return NEVER
    if byte(text, at + size - 1) != 90 or (size == TIME_CHARS and byte(text, at + 19) != 46):
        return NEVER
    for place, mark in ((4, 45), (7, 45), (10, 84), (13, 58), (16, 58)):
        if byte(text, at + place) != mark:
            return NEVER
    year = _digits(text, at, 4)
    month, day = _digits(text, at + 5, 2), _digits(text, at + 8, 2)
    hour, minute, second = _digits(text, at + 11, 2), _digits(text, at + 14, 2), _digits(text, at + 17, 2)
    milli = _digits(text, at + 20, 3) if size == TIME_CHARS else 0
    if min(year, month, day, hour, minute, second, milli) < 0 or year < 1 or month < 1 or month > 12 or day < 1:
        return NEVER
    first = first_day(12 * year + month - 1)
    if day > first_day(12 * year + month) - first or hour > 23 or minute > 59 or second > 59:
        return NEVER
    return (((first + day - 1) * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + milli


@compiled
def _digits(text, at, width):
    """Parse a number of ``width`` digits; negative for anything else."""
    value = 0
    for i in range(width):
        digit = byte(text, at + i) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value
