"""Reads an export: JSON lines of events in the shape of the Segment spec, sorted by arrival, through intake."""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
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
HEAD_BYTES: Final = 64
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

    def __init__(self, path: Path, to_ms: int, files: Sequence[tuple[int, str]] = ()) -> None:
        """Index the file; events that arrived after ``to_ms`` are left out.

        ``files`` are those that it was joined from: where each begins, and its name.

        Raises:
            BadExport: it is not a file of JSON lines.
            OSError: it cannot be read.
        """
        self._files = files or [(0, str(path))]
        others = f" and {len(self._files) - 1} more" if len(self._files) > 1 else ""
        self.name = self._files[0][1] + others
        self.unreadable = Unreadable()
        self.starts: dict[int, int] = {0: 0}
        self._arrivals, self._begins = array("q"), array("q")
        self._numbers, self._ends = array("q"), array("q")
        self._to_ms = to_ms
        self._was_read = False
        self._text: Any = _map(path)
        for begin, name in self._files:
            check_head(Path(name), self._text[begin : begin + HEAD_BYTES])
        self._index_lines()
        self.total, self.taken = len(self._arrivals), 0
        self._order = sorted(range(self.total), key=self._arrivals.__getitem__)

    def _index_lines(self) -> None:
        for number, begin, end in self._lines():
            value = self._text[begin:end]
            arrival = self._arrival_of(self._place_of(begin, number), value)
            if arrival is not None and arrival <= self._to_ms:
                self._arrivals.append(arrival)
                self._begins.append(begin)
                self._ends.append(end)
                self._numbers.append(number)

    def _lines(self) -> Iterator[tuple[int, int, int]]:
        """(number in its file, begin, end) of each line that is not empty."""
        begin, number, size, starts = 0, 0, len(self._text), {begin for begin, _ in self._files}
        while begin < size:
            if begin in starts:
                number = 0
                begin += len(_BOM) if self._text[begin : begin + len(_BOM)] == _BOM else 0
            end = self._text.find(b"\n", begin)
            end = size if end < 0 else end
            number += 1
            if self._text[begin:end].strip():
                yield number, begin, end
            begin = end + 1

    def _place_of(self, begin: int, number: int) -> str:
        name = self._files[bisect_right(self._files, begin, key=itemgetter(0)) - 1][1]
        return f"line {number}" if len(self._files) == 1 else f"{name}, line {number}"

    def _arrival_of(self, place: str, value: bytes) -> int | None:
        """When an event arrived; None for a line without a time, which is counted."""
        try:
            times = _decode_times(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
            is_json = _is_json(value)
            self._refuse(place, "not_an_object" if is_json else "not_json", value)
            return None
        for given in (times.receivedAt, times.sentAt, times.timestamp, times.originalTimestamp):
            if (at_ms := parse_ms(given)) is not None:
                return min(max(at_ms, FIRST_MS), LAST_MS)
        self._refuse(place, NO_TIME, value)
        return None

    def _refuse(self, place: str, reason: str, value: bytes) -> None:
        self.unreadable.add(place, reason, REASONS.get(reason, NO_TIME_SENTENCE), value)

    async def read(self) -> AsyncIterator[tuple[int, Sequence[Any]]]:
        """Yield the events as records of ``lead-events``, in the order of their arrival."""
        intake = Intake(Topics(("export",)), Partitioner(1))
        for first in range(0, self.total, CHUNK):
            lines = [self._line(at) for at in range(first, min(first + CHUNK, self.total))]
            output = intake.adapt_records({PLACE: lines}, LAST_MS)
            for reject in [] if self._was_read else output.rejects:
                at = int(reject.key.rpartition(b":")[2])
                i = self._order[at]
                self.unreadable.add_reject(reject, self._place_of(self._begins[i], self._numbers[i]))
            self.taken += len(lines)
            yield 0, [LogRecord(0, *row) for row in output.rows.get(0, ())]
        self._was_read = True

    def _line(self, at: int) -> Line:
        i = self._order[at]
        return Line(at, self._arrivals[i], self._text[self._begins[i] : self._ends[i]])


def _map(path: Path) -> Any:
    """The bytes of a file."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""


def check_head(path: Path, head: bytes) -> None:
    """Raise BadExport if a file that begins like this has no JSON lines."""
    if head.startswith(b"PK\x03\x04"):
        raise BadExport(path, "is a ZIP archive", "unpack it first: unzip FILE")
    if head.lstrip().startswith(b"["):
        raise BadExport(path, "is one JSON array", "write one event on each line: jq -c '.[]' FILE > events.jsonl")


def _is_json(value: bytes) -> bool:
    try:
        msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return False
    return True
