"""Drive a replay like a worker: steps of several inputs, timer runs, and forwarded records that arrive later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from streams.scoring.event import LeadEvent
from streams.scoring.interface import Batch, LeadScorer
from streams.scoring.lead import Lead
from streams.scoring.replay import Input, Replay
from streams.scoring.rules import Rules
from streams.scoring.score import Reading, read
from streams.scoring.stages import Transition
from tests.support.implementations import in_use, make_batch

Cut = Literal["", "step", "show", "reload"]
"""After an input: nothing, the end of the step, or its end followed by an update of the ranking or a reload of all
leads from the store."""


class ShardDriver(Replay):
    """A replay with steps that end in several ways, and forwarded records that arrive later."""

    def __init__(self, rules: Rules) -> None:
        """Start empty."""
        super().__init__(rules)
        self.waiting: list[Input] = []
        """Inputs forwarded but not delivered yet, in order."""
        self.log: list[Input] = []
        """Everything that arrived, forwarded inputs included."""

    def make_scorer(self) -> LeadScorer[Any]:
        """Make one of the implementation under test."""
        return in_use().scorer(self.rules, self._at_home)

    def make_batch(self, inputs: list[tuple[int, Input]]) -> Batch:
        """Make one of the implementation under test."""
        return make_batch(self.rules, [item for _, item in inputs])

    def take(self, record: Input, cut: Cut = "step") -> None:
        """Apply one input."""
        self.log.append(record)
        self.play(record)
        self.cut(cut)

    def advance_lead(self, lead_id: str, now_ms: int, cut: Cut = "step") -> None:
        """Advance a lead, as the timer does."""
        super().advance_lead(lead_id, now_ms)
        self.cut(cut)

    def cut(self, cut: Cut) -> None:
        """End the step."""
        if not cut:
            return
        self.waiting += [
            msgspec.structs.replace(f.item, lead_id=f.target) if isinstance(f.item, LeadEvent) else f.item
            for f in self.end_step().forwards
        ]
        if cut == "show":
            self.show_leads(list(self.blobs))
        if cut == "reload":
            self.reload_leads()

    def deliver(self, at: int = 0) -> None:
        """Deliver the ``at``-th waiting record."""
        self.take(self.waiting.pop(at % len(self.waiting)))

    def drain(self) -> None:
        """Deliver all waiting records."""
        for _ in range(10_000):
            if not self.waiting:
                return
            self.deliver()
        msg = "records are forwarded for ever"
        raise AssertionError(msg)

    def lead(self, lead_id: str = "u") -> Lead:
        """The state of a lead, as stored."""
        state = self.state(lead_id)
        assert isinstance(state, Lead)
        return state

    @property
    def transitions(self) -> list[Transition]:
        """Every transition so far."""
        return [crossing.transition for crossing in self.crossings]


def run(
    rules: Rules,
    events: Iterable[LeadEvent],
    cuts: Iterable[Cut] = (),
    ticks: Iterable[tuple[int, Cut]] = (),
    until_ms: int | None = None,
) -> ShardDriver:
    """Play events of one lead, with ticks in between (each before what arrives at or after its instant)."""
    shard = ShardDriver(rules)
    pending = sorted(ticks)
    after = iter(cuts)
    for event in events:
        while pending and pending[0][0] <= event.arrival:
            now_ms, cut = pending.pop(0)
            if event.lead_id in shard.blobs:
                shard.advance_lead(event.lead_id, now_ms, cut)
        shard.take(event, next(after, "step"))
    shard.cut("step")
    if until_ms is not None:
        for lead_id in list(shard.blobs):
            shard.advance_lead(lead_id, until_ms)
    return shard


def transition_fields(transitions: Iterable[Transition]) -> list[tuple[object, ...]]:
    """The fields of transitions that must be equal in equivalent runs."""
    return [
        (t.alert_id, t.card, t.stage, t.kind, t.at_ms, t.cause, t.episode, t.is_alert, t.silenced) for t in transitions
    ]


def readings(rules: Rules, lead: Lead, now_ms: int) -> list[Reading]:
    """The lead read through every scorecard."""
    return [read(card, lead, now_ms) for card in rules.cards]


def close(mine: Iterable[Reading], theirs: Iterable[Reading]) -> bool:
    """Whether scores and engagement are equal within 10^-6 points, and fit exactly."""
    return all(
        abs(a.exact - b.exact) <= 1000 and abs(a.engagement - b.engagement) <= 1000 and a.fit == b.fit
        for a, b in zip(mine, theirs, strict=True)
    )
