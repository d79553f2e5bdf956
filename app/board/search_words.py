"""Words of texts and of searches, without regard to accents, case, and how telephone numbers are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from unicodedata import combining, normalize

Words = tuple[tuple[str, ...], ...]
"""A search: a lead matches if it has, for one of these alternatives, a word with each of the prefixes."""
MAX_WORDS: Final = 64
"""Words of a lead in each of its two texts."""
MAX_WORD_CHARS: Final = 40
MAX_TERMS: Final = 8
MIN_PHONE_DIGITS: Final = 5
"""Fewer digits are not searched for at the end of telephone numbers."""
_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ħ": "h", "ŧ": "t"}
)
"""Letters that Unicode does not decompose."""
_WORD: Final = re.compile(r"[^\W_]+")
_PHONE: Final = re.compile(r"\+?[\d\s()./\-\u2010-\u2015]+")
_TRUNK: Final = re.compile(r"\(0\)")
_BACKWARDS: Final = "p"
"""First letter of the word with the digits of a telephone number from the last to the first."""


def fold_text(text: str) -> str:
    """A text without accents and case, with single spaces."""
    if not text.isascii():
        text = "".join(c for c in normalize("NFKD", text) if not combining(c)).casefold().translate(_LETTERS)
    return " ".join(text.lower().split())


def split_words(text: str) -> list[str]:
    """The words of a text: the longest runs of letters and digits."""
    return [word[:MAX_WORD_CHARS] for word in _WORD.findall(fold_text(text))]


def join_words(words: Iterable[str]) -> str:
    """Distinct words as one text, with a space before each."""
    return "".join(f" {word}" for word in list(dict.fromkeys(words))[:MAX_WORDS])


def phone_words(text: str) -> list[str]:
    """The words of a telephone number: its digits, and its digits backwards, so that its end can be searched for."""
    digits = _digits_of(text)
    return [digits, _BACKWARDS + digits[::-1]] if digits else []


def parse_search(text: str) -> Words:
    """The alternatives of a search; none for a text without letters and digits."""
    words = tuple(split_words(text)[:MAX_TERMS])
    if not words:
        return ()
    digits = _digits_of(text)
    if len(digits) < MIN_PHONE_DIGITS or _PHONE.fullmatch(text.strip()) is None:
        return (words,)
    return tuple(dict.fromkeys([words, (digits,), (_BACKWARDS + digits[::-1],)]))


def has_words(texts: Iterable[str], wanted: Words) -> bool:
    """Whether texts of ``join_words`` have the words that are searched for."""
    joined = "".join(texts)
    return any(all(f" {prefix}" in joined for prefix in prefixes) for prefixes in wanted)


def _digits_of(text: str) -> str:
    """The digits of a telephone number, without those that depend on where it is dialled from."""
    digits = "".join(c for c in normalize("NFKC", _TRUNK.sub("", text)) if c in "0123456789")
    return digits.lstrip("0")[:MAX_WORD_CHARS]
