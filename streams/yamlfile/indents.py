"""Explains lines that are indented so that they fit no line above."""

from __future__ import annotations

import re
from typing import Final

from ruamel.yaml.error import MarkedYAMLError

from streams.counts import count_of
from streams.yamlfile.pasted import Found
from streams.yamlfile.source import Source

GENERAL: Final = "check the indentation, colons, quotes and brackets just before it"
VALUE_COLON: Final = re.compile(r":(\s|$)")


def line_above(line: int, source: Source) -> int:
    """The number of the last line above that is not empty or a comment; 0 for none."""
    above = line - 1
    while above and (not source.line(above).strip() or source.line(above).lstrip().startswith("#")):
        above -= 1
    return above


def find_indent(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    """A tab, a line that fits none above, or an item among keys."""
    problem = str(error.problem)
    line, column = source.place(index)
    if "cannot start any token" in problem and source.text[index : index + 1] == "\t":
        if source.line(line)[: column - 1].strip():
            return line, column, "a tab is here instead of a space", "replace it by a space"
        return line, column, "a tab cannot indent a line", "indent by spaces"
    if "expected <block end>" not in problem or error.context_mark is None or source.line(line)[: column - 1].strip():
        return None
    if "found '-'" in problem:
        return line, column, "a list item begins here, among keys", "indent it below the key that it belongs to"
    if source.text[index : index + 1] in ("{", "["):
        return line, column, "a second value begins here", "put a dash before each item of a list"
    text = source.line(line_above(line, source))
    item = re.match(r" *(?:- +)+(?=.*:(?: |$))", text)
    levels = {item.end()} if item else _levels_above(line, source)
    below, above = (sorted(each for each in levels if (each < column) == low) for low in (True, False))
    shown = " or by ".join(count_of(level, "space") for level in below[-1:] + above[:1])
    message = f"this line is indented by {count_of(column - 1, 'space')}, which fits no line above"
    return line, column, message, f"indent it by {shown}" if shown else GENERAL


def _levels_above(line: int, source: Source) -> set[int]:
    """The columns at which keys of the mappings around a line begin."""
    levels: set[int] = set()
    least = len(source.text)
    while least and (line := line_above(line, source)):
        begin = re.match(r" *(?:- +)*", source.line(line))
        column = begin.end() if begin else 0
        if column < least:
            levels |= {column} if VALUE_COLON.search(source.line(line)) else set()
            least = column
    return levels
