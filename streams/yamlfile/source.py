"""The text of a YAML file, for places, and for remedies that repeat a part of it."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final

ODD_SPACES: Final = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""Spaces that YAML does not take for a space."""
SMART_QUOTES: Final = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b\u2033"
"""Quotes of word processors, which YAML takes for a part of the text."""
WIDE_COLON: Final = "\uff1a"
INVISIBLE: Final = "\u00ad\u200b\u2060\ufeff"
JOINED: Final = re.compile(
    rf"([\w.$-]+)(?P<gap>[ {ODD_SPACES}]*(?:=>|->|:=|[:{WIDE_COLON}=])[ {ODD_SPACES}]*|[ {ODD_SPACES}]+)(\S.*)"
)
"""A key and its value without a colon and a space between them."""
KEY: Final = re.compile(r"[a-z0-9_.$-]+")
_PLAIN: Final = re.compile(r"[\w/.][\w /.+()|^$\\-]*(?<! )")
_NOT_TEXT: Final = re.compile(r"(?i)true|false|null|~|\.inf|\.nan|[-+.]*[0-9][0-9_.eE+-]*|0[xo][0-9a-f]+|\d+-\d+-\d+.*")


@dataclass(frozen=True)
class Source:
    """The text of a file."""

    text: str
    discreet: bool = False
    """Whether remedies must not repeat it, because it has secrets."""

    @cached_property
    def _starts(self) -> list[int]:
        """The index of the first character of each line, and of one more after the last."""
        return [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]

    def place(self, index: int) -> tuple[int, int]:
        """Line and column, counted from 1, of a character."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """A line without its end, counted from 1; empty beyond the last one."""
        return self.text[self.start(number) : self.start(number + 1) - 1].rstrip("\r") if number > 0 else ""

    def start(self, number: int) -> int:
        """The index of the first character of a line; beyond the last one, of the end."""
        return self._starts[min(number, len(self._starts)) - 1]

    def before(self, index: int) -> str:
        """The rest of the line, or of a part of it that is enough, before a character."""
        return self.text[max(0, index - 200) : index].rpartition("\n")[2]

    def value_at(self, index: int, flow: bool) -> str:
        """The rest of a plain value: up to the end of the line or, in brackets, up to what ends it."""
        rest = self.text[index:].partition("\n")[0]
        return re.split(r" #|[,}\]]" if flow else r" #", rest)[0].strip()

    def in_flow(self, index: int) -> bool:
        """Whether a place is inside brackets, as far as its own line shows."""
        before = self.text[:index].rpartition("\n")[2]
        return sum(before.count(char) for char in "{[") > sum(before.count(char) for char in "}]")

    def after_spaces(self, index: int) -> int:
        """The index of the next character that is not a space."""
        while self.text.startswith(" ", index):
            index += 1
        return index

    def quoting(self, value: str, why: str) -> str:
        """The remedy for a value that needs quotes."""
        return f"put single quotes around it: {why}" if self.discreet else f"write `{in_quotes(value)}`: {why}"

    def pair(self, key: str, value: str) -> str:
        """The remedy for a key and a value that are not written as one."""
        return "write a colon and a space between the two" if self.discreet else f"write `{key}: {value}`"


def in_quotes(text: str) -> str:
    """A text in single quotes, as YAML reads it."""
    return "'" + text.replace("'", "''") + "'"


def spell(value: object) -> str:
    """A scalar as it is written in a file, in quotes where it needs them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if abs(value) < 1e6 and float(f"{value:g}") == value else str(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) and not _NOT_TEXT.fullmatch(text) else in_quotes(text)


def describe_char(char: str) -> str:
    """Code point and name of an invisible character, for a message."""
    name = unicodedata.name(char, "a control character").lower()
    return f"the character U+{ord(char):04X} ({name})"


def describe_joint(gap: str) -> tuple[int, str]:
    """What is wrong between a key and its value: the offset of the mistake, and a message."""
    odd = next((i for i, char in enumerate(gap) if char in ODD_SPACES), None)
    if odd is not None:
        return odd, f"{describe_char(gap[odd])} is here instead of a plain space"
    for char in ("=>", "->", ":=", ":", WIDE_COLON, "="):
        if char in gap:
            message = "a space is missing after this colon" if char == ":" else f"`{char}` is here instead of a colon"
            return gap.index(char), message
    return 0, "a colon is missing here"
