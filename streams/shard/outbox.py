"""Builds the records that a step sends: alerts, and forwarded records for other shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streams.events.controls import encode_control, kind_of
from streams.events.outgoing import Outgoing
from streams.events.records import KIND_HEADER, SOURCE_HEADER, Headers
from streams.scoring.event import Arrived, Contribution, Control, LeadEvent
from streams.scoring.outcome import Outcome
from streams.shard.account_alert import account_alert, account_of
from streams.shard.alert import CONTENT_TYPE, alert
from streams.shard.alert_events import FindRecord, find_nothing

MAX_FORWARDS = 4096
"""The maximum number of forwarded records that one record can cause: an erasure is forwarded to every alias."""


def alert_records(
    outcome: Outcome, topic: str, link_base: str, find_record: FindRecord = find_nothing
) -> Iterator[Outgoing]:
    """Build the alerts of the crossings that are published; ``link_base`` is the URL of the board."""
    for crossing in outcome.crossings:
        if crossing.transition.is_alert:
            account = account_of(crossing)
            if account is None:
                body = alert(crossing, crossing.rules, link_base, find_record)
            else:
                body = account_alert(crossing, account, link_base)
            headers: Headers = [("content-type", CONTENT_TYPE.encode())]
            key, at = crossing.transition.lead_id.encode(), crossing.transition.at_ms
            arrived = crossing.event.arrival if crossing.event else None
            yield Outgoing(topic, key, body, at, headers, crossing.transition.alert_id, arrived)


class Origin(NamedTuple):
    """The shard that forwards records."""

    partition: int
    backfill: int | None = None
    """The publication whose signals count from the beginning of the log."""

    def name_of(self, item: LeadEvent | Control) -> str:
        """The shard's name in source headers. A state names the backfill, as it is sent again after another one."""
        has_backfill = self.backfill is not None and isinstance(item, Arrived)
        return f"~{self.partition}.{self.backfill}" if has_backfill else f"~{self.partition}"


def forward_records(outcome: Outcome, topic: str, origin: Origin) -> Iterator[Outgoing]:
    """Build the records for other shards. Their source header is derived from the offset, so replays give the same."""
    offset, i = -1, 0
    for forward in sorted(outcome.forwards, key=lambda forward: forward.at):
        if isinstance(forward.item, Contribution):  # its place says whether it is new
            yield _forwarded(topic, forward.target, forward.item)
            continue
        offset, i = (offset, i + 1) if forward.at == offset else (forward.at, 0)
        outgoing = _forwarded(topic, forward.target, forward.item)
        place = f"{origin.name_of(forward.item)}:{offset * MAX_FORWARDS + min(i, MAX_FORWARDS - 1)}"
        outgoing.headers.append((SOURCE_HEADER, place.encode()))
        yield outgoing


def parse_source(source: bytes) -> tuple[Origin, int] | None:
    """The shard and the number in the source header of a forwarded record; None for any other header."""
    shard, _, number = source.removeprefix(b"~").partition(b":")
    partition, dot, backfill = shard.partition(b".")
    if not source.startswith(b"~") or not all(each.isdigit() for each in (partition, backfill or b"0", number)):
        return None
    return Origin(int(partition), int(backfill) if dot else None), int(number)


def forwarded_from(record: Outgoing) -> int:
    """The offset of the record that caused a forwarded record; 0 for what a lead gives to an account."""
    return int(dict(record.headers).get(SOURCE_HEADER, b"0").rpartition(b":")[2]) // MAX_FORWARDS


def _forwarded(topic: str, target: str, item: LeadEvent | Control) -> Outgoing:
    """Build a record for the shard of another lead; it keeps the arrival time."""
    if isinstance(item, LeadEvent):
        return Outgoing(topic, target.encode(), item.raw, item.arrival, [])
    headers: Headers = [(KIND_HEADER, kind_of(item).encode())]
    return Outgoing(topic, target.encode(), encode_control(item), item.arrival, headers)
