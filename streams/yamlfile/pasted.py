"""Finds what other formats have and YAML has not: marks of a merge, Markdown, comments and lists of code."""

from __future__ import annotations

import re
from typing import Final

from streams.yamlfile.source import Source

Found = tuple[int, int, str, str]
"""Line, column, message, remedy."""
_CONFLICT: Final = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( .*)?$", re.M)
_BULLET: Final = re.compile(r" *(\d{1,2}[.)]|[\u2013\u2014\u2022\u25cf\u25aa\u25e6\u2023\xb7*])[ \t\xa0]+(\S.*)")
_DASHES: Final = re.compile(r" *(--+)[ \t\xa0]+(?=\S)")
_FOREIGN: Final = (
    (r" *(```).*", "this is a fence of Markdown, not YAML", "remove this line"),
    (r" *(\|).*\| *", "this is a table of Markdown, not YAML", "write a name, a colon and a value for each row"),
    (
        r" *(\.\.\.|\u2026),? *",
        "something is left out here",
        "write what belongs here, or remove it",
    ),
    (r"(?:.*[\s,{}\[\]])?(//|/\*)(?: .*)?", "a comment begins with `#`", "write `#` in place of this"),
    (r"(?:.*[:-])? *(\*\*)\w.*", "`**` is bold in Markdown, not in YAML", "remove the asterisks"),
)
"""A line that no YAML has, with the sign that shows it; a message and a remedy."""
_TUPLE: Final = re.compile(r"[:,\[] *(\((\s*(?:'[^']*'|\"[^\"]*\")\s*(?:,[^()]*)?)\))")
_TAG: Final = re.compile(r"(?:[:,{\[]|- ) *(![^\s,\]}]+)[,\]}]")


def find_pasted(index: int, source: Source) -> Found | None:
    """The mistake that explains an error of the parser: on its line, or on those above that no YAML has."""
    conflict = _CONFLICT.search(source.text)
    if conflict:
        place = source.place(conflict.start())
        return *place, "this is the mark of a merge conflict", "keep one version, without marks"
    line, _ = source.place(index)
    found = _find_in_line(line, source)
    while line > 1 and (above := _find_in_line(line - 1, source)):
        found, line = above, line - 1
    return found


def _find_in_line(line: int, source: Source) -> Found | None:
    text = source.line(line)
    for pattern, message, remedy in _FOREIGN:
        if foreign := re.fullmatch(pattern, text):
            return line, foreign.start(1) + 1, message, remedy
    if dashes := _DASHES.match(text):
        remedy = "write one dash for an item, or `#` for a comment"
        return line, dashes.start(1) + 1, f"`{dashes[1]}` begins neither an item nor a comment", remedy
    if bullet := _BULLET.match(text):
        item = "a dash and a space" if source.discreet else f"`- {bullet[2].rstrip()}`"
        return line, bullet.start(1) + 1, f"a list item begins with `-`, not with `{bullet[1]}`", f"write {item}"
    if listed := _TUPLE.search(text):
        remedy = "write brackets" if source.discreet else f"write `[{listed[2].strip(' ,')}]`"
        return line, listed.start(1) + 1, "a list is in brackets, not in parentheses", remedy
    if tag := _TAG.search(text):
        message = "a value cannot begin with `!` without quotes"
        return line, tag.start(1) + 1, message, source.quoting(tag[1], "it needs quotes")
    return None
