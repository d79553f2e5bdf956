"""Reads an export: JSON lines of events in the shape of the Segment spec, sorted by arrival, through intake."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from app.backtest.records import LogRecord, Unreadable
from streams.events.rejects import REASONS
from streams.events.times import FIRST_MS, LAST_MS, parse_ms
from streams.intake.adapt import Intake
from streams.transport.topics import Partitioner, Topics

CHUNK: Final = 1000
PLACE: Final = "export:0"
MAGIC_BYTES: Final = 64
_BOM: Final = b"\xef\xbb\xbf"
NO_TIME: Final = "no_time"
NO_TIME_SENTENCE: Final = "there is no readable `receivedAt`, `sentAt`, `timestamp` or `originalTimestamp`"


class BadExport(Exception):
    """A file cannot be read as an export; the message names the remedy."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path} {problem}: {remedy}")


class _Times(msgspec.Struct, gc=False):
    """The times of an event; the first readable one is its arrival."""

    receivedAt: Any = None  # noqa: N815 - the Segment spec's names
    sentAt: Any = None  # noqa: N815
    timestamp: Any = None
    originalTimestamp: Any = None  # noqa: N815


_decode_times = msgspec.json.Decoder(_Times).decode


@dataclass(frozen=True, slots=True)
class Line:
    """An event as a record of a source topic; its offset is its place in the order of arrival."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class ExportFile:
    """The events of a file of JSON lines."""

    partitions = 1
    is_log = False

    def __init__(self, path: Path, to_ms: int, name: str = "") -> None:
        """Index the file; events that arrived after ``to_ms`` are left out. ``name`` is that of the original file.

        Raises:
            BadExport: it is not a file of JSON lines.
            OSError: it cannot be read.
        """
        self.name = name or str(path)
        self.unreadable = Unreadable()
        self.starts: dict[int, int] = {0: 0}
        self._arrivals, self._begins = array("q"), array("q")
        self._numbers, self._ends = array("q"), array("q")
        self._to_ms = to_ms
        self._was_read = False
        self._text: Any = _map(path)
        self._index_lines()
        self.total, self.taken = len(self._arrivals), 0
        self._order = sorted(range(self.total), key=self._arrivals.__getitem__)

    def _index_lines(self) -> None:
        for number, begin, end in self._lines():
            value = self._text[begin:end]
            arrival = self._arrival_of(number, value)
            if arrival is not None and arrival <= self._to_ms:
                self._arrivals.append(arrival)
                self._begins.append(begin)
                self._ends.append(end)
                self._numbers.append(number)

    def _lines(self) -> Iterator[tuple[int, int, int]]:
        """(number, begin, end) of each line that is not empty."""
        begin, number, size = len(_BOM) if self._text[: len(_BOM)] == _BOM else 0, 0, len(self._text)
        while begin < size:
            end = self._text.find(b"\n", begin)
            end = size if end < 0 else end
            number += 1
            if self._text[begin:end].strip():
                yield number, begin, end
            begin = end + 1

    def _arrival_of(self, number: int, value: bytes) -> int | None:
        """When an event arrived; None for a line without a time, which is counted."""
        try:
            times = _decode_times(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
            is_json = _is_json(value)
            self._refuse(number, "not_an_object" if is_json else "not_json", value)
            return None
        for given in (times.receivedAt, times.sentAt, times.timestamp, times.originalTimestamp):
            if (at_ms := parse_ms(given)) is not None:
                return min(max(at_ms, FIRST_MS), LAST_MS)
        self._refuse(number, NO_TIME, value)
        return None

    def _refuse(self, number: int, reason: str, value: bytes) -> None:
        self.unreadable.add(f"line {number}", reason, REASONS.get(reason, NO_TIME_SENTENCE), value)

    async def read(self) -> AsyncIterator[tuple[int, Sequence[Any]]]:
        """Yield the events as records of ``lead-events``, in the order of their arrival."""
        intake = Intake(Topics(("export",)), Partitioner(1))
        for first in range(0, self.total, CHUNK):
            lines = [self._line(at) for at in range(first, min(first + CHUNK, self.total))]
            output = intake.adapt_records({PLACE: lines}, LAST_MS)
            for reject in [] if self._was_read else output.rejects:
                at = int(reject.key.rpartition(b":")[2])
                self.unreadable.add_reject(reject, f"line {self._numbers[self._order[at]]}")
            self.taken += len(lines)
            yield 0, [LogRecord(0, *row) for row in output.rows.get(0, ())]
        self._was_read = True

    def _line(self, at: int) -> Line:
        i = self._order[at]
        return Line(at, self._arrivals[i], self._text[self._begins[i] : self._ends[i]])


def _map(path: Path) -> Any:
    """The bytes of a file.

    Raises:
        BadExport: it is not a file of JSON lines.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(MAGIC_BYTES).lstrip()
        text: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if head else b""
    if head.startswith(b"\x1f\x8b"):
        raise BadExport(path, "is compressed", "decompress it first: gunzip FILE")
    if head.startswith(b"["):
        raise BadExport(path, "is one JSON array", "write one event on each line: jq -c '.[]' FILE > events.jsonl")
    return text


def _is_json(value: bytes) -> bool:
    try:
        msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return False
    return True
