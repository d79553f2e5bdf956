"""Plays source events in memory through intake and scoring, as a worker does; one shard holds all leads. Pure."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from types import SimpleNamespace
from typing import NamedTuple

import msgspec

from streams.events.codec import Codec
from streams.events.rejects import Reject
from streams.intake.adapt import Intake
from streams.scoring.event import LeadEvent
from streams.scoring.lead import Lead
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.stages import Transition
from streams.transport.topics import Partitioner, Topics


class Source(NamedTuple):
    """An event as a source sends it, and its arrival."""

    value: bytes | None
    arrival_ms: int


class MemoryRun:
    """All leads of some events, and everything that happened to them."""

    def __init__(self, rules: Rules) -> None:
        """Start without a lead."""
        self.rules = rules
        self.events = 0
        self.reasons = Tally[str]()
        """Events that were rejected, by reason."""
        self.fired = Tally[str]()
        """How often each signal counted."""
        self.first_ms = self.last_ms = 0
        """Arrival of the first and of the last event."""
        self._intake = Intake(Topics(), Partitioner(1))
        self._codec = Codec(rules.paths)
        self._replay = Replay(rules)

    def play(self, sources: Iterable[Source]) -> None:
        """Play events in the order of their arrival."""
        for source in sources:
            record = SimpleNamespace(
                value=source.value, timestamp=source.arrival_ms, key=None, headers=(), offset=self.events
            )
            self.events += 1
            self.first_ms = self.first_ms or source.arrival_ms
            self.last_ms = source.arrival_ms
            output = self._intake.adapt_records({"events:0": [record]}, source.arrival_ms)
            self.reasons.update(output.reasons)
            for rows in output.rows.values():
                for arrival, key, value, headers in rows:
                    self._play_record(SimpleNamespace(value=value, timestamp=arrival, key=key, headers=headers))
            self._end_step()

    def _play_record(self, record: SimpleNamespace) -> None:
        item = self._codec.decode_record(record)
        if isinstance(item, Reject):
            self.reasons[item.reason] += 1
        else:
            self._replay.play(item)

    def _end_step(self) -> None:
        """End the step, and play what it forwarded to other leads."""
        while True:
            outcome = self._replay.end_step()
            self.fired += outcome.fired
            if not outcome.forwards:
                return
            for each in outcome.forwards:
                item = each.item
                is_event = isinstance(item, LeadEvent)
                self._replay.play(msgspec.structs.replace(item, lead_id=each.target) if is_event else item)

    def advance(self, at_ms: int) -> None:
        """Advance all leads to an instant."""
        for lead_id in list(self._replay.blobs):
            self._replay.advance_lead(lead_id, at_ms)
        self._replay.end_step()

    def leads(self) -> dict[str, Lead]:
        """Every lead by its id."""
        states = {lead_id: self._replay.state(lead_id) for lead_id in self._replay.blobs}
        return {lead_id: state for lead_id, state in states.items() if isinstance(state, Lead)}

    def transitions(self) -> list[Transition]:
        """Every stage that was entered or left, in the order in which it was found."""
        return [crossing.transition for crossing in self._replay.crossings]
