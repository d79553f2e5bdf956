"""Decodes the log of one partition of lead-events record by record and skips duplicates, as a shard does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from streams.events.changes import decode_change
from streams.events.codec import Codec
from streams.events.records import SOURCE_HEADER, Record
from streams.events.rejects import Reject
from streams.scoring.event import Control, LeadEvent
from streams.shard.position import Position

AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_log(
    codec: Codec, records: Iterable[AnyRecord], position: Position | None = None
) -> Iterator[tuple[AnyRecord, LeadEvent | Control | Reject]]:
    """Yield each record with its decoded content, in order; skip records that repeat an earlier one.

    ``position`` is that of the records before them. Changes of the scorecards are skipped.
    """
    position = Position() if position is None else position
    for record in records:
        if decode_change(record) is not None:
            continue
        source = dict(record.headers).get(SOURCE_HEADER)
        if source is None or position.is_first_time(source):
            yield record, codec.decode_record(record)
