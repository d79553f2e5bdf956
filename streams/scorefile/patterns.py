"""Patterns that match no text or every text, and what to write instead of one that RE2 refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from streams.scoring.conditions import compile_condition
from streams.scoring.scorecard import Test
from streams.yamlfile.source import in_quotes, spell

_CLASS = r"\[\^?\]?(?:\\.|\[:.*?:\]|[^\]])*\]"
_ATOM = re.compile(rf"\\Q.*?(?:\\E|$)|\\[pP]\{{.*?\}}|\\x\{{.*?\}}|\\x..|\\[pP].|\\.|{_CLASS}|.", re.S)
_QUANTIFIER = re.compile(r"(?:[*?]|\{0(?:,\d*)?\})\??|(?:\+|\{\d+(?:,\d*)?\})\??")
_GROUP = re.compile(r"\((?:\?(?:P?<\w+>|[a-zA-Z-]*:))?")
_FLAGS = re.compile(r"\(\?[a-zA-Z-]+\)")
_LETTER = r"([^\W\d_a-zA-Z])"
_MISSED = re.compile(rf"\\b(?:\((?:\?:)?(?:[^()]*\|)?)?{_LETTER}|{_LETTER}(?:(?:\|[^()]*)?\))?\\b")
_EVERYTHING = (r"\s\S", r"\S\s", r"\d\D", r"\D\d", r"\w\W", r"\W\w")


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of a part of a pattern."""

    least: int = 0
    """Characters that it takes at least."""
    at_start: bool = False
    """It matches only at the start of the text."""
    at_end: bool = False
    dead: bool = False
    """It matches nowhere."""


def matches_nothing(pattern: str) -> bool:
    """Whether a valid pattern can match no text, as ``$.`` cannot. Finds the usual ways, not every one."""
    multiline = re.search(r"\(\?[a-zA-Z]*m", pattern) is not None
    try:
        part, _ = _alternatives(pattern, 0, multiline)
    except RecursionError:
        return False
    return part.dead


def remedy_for_nothing(pattern: str) -> str:
    """What to write instead of a pattern that matches no text."""
    if "$" in pattern:
        return r"put `$` only at the end, or write `\$` for the character"
    if "^" in pattern.replace("[^", ""):
        return r"put `^` only at the start, or write `\^` for the character"
    return "remove the class that excludes every character"


def matches_everything(pattern: str) -> bool:
    """Whether a valid pattern holds for every text."""
    holds = compile_condition(Test("", "matches", pattern), {"": 0})
    return all(holds((text,)) for text in ("", "\ufffd", "\n\ufffd\ufffd\n"))


def missed_letter(pattern: str) -> str | None:
    r"""A letter beside a ``\b`` that RE2 takes for none, since its ``\b`` knows only a to z."""
    found = _MISSED.search(pattern)
    return found[1] or found[2] if found else None


def remedy_for_missed(pattern: str) -> str:
    """How to find whole words with any letters."""
    words = re.fullmatch(r"(?:\(\?i\))?\\b\(?([\w |]+)\)?\\b", pattern)
    if words is None:
        return "use `word`, which knows all letters"
    listed = ", ".join(spell(word) for word in words[1].split("|"))
    return f"write `{{word: {f'[{listed}]' if '|' in words[1] else listed}}}`"


def _alternatives(pattern: str, at: int, multiline: bool) -> tuple[_Part, int]:
    """Read up to the end of the group or of the pattern."""
    branches = []
    while True:
        branch, at = _sequence(pattern, at, multiline)
        branches.append(branch)
        if pattern[at : at + 1] != "|":
            break
        at += 1
    alive = [branch for branch in branches if not branch.dead]
    if not alive:
        return _Part(dead=True), at
    least = min(branch.least for branch in alive)
    return _Part(least, all(b.at_start for b in alive), all(b.at_end for b in alive)), at


