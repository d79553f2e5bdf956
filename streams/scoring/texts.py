"""Prepare texts and numbers for comparison: folded letters, whole words, numbers that texts spell."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any, Final
from unicodedata import category, normalize

_SPELLED: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_ASCII_WORD: Final = re.compile("[a-z0-9]+")


def fold(text: str) -> str:
    """A text as it is compared: by NFKC and case folding, so that composed and decomposed letters are one."""
    if text.isascii():
        return text.lower()
    return normalize("NFKC", normalize("NFKC", text).casefold())


def spaced_words(folded: str) -> str:
    """The words of a folded text, each between two spaces: longest runs of letters (with marks) and digits."""
    if folded.isascii():
        return f" {' '.join(_ASCII_WORD.findall(folded))} "
    parts = [char if char.isalnum() or category(char).startswith("M") else " " for char in folded]
    return f" {' '.join(''.join(parts).split())} "


def number_of(value: Any) -> float | None:
    """A finite number, or the one that a text spells plainly (`-12.50`), white space around it left out; else None."""
    kind = value.__class__
    if kind is int:
        return value  # type: ignore[no-any-return]  # however large
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is not str or not _SPELLED.fullmatch(text := value.strip()):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def text_of(value: Any) -> str | None:
    """A text, or the usual decimal form of a number; None for anything else."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return str(value)
    if kind is not float or not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
