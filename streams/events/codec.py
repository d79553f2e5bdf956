"""Decodes records of ``lead-events`` into events, control records or rejects. Pure.

Events are JSON in the format of the Segment spec. This is the reference; the accelerator decodes many records at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from streams.events.calls import RETRACTION, check_call, from_public_key, known_id, message_id_of, parse_call, traits_of
from streams.events.controls import decode_control
from streams.events.identities import names_user, owner_of
from streams.events.records import KIND_HEADER, SOURCE_HEADER, Record
from streams.events.rejects import Refused, Reject
from streams.events.times import FIRST_MS, LAST_MS, event_time, has_unreadable_time
from streams.events.verdict_calls import verdict_of
from streams.scoring.event import Control, LeadEvent, Retract
from streams.scoring.interface import Batch, PlainBatch
from streams.scoring.verdicts import VERDICT_EVENTS

Owner = str | Control | Reject | None
"""For an event, its lead id if intake has determined it, else an empty string.

For a record without an event, its control record or reject; None if the record is to be skipped.
"""
ONE_BY_ONE: Final = (*VERDICT_EVENTS, "group")
"""Names of events that have more than values, traits and a campaign, or traits in other places.

A tuple: its text decides whether compiled code is valid, and that of a set differs from process to process.
"""
B_co = TypeVar("B_co", bound=Batch, covariant=True)


class Extras(NamedTuple):
    """The parts that few events have."""

    traits: dict[str, Any] | None = None
    touch: tuple[str, str, str] | None = None
    public: bool = False
    """Whether it has traits and came with a public write key."""


class Decoded(NamedTuple, Generic[B_co]):
    """The inputs decoded from records, and the rejected records."""

    batch: B_co
    rejects: list[tuple[Any, Reject]]
    unreadable_times: int = 0
    """Events with a time that cannot be read: they count at their arrival."""


class LeadCodec(Protocol):
    """Reads the records of ``lead-events``."""

    def decode_batch(self, records: Sequence[Any], owners: Sequence[Owner]) -> Decoded[Any]:
        """Read records in order."""


class Codec:
    """Reads the records of ``lead-events`` for one set of scorecards."""

    def __init__(self, paths: tuple[str, ...], numeric: Collection[str] = ()) -> None:
        """``paths`` are the event properties that the scorecards read; the values of an event have the same order.

        Numbers matter only at the ``numeric`` paths; the accelerator uses that, this class does not.
        """
        self._keys = [tuple(path.split(".")) for path in paths]
        self._unreadable_times = 0

    def decode_batch(self, records: Sequence[Any], owners: Sequence[Owner]) -> Decoded[Batch]:
        """Read records in order.

        An owner that is not a string replaces the record; None skips it.
        """
        inputs: list[tuple[int, LeadEvent | Control]] = []
        rejects: list[tuple[Any, Reject]] = []
        before = self._unreadable_times
        for record, owner in zip(records, owners, strict=True):
            item = self.decode_event(record, owner) if isinstance(owner, str) else owner
            if isinstance(item, Reject):
                rejects.append((record, item))
            elif item is not None:
                inputs.append((record.offset, item))
        return Decoded(PlainBatch(inputs), rejects, self._unreadable_times - before)

    def decode_record(self, record: Record) -> LeadEvent | Control | Reject:
        """Read one record of any kind. If it comes from intake or from another shard, its key is the lead id."""
        headers = dict(record.headers)
        if record.value is None or KIND_HEADER in headers:
            kind = (headers.get(KIND_HEADER) or b"").decode("ascii", "replace")
            return decode_control(kind, record.value, record.key, record.timestamp)
        return self.decode_event(
            record, (record.key or b"").decode("utf-8", "replace") if SOURCE_HEADER in headers else None
        )

    def decode_event(self, record: Record, lead_id: str | None = None) -> LeadEvent | Retract | Reject:
        """Read one event. ``lead_id`` is given if intake has already determined it."""
        raw, arrival = record.value or b"", min(max(record.timestamp, FIRST_MS), LAST_MS)
        try:
            sent = parse_call(raw)
            name = check_call(sent)
            lead_id = lead_id or owner_of(sent).id
            if name == RETRACTION:
                return _retraction(sent, lead_id, arrival)
        except Refused as refused:
            return refused.reject
        message_id = message_id_of(sent, raw)
        values = tuple(_lookup(sent, keys) for keys in self._keys)
        at = event_time(sent, arrival)
        self._unreadable_times += at == arrival and has_unreadable_time(sent)
        traits, touch, public = extras_of(sent)
        known = names_user(sent, lead_id)
        verdict = verdict_of(name, sent) if name in VERDICT_EVENTS else None
        return LeadEvent(lead_id, name, values, message_id, at, arrival, traits, touch, raw, public, known, verdict)


def extras_of(sent: Mapping[str, Any]) -> Extras:
    """The traits and the campaign of an event."""
    traits = traits_of(sent)
    return Extras(
        traits, _touch_of(_lookup(sent, ("context", "campaign"))), traits is not None and from_public_key(sent)
    )


def _lookup(sent: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        if not isinstance(sent, dict):
            return None
        sent = sent.get(key)
    return sent


def _touch_of(campaign: Any) -> tuple[str, str, str] | None:
    """The source, medium and name of a campaign, if its source is known."""
    source = _lookup(campaign, ("source",))
    if not isinstance(source, str) or not source:
        return None
    medium, name = (value[:200] if isinstance(value, str) else "" for value in map(campaign.get, ("medium", "name")))
    return source[:200], medium, name


def _retraction(sent: Mapping[str, Any], lead_id: str, arrival: int) -> Retract:
    target = known_id(_lookup(sent, ("properties", "messageId")))
    if not target:
        raise Refused("no_target")
    return Retract(lead_id, target, arrival)
