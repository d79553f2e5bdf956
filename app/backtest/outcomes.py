"""Finds what became of leads: events that mark them as won or lost, and joins that connect their ids. Pure.

Each lead counts once, at its first outcome. The prediction is the standing just before the time of that event, although
the event may have arrived later: nothing that followed the outcome is used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.backtest.shard_replay import Question
from streams.events.calls import RETRACTION, check_call, known_id, parse_call
from streams.events.controls import decode_control
from streams.events.identities import owner_of
from streams.events.records import KIND_HEADER, SOURCE_HEADER
from streams.events.rejects import Refused
from streams.events.times import FIRST_MS, LAST_MS, event_time
from streams.scoring.event import Join

WON: Final = ("Lead Accepted", "Opportunity Created", "Opportunity Won")
LOST: Final = ("Lead Rejected", "Opportunity Lost")
"""Names of the events that sales teams send, by default."""
MAX_JOINS: Final = 8
"""Joins followed from one id; ids that are joined in a circle end there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A lead was won or lost at ``at_ms``."""

    lead_id: str
    at_ms: int
    won: bool
    name: str
    message_id: str


@dataclass(slots=True)
class OutcomeFinder:
    """Looks for outcomes and joins among the records of ``lead-events``."""

    won: Sequence[str] = WON
    lost: Sequence[str] = LOST
    from_ms: int = 0
    to_ms: int = LAST_MS
    verdicts: list[Verdict] = field(default_factory=list)
    retracted: set[str] = field(default_factory=set)
    joins: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """Lead id -> (arrival, id of the lead that it was joined to)."""
    first_ms: int | None = None
    """The first and the last arrival from ``from_ms`` to ``to_ms``; None without any."""
    last_ms: int | None = None
    inside: int = 0
    """Events that arrived from ``from_ms`` to ``to_ms``."""

    def look_at(self, records: Sequence[Any]) -> None:
        """Look at records in order."""
        events = [r for r in records if (not r.headers or self._is_event(r)) and r.value is not None]
        self._note_times(events)
        for record in self._candidates(events):
            self._note_event(record)

    def _is_event(self, record: Any) -> bool:
        """Whether a record is an event that no shard has forwarded; notes a join."""
        headers = dict(record.headers)
        if headers.get(KIND_HEADER) == b"join":
            self._note_join(record)
        return KIND_HEADER not in headers and not (headers.get(SOURCE_HEADER) or b"").startswith(b"~")

    def _note_times(self, records: Sequence[Any]) -> None:
        from_ms, to_ms = self.from_ms, self.to_ms
        if times := [at for record in records if from_ms <= (at := record.timestamp) <= to_ms]:
            self.inside += len(times)
            self.first_ms = min([*times, times[0] if self.first_ms is None else self.first_ms])
            self.last_ms = max([*times, self.last_ms or 0])

    def _candidates(self, records: Sequence[Any]) -> list[Any]:
        """The records that may be outcomes or retractions: those with one of the names, or with an escaped character.

        Searching all records at once takes a tenth of the time, and most have none.
        """
        whole = b"\n".join([record.value for record in records])
        names = [name.encode() for name in (*self.won, *self.lost, RETRACTION)]
        found = [part for part in (*names, b"\\") if part in whole]
        return [record for record in records if any(part in record.value for part in found)] if found else []

    def _note_join(self, record: Any) -> None:
        control = decode_control("join", record.value, record.key, record.timestamp)
        if isinstance(control, Join):
            self.joins[control.lesser.id].append((control.arrival, control.greater.id))

    def _note_event(self, record: Any) -> None:
        try:
            sent = parse_call(record.value)
            name = check_call(sent)
            if name == RETRACTION:
                properties = sent.get("properties")
                self.retracted.add(known_id(properties.get("messageId") if isinstance(properties, dict) else None))
            elif name in self.won or name in self.lost:
                self.verdicts.append(self._verdict(record, sent, name))
        except Refused:
            return  # counted when it is scored

    def _verdict(self, record: Any, sent: dict[str, Any], name: str) -> Verdict:
        is_keyed = record.key and SOURCE_HEADER in dict(record.headers)
        lead_id = record.key.decode("utf-8", "replace") if is_keyed else owner_of(sent).id
        at_ms = event_time(sent, min(max(record.timestamp, FIRST_MS), LAST_MS))
        return Verdict(lead_id, at_ms, name in self.won, name, known_id(sent.get("messageId")))

    # Conclusions ----------------------------------------------------------------------------------------------

    def first_verdicts(self) -> dict[str, Verdict]:
        """The first outcome of each lead, by the id that it has in the end, if it happened in the range."""
        first: dict[str, Verdict] = {}
        for verdict in sorted(self.verdicts, key=lambda verdict: verdict.at_ms):
            if not verdict.message_id or verdict.message_id not in self.retracted:
                first.setdefault(self.resolve(verdict.lead_id), verdict)
        return {lead_id: verdict for lead_id, verdict in first.items() if self.from_ms <= verdict.at_ms <= self.to_ms}

    def questions(self, verdicts: Iterable[Verdict]) -> list[Question]:
        """What to ask the replay: the standing of each lead just before its outcome, by the id that it has then."""
        return [
            Question(self.resolve(verdict.lead_id, verdict.at_ms), verdict.at_ms, number)
            for number, verdict in enumerate(verdicts)
        ]

    def resolve(self, lead_id: str, at_ms: int = LAST_MS) -> str:
        """The id of the lead that an id belongs to, by the joins that arrived before ``at_ms``."""
        for _ in range(MAX_JOINS):
            target = next((target for arrival, target in self.joins.get(lead_id, ()) if arrival < at_ms), None)
            if target is None:
                break
            lead_id = target
        return lead_id
