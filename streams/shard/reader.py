"""Decodes a batch of records into events, control records and rejects, and skips repeated records."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from streams.environment import Environment
from streams.events.changes import decode_change
from streams.events.codec import Owner
from streams.events.controls import decode_control
from streams.events.outgoing import Outgoing
from streams.events.records import KIND_HEADER, SOURCE_HEADER
from streams.events.rejects import Reject, reject_record
from streams.implementation import Implementation
from streams.scoring.event import Arrived
from streams.scoring.rules import Rules
from streams.shard.outbox import parse_source
from streams.shard.position import Position
from streams.shard.scorecards import ShardScorecards

log = logging.getLogger(__name__)


class Reader:
    """Reads the records of one shard."""

    def __init__(self, partition: int, rules: Rules, env: Environment, scorecards: ShardScorecards) -> None:
        """``partition`` is a partition of ``lead-events``."""
        self._partition = partition
        self._scorecards = scorecards
        self._env = env
        self._warned = False
        self.make_codec(rules, env.implementation)

    def make_codec(self, rules: Rules, implementation: Implementation) -> None:
        """Create the codec that reads the properties used by these rules."""
        self._codec = implementation.codec(rules.paths, rules.numeric)

    def read_records(self, records: Sequence[Any], position: Position) -> tuple[Any, list[Outgoing]]:
        """Decode records and build the rejects. Skips records that ``position`` has noted, and notes the others."""
        read = self._codec.decode_batch(records, self._read_owners(records, position))
        if read.unreadable_times:
            self._count_unreadable_times(read.unreadable_times, records)
        return read.batch, [self._reject(record, reject) for record, reject in read.rejects]

    def _read_owners(self, records: Sequence[Any], position: Position) -> Sequence[Owner]:
        """Read the headers of records: from intake, from another shard, or from anybody else."""
        if not any([record.headers or record.value is None for record in records]):  # noqa: C419 - a list is faster
            return [""] * len(records)
        sources = [_source_of(record.headers) for record in records]
        known = iter(position.are_new([source for source in sources if source is not None]))
        new = [source is None or next(known) for source in sources]
        if repeated := new.count(False):
            self._env.metrics.events.labels("skipped").inc(repeated)
        each = zip(records, sources, new, strict=True)
        return [self._owner_of(record, source) if is_new else None for record, source, is_new in each]

    def _owner_of(self, record: Any, source: bytes | None) -> Owner:
        """The lead of an event or a control record; None for a state that a backfill has made obsolete."""
        owner = _owner_of(record, source)
        if isinstance(owner, Arrived) and source is not None and (found := parse_source(source)) is not None:
            return owner if found[0].backfill == self._scorecards.origin.backfill else None
        return owner

    def _count_unreadable_times(self, events: int, records: Sequence[Any]) -> None:
        self._env.metrics.events.labels("unreadable_time").inc(events)
        if not self._warned:
            self._warned = True
            first, last = records[0].offset, records[-1].offset
            log.warning(_UNREADABLE_TIME, events, self._env.topics.lead_events, self._partition, first, last)

    def _reject(self, record: Any, reject: Reject) -> Outgoing:
        self._env.metrics.rejected.labels(reject.reason).inc()
        place = f"{self._env.topics.lead_events}:{self._partition}:{record.offset}"
        return reject_record(self._env.topics.rejected, record, place, reject)


def _source_of(headers: Sequence[tuple[str, Any]]) -> bytes | None:
    """The value of the source header; None if there is none."""
    if len(headers) == 1 and headers[0][0] == SOURCE_HEADER:  # as intake writes it for events
        return headers[0][1]  # type: ignore[no-any-return]
    return dict(headers).get(SOURCE_HEADER) if headers else None


def _owner_of(record: Any, source: bytes | None) -> Owner:
    """The lead id of an event if intake or another shard has determined it, else ""; a decoded control record."""
    if record.value is None or len(record.headers) > (source is not None):
        headers = dict(record.headers)
        if decode_change(record) is not None:
            return None  # the lane has processed it
        if record.value is None or KIND_HEADER in headers:
            kind = (headers.get(KIND_HEADER) or b"").decode("ascii", "replace")
            return decode_control(kind, record.value, record.key, record.timestamp)
    return record.key.decode("utf-8", "replace") if source is not None and record.key else ""


_UNREADABLE_TIME: Final = (
    "the timestamp of %d events on %s:%d, offsets %d to %d, cannot be read, so they count at their arrival: "
    "send times by RFC 3339, or seconds or ms since 1970 (logged once a shard; counted in leadglow_events)"
)
