"""Reads exported events: a file with one call of the Segment spec as JSON on each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.scorecards.memory import Source
from streams.events.calls import parse_call
from streams.events.rejects import Refused
from streams.events.times import parse_ms

ARRIVALS = ("receivedAt", "sentAt", "timestamp", "originalTimestamp")
"""The fields that say when an event arrived, the best one first."""

_BOM = b"\xef\xbb\xbf"


def read_events(file: Path) -> list[Source]:
    """The events of a file in the order of their arrival; one without a time arrives with the event before it.

    Raises:
        OSError: the file cannot be read.
    """
    with file.open("rb") as lines:
        return sorted(_place(lines), key=lambda source: source.arrival_ms)


def _place(lines: Iterable[bytes]) -> Iterator[Source]:
    before_ms = 1
    for line in lines:
        if value := line.removeprefix(_BOM).strip():
            before_ms = _arrival_ms(value) or before_ms
            yield Source(value, before_ms)


def _arrival_ms(value: bytes) -> int | None:
    try:
        sent = parse_call(value)
    except Refused:
        return None
    return next((at_ms for name in ARRIVALS if (at_ms := parse_ms(sent.get(name))) is not None), None)
