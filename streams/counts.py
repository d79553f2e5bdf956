"""Numbers of things, for people."""

from __future__ import annotations

from collections.abc import Callable


def count_of(number: int, noun: str, write: Callable[[float], str] = "{:,}".format) -> str:
    """A number with its noun in the singular or plural, as ``1 event`` and ``2,000 events``; ``write`` formats it."""
    return f"{write(number)} {noun}" if number == 1 else f"{write(number)} {noun}s"
