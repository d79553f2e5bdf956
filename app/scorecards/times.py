"""Times in a cases file: `day 3 09:00`, `+2d` or `2026-03-02 09:00`, all in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streams.events.times import LAST_MS, parse_ms
from streams.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, parse_duration_ms
from streams.yamlfile.kinds import DURATION_PATTERN, MAX_DURATION_DAYS, MAX_TEXT_CHARS, Kind, require, text_of
from streams.yamlfile.tree import Node, Report

START_MS = 1_767_571_200_000
"""2026-01-05, a Monday: the first day of a file without `start`."""
_CLOCK = r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?"
_DAY = rf"day ([1-9][0-9]{{0,3}})(?: {_CLOCK})?"
_AFTER = rf"\+{DURATION_PATTERN[1:-1]}"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].+)?"
_PATTERN = f"^({_DAY}|{_AFTER}|{_DATE})$"
_UNIT_WORDS = r"s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?|w(?:eeks?)?"


@dataclass(frozen=True, slots=True)
class When:
    """A time as it is written: an offset from the first day, an offset from another time, or an instant."""

    text: str
    kind: Literal["day", "after", "at"]
    ms: int

    def at_ms(self, start_ms: int, before_ms: int) -> int:
        """Ms since the epoch; ``before_ms`` is the time that `+2d` is counted from."""
        base = {"day": start_ms, "after": before_ms, "at": 0}[self.kind]
        return min(max(base + self.ms, 1), LAST_MS)


def parse_when(text: str) -> When:
    """Parse a time.

    Raises:
        ValueError: it is none.
    """
    if found := re.fullmatch(_DAY, text):
        day, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return When(text, "day", (day - 1) * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS)
    if re.fullmatch(_AFTER, text):
        after_ms = parse_duration_ms(text[1:])
        require(after_ms <= MAX_DURATION_DAYS * DAY_MS)
        return When(text, "after", round(after_ms))
    at_ms = parse_ms(text) if re.fullmatch(_DATE, text) else None
    require(at_ms is not None)
    return When(text, "at", at_ms or 0)


def _guess(text: str) -> Iterator[str]:
    """Times as people write them: `Day 3, 9am`, `9:00 day 3`, `2 days later`, `+2 days`."""
    plain = re.sub(r"[,@]|\b(at|on|um)\b", " ", text.casefold())
    plain = " ".join(re.sub(r"\b(tag|día|dia)\b", "day", plain).split())
    if found := re.search(rf"\+? ?(\d+(?:\.\d+)?) ?({_UNIT_WORDS})\b(?! \d)", plain):
        yield f"+{found[1]}{found[2][0]}"
    day = re.search(r"\bday ?(\d+)", plain) or re.search(r"\b(\d+)\. ?day", plain)
    if day is None:
        return
    number = max(int(day[1]), 1)
    rest = plain.replace(day[0], " ")
    clock = re.search(r"(\d{1,2})(?:[:.h](\d{2}))? ?(am|pm|h\b|uhr)?", rest)
    if clock is None:
        yield f"day {number}"
        return
    hours = int(clock[1]) % 12 + 12 * (clock[3] == "pm") if clock[3] in ("am", "pm") else int(clock[1])
    yield f"day {number} {hours:02}:{clock[2] or '00'}"


def _start_ms(text: str) -> int:
    at_ms = parse_ms(text)
    require(at_ms is not None)
    return at_ms or 0


def _read(node: Node, report: Report) -> When | None:
    try:
        return parse_when(str(node.value))
    except ValueError:
        found = next(_guess(str(node.value)[:MAX_TEXT_CHARS]), "day 1 09:00")
        report.add(node, f"{node} is not a time", f"write `{found}`, `+2d` or `2026-03-02 09:00`")
        return None


WHEN = Kind(_read, {"type": "string", "pattern": _PATTERN}, "day 1 09:00", "a time")
START = text_of("a date", "2026-01-05", f"^{_DATE}$", _start_ms)
