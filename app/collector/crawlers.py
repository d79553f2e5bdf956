"""Decides by its user agent whether a machine made a request: the public list of crawlers, corrected, and more. Pure.

The public list has names that people's phones and apps share; ``crawler_names`` narrows these. Machines that are not on
the list are known by the words that they use of themselves, by an address for complaints, or by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import product
from typing import Final

from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # type: ignore[import-untyped]

from app.collector.crawler_names import ADDRESS, LIBRARIES, NAMES, NARROWED, SHARED_NAMES, TASKS, WHOLE, WORDS

_PHONE: Final = re.compile(
    r"android|iphone|ipad|ipod|\bios\b|ios/|darwin|cfnetwork|watchos|tvos|apple ?tv|apple watch|dalvik|electron"
)
"""A phone, another device for apps, or an app, in lower case."""
_PERSON: Final = re.compile(f"{_PHONE.pattern}|mac ?os|macintosh|windows|winnt|blackberry|symbian|linux")
"""A device or system of a person, in lower case."""
_MODEL: Final = re.compile(r"android [\d.]+;(?: [a-z]{2}[-_][a-z]{2};)? [^;)]*")
"""Android and the model of a device, some of which are called Bot or Spider."""
_WORDS: Final = [(part, re.compile(pattern)) for part, pattern in WORDS.items()]
_TASKS: Final = [(part, re.compile(pattern)) for part, pattern in TASKS.items()]
_ADDRESS: Final = re.compile(ADDRESS)
_LIBRARIES: Final = re.compile(LIBRARIES)
_CHOICE: Final = re.compile(r"\[([A-Za-z])([A-Za-z])\]")
_SPECIAL: Final = re.compile(r"(?<!\\)[\[\](){}^$|*+?.]|\\[a-zA-Z]")
_MIN_NAME_CHARS: Final = 3
Start = tuple[str, str, str]
"""The first characters of a name, in lower case."""


class _Names:
    """Finds names in an agent; names that begin with the same letters are tried only where the agent has these."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_start: dict[Start, list[str]] = {}
        for name in names:
            folded = name.lower()
            self._by_start.setdefault((folded[0], folded[1], folded[2]), []).append(name)

    def found_in(self, text: str, starts: set[Start]) -> bool:
        """Whether one of the names is a part of the text, whose ``starts`` are given."""
        return any(name in text for start in self._by_start.keys() & starts for name in self._by_start[start])


class _Patterns:
    """Finds patterns in an agent; most of them are plain names."""

    def __init__(self, patterns: Iterable[str]) -> None:
        parts = [part for pattern in patterns for part in _without_choices(pattern)]
        names = {part: re.sub(r"\\(.)", r"\1", part) for part in parts if not _SPECIAL.search(part)}
        names = {part: name for part, name in names.items() if len(name) >= _MIN_NAME_CHARS}
        self._names = _Names(names.values())
        self._special = [re.compile(part) for part in parts if part not in names]  # together they would be slow

    def found_in(self, agent: str, starts: set[Start]) -> bool:
        """Whether one of the patterns matches somewhere in the agent."""
        return self._names.found_in(agent, starts) or any(each.search(agent) for each in self._special)


def _starts_in(folded: str) -> set[Start]:
    """Where a name may begin: all three characters in a row of an agent in lower case."""
    return set(zip(folded, folded[1:], folded[2:], strict=False))


def _without_choices(pattern: str) -> list[str]:
    """The pattern with each ``[wW]`` replaced by either letter, and without alternatives at its top."""
    if "|" in pattern and "(" not in pattern:
        return [part for each in pattern.split("|") for part in _without_choices(each)]
    parts = _CHOICE.split(pattern)
    choices = [parts[i + 1 : i + 3] for i in range(0, len(parts) - 1, 3)]
    return ["".join(map("".join, zip(parts[::3], (*chosen, ""), strict=True))) for chosen in product(*choices)]


def _names_itself(folded: str) -> bool:
    """Whether an agent, in lower case, calls itself a bot, a crawler and the like."""
    return _has_word(folded, _WORDS)


def _names_task(folded: str) -> bool:
    """Whether an agent, in lower case, says that it scans, checks, monitors and the like, and is no app for phones."""
    return _has_word(folded, _TASKS) and ("compatible" in folded or not _PHONE.search(folded))


def _has_word(folded: str, words: list[tuple[str, re.Pattern[str]]]) -> bool:
    found = [pattern for part, pattern in words if part in folded]
    if not found:
        return False
    named = _MODEL.sub("", folded)
    return any(pattern.search(named) for pattern in found)


def _gives_address(folded: str) -> bool:
    """Whether an agent, in lower case, gives an address for complaints, and is not an app for people."""
    if "@" not in folded and "http" not in folded:
        return False
    return _ADDRESS.search(folded) is not None and ("compatible" in folded or not _PERSON.search(folded))


_LISTED: Final = [each["pattern"] for each in CRAWLER_USER_AGENTS_DATA]
_PUBLIC: Final = _Patterns(NARROWED.get(each, each) for each in _LISTED if each not in SHARED_NAMES)
_SHARED: Final = _Patterns(each for each in _LISTED if each in SHARED_NAMES)
_OWN: Final = _Names(NAMES)


@lru_cache(maxsize=10_000)
def is_crawler(agent: str) -> bool:
    """Whether this is the user agent of a machine."""
    folded = agent.lower()
    if folded in WHOLE or _LIBRARIES.match(folded):
        return True
    if _names_itself(folded) or _names_task(folded) or _gives_address(folded):
        return True
    starts = _starts_in(folded)
    if _PUBLIC.found_in(agent, starts) or _OWN.found_in(folded, starts):
        return True
    return _SHARED.found_in(agent, starts) and not _PERSON.search(folded)