def _sequence(pattern: str, at: int, multiline: bool) -> tuple[_Part, int]:
    least, at_start, at_end, dead = 0, False, False, False
    while at < len(pattern) and pattern[at] not in "|)":
        part, at = _quantified(pattern, at, multiline)
        dead = dead or part.dead or (part.at_start and least > 0) or (at_end and part.least > 0)
        at_start = at_start or part.at_start
        at_end = at_end or part.at_end
        least += part.least
    return _Part(least, at_start, at_end, dead), at


def _quantified(pattern: str, at: int, multiline: bool) -> tuple[_Part, int]:
    part, at = _atom(pattern, at, multiline)
    quantifier = _QUANTIFIER.match(pattern, at)
    if quantifier is None:
        return part, at
    optional = quantifier[0][0] in "*?" or quantifier[0].startswith("{0")
    return (_Part() if optional else part), quantifier.end()


def _atom(pattern: str, at: int, multiline: bool) -> tuple[_Part, int]:
    flags = _FLAGS.match(pattern, at)
    if flags:
        return _Part(), flags.end()
    if pattern[at] == "(":
        opened = _GROUP.match(pattern, at)
        part, end = _alternatives(pattern, opened.end() if opened else at + 1, multiline)
        return part, end + 1
    found = _ATOM.match(pattern, at)
    text = found[0] if found else pattern[at]
    return _single(text, multiline), at + len(text)


def _single(text: str, multiline: bool) -> _Part:
    """A part without brackets around it: a character, a class, a position."""
    if text in (r"\A", "^"):
        return _Part(at_start=text != "^" or not multiline)
    if text in (r"\z", "$"):
        return _Part(at_end=text != "$" or not multiline)
    if text in (r"\b", r"\B"):
        return _Part()
    dead = text.startswith("[^") and any(both in text for both in _EVERYTHING)
    return _Part(least=len(text) - 2 if text.startswith(r"\Q") else 1, dead=dead)


_REFUSED = (
    (r"\(\?<?[=!]", "RE2 cannot look ahead or behind: write a second condition, in `none:` for what must not be there"),
    (r"\\[1-9]", "RE2 cannot refer back to a group: write out what it repeats"),
    (r"\\Z", r"write `\z` for the end of the text: RE2 has no `\Z`"),
    (r"\\u[0-9a-fA-F]{4}", r"write the character itself, or `\x{…}` with its number in place of `\u…`"),
    (r"\\[hH]", r"write `\s` for white space: RE2 has no `\h`"),
    (r"\\R", r"write `\r?\n` for the end of a line: RE2 has no `\R`"),
    (r"\\K", r"remove `\K`: only whether the pattern matches is of interest"),
    (r"\(\?>", "write `(?:` in place of `(?>`: RE2 has no atomic groups"),
    (r"\{\d{4,}|,\d{4,}\}", "repeat at most 1000 times, or write `+` for any number"),
    (r"[*+?}]\+", "remove the second `+`: RE2 has no possessive repetition"),
)
"""What other libraries for patterns have, as patterns, and remedies."""


def remedy_for(operator: str, pattern: str) -> str:
    """What to write instead of a pattern that RE2 refuses."""
    if operator == "glob":
        return "write the characters in brackets in order, such as `[a-z]`"
    if re.fullmatch(r"\*[\w@./-]+", pattern):
        return f"write `{{suffix: {spell(pattern[1:])}}}`"
    if pattern.startswith(("?", "+")):
        return f"write `{in_quotes(chr(92) + pattern)}` for the character"
    if pattern.startswith("*"):
        return f"write `{{glob: {in_quotes(pattern)}}}`, or `.*` for any text"
    for refused, remedy in _REFUSED:
        if re.search(refused, pattern):
            return remedy
    return _bracket_remedy(pattern)


def _bracket_remedy(pattern: str) -> str:
    for opening, closing in (("(", ")"), ("[", "]")):
        if pattern.count(opening) > pattern.count(closing):
            return f"close it with `{closing}`, or write `\\{opening}` for the character"
    if pattern.count(")") > pattern.count("("):
        return "open a group before it, or write `\\)` for the character"
    return "write it in RE2 syntax, in single quotes"
