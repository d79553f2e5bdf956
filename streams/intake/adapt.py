"""Converts records of the source topics to records of ``lead-events``, keyed by lead. Keeps no state.

The bytes of an event are not changed. Its arrival time and its source partition and offset are added, so that scoring
can detect a repeated delivery. The order within a source partition is kept. Records of several partitions that were
fetched together are merged by arrival time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec

from streams.events.calls import check_call, from_public_key, parse_call
from streams.events.controls import encode_control
from streams.events.identities import Id, identities, plain_owner, previous_identity
from streams.events.outgoing import Outgoing
from streams.events.records import KIND_HEADER, SOURCE_HEADER, Headers, Row
from streams.events.rejects import MAX_EVENT_BYTES, Refused, Reject, reject_record
from streams.scoring.event import Identity, Join, join
from streams.transport.batches import ForwardCalls, RecordBatch
from streams.transport.topics import Partitioner, Topics

MANY: Final = 100
"""Fewer records are converted faster one by one."""


class _Call(msgspec.Struct, frozen=True, gc=False):
    """The fields of an ordinary call that intake needs. A call that does not match takes the slower path."""

    type: Literal["track", "page", "screen"]
    event: str | None = None
    userId: Id | None = None  # noqa: N815 - the Segment spec's names
    anonymousId: Id | None = None  # noqa: N815


@dataclass(slots=True)
class Output:
    """The records made from one fetch."""

    rows: dict[int, list[Row]] = field(default_factory=dict)
    """Partition of lead-events -> records for it, in order."""
    batches: dict[int, list[RecordBatch]] = field(default_factory=dict)
    """The same as ``rows``, if the accelerator has converted the records."""
    rejects: list[Outgoing] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class Intake:
    """Validates source records and keys them by lead. Pure, apart from the cache of partitions."""

    _decode: Final = staticmethod(msgspec.json.Decoder(_Call).decode)

    def __init__(self, topics: Topics, partitioner: Partitioner, forward: ForwardCalls | None = None) -> None:
        """``partitioner`` returns the partition of a lead id; ``forward`` converts many records faster."""
        self._topics = topics
        self._partitioner = partitioner
        self._forward = forward

    def adapt_records(self, fetched: Mapping[str, Sequence[Any]], now_ms: int) -> Output:
        """Convert records by ``topic:partition``, merged by arrival time. The latest arrival time is ``now_ms``."""
        output = Output()
        if self._forward is not None and sum(map(len, fetched.values())) >= MANY:

            def convert_rare(place: str, record: Any, arrival: int) -> Mapping[int, Sequence[Row]]:
                alone = Output(rejects=output.rejects, reasons=output.reasons)
                self._adapt_record(place, record, arrival, alone)
                return alone.rows

            output.batches = self._forward(fetched, now_ms, self._partitioner.partitions, convert_rare)
            return output
        for place, record in _merged(fetched):
            self._adapt_record(
                place, record, min(record.timestamp, now_ms) if record.timestamp >= 0 else now_ms, output
            )
        return output

    def _adapt_record(self, place: str, record: Any, arrival: int, output: Output) -> None:
        source = (SOURCE_HEADER, f"{place}:{record.offset}".encode())
        if record.value is not None and len(record.value) > MAX_EVENT_BYTES:
            self._reject(record, source, Refused("too_large").reject, output)
            return
        try:
            call = self._decode(record.value or b"")
            owner = plain_owner(call.userId, call.anonymousId)
            if owner and (call.type != "track" or call.event):
                self._append_row(output, owner, arrival, record.value, [source])
                return
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
            pass  # not an ordinary call
        try:
            self._adapt_rare(record, arrival, source, output)
        except Refused as refused:
            self._reject(record, source, refused.reject, output)

    def _adapt_rare(self, record: Any, arrival: int, source: tuple[str, bytes], output: Output) -> None:
        """Convert calls that join identities, events identified only by an e-mail address, and other rare formats."""
        sent = parse_call(record.value)
        check_call(sent)
        known = identities(sent)
        joins = joins_of(sent, known, arrival)
        self._append_row(output, known[0].id, arrival, record.value, [source])
        for i, control in enumerate(joins):
            headers = [(SOURCE_HEADER, source[1].replace(b":", b"+%d:" % i, 1)), (KIND_HEADER, b"join")]
            self._append_row(output, control.lead_id, arrival, encode_control(control), headers)

    def _append_row(self, output: Output, lead_id: str, arrival: int, value: bytes | None, headers: Headers) -> None:
        row = (arrival, lead_id.encode(), value, headers)
        output.rows.setdefault(self._partitioner(lead_id), []).append(row)

    def _reject(self, record: Any, source: tuple[str, bytes], reject: Reject, output: Output) -> None:
        output.rejects.append(reject_record(self._topics.rejected, record, source[1].decode(), reject))
        output.reasons.append(reject.reason)


def joins_of(sent: Mapping[str, Any], known: list[Identity], arrival: int) -> list[Join]:
    """The joins requested by an ``identify`` or ``alias`` call: the first identity with each other one.

    A public write key, which anybody can use, never joins two known users.
    """
    call = sent.get("type")
    if call not in ("identify", "alias"):
        return []
    joins = [join(known[0], other, arrival) for other in known[1:]]
    if call == "alias":
        previous = previous_identity(sent)
        if previous is not None:
            joins.append(join(known[0], previous, arrival, explicit=not from_public_key(sent)))
    return [control for control in joins if control is not None]


def _merged(fetched: Mapping[str, Sequence[Any]]) -> Iterable[tuple[str, Any]]:
    """Merge fetched records by arrival; within a partition keep their order even if timestamps go backwards."""
    if len(fetched) == 1:
        place, records = next(iter(fetched.items()))
        return ((place, record) for record in records)
    keyed: list[tuple[int, str, Any]] = []
    stamp: Callable[[Any], int] = attrgetter("timestamp")
    for place, records in fetched.items():
        latest = 0
        for record in records:
            latest = max(latest, stamp(record))
            keyed.append((latest, place, record))
    keyed.sort(key=lambda row: row[0])
    return ((place, record) for _, place, record in keyed)
