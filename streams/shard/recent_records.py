"""Keeps the latest records of a shard, to name the events before the one that caused an alert."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from streams.scoring.lead import UNKNOWN_OFFSET

MAX_RECORDS: Final = 4000
MAX_BYTES: Final = 4 * 1024 * 1024


def _estimate_bytes(records: Sequence[Any]) -> int:
    """The bytes of the values, from a sample of every 16th."""
    sample = records[::-16]
    return sum([len(record.value or b"") for record in sample]) * len(records) // max(len(sample), 1)


class RecentRecords:
    """The latest records of one shard, in batches: up to twice ``MAX_RECORDS`` with twice ``MAX_BYTES`` of values."""

    def __init__(self) -> None:
        """Start empty."""
        self._batches: deque[tuple[Sequence[Any], int]] = deque()
        """Records in the order of their offsets, and the bytes of their values."""
        self._records = 0
        self._bytes = 0

    def add(self, records: Sequence[Any]) -> None:
        """Keep the latest records of a batch, and drop the oldest batches."""
        kept = records[-MAX_RECORDS:]
        while (size := _estimate_bytes(kept)) > MAX_BYTES:
            kept = kept[len(kept) // 2 + 1 :]
        if not kept:
            return
        self._batches.append((kept, size))
        self._records += len(kept)
        self._bytes += size
        while self._records > 2 * MAX_RECORDS or self._bytes > 2 * MAX_BYTES:
            gone, size = self._batches.popleft()
            self._records -= len(gone)
            self._bytes -= size

    def find(self, offset_end: int) -> Any:
        """The latest record with an offset that ends in ``offset_end`` (see ``Lead.remembered``); None without one."""
        if not self._batches:
            return None
        newest = self._batches[-1][0][-1].offset
        offset = newest - ((newest - offset_end) & UNKNOWN_OFFSET)
        if offset < self._batches[0][0][0].offset:
            return None
        records = next(records for records, _ in reversed(self._batches) if records[0].offset <= offset)
        at = bisect_left(records, offset, key=lambda record: record.offset)
        return records[at] if at < len(records) and records[at].offset == offset else None
