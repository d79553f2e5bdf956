"""Drives the scorer as the pipeline does: steps, a store of blobs between them, ticks, forwarded records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from streams.scoring.event import Control, LeadEvent
from streams.scoring.lead import Lead
from streams.scoring.outcome import Crossing
from streams.scoring.rules import Rules
from streams.scoring.score import Reading, read
from streams.scoring.stages import Transition
from streams.scoring.stored import decode
from tests.implementations import AnyScorer

Input = LeadEvent | Control
Cut = Literal["", "step", "show", "reload"]
"""After an input comes nothing, the end of a step, or that and a new scorer that knows only the store."""


class Shard:
    """A scorer with a store of blobs."""

    def __init__(self, rules: Rules) -> None:
        """Start empty."""
        self.rules = rules
        self.blobs: dict[str, bytes] = {}
        self.crossings: list[Crossing] = []
        self.waiting: list[Input] = []
        """What was forwarded and not delivered yet, in order."""
        self.tally: Counter[str] = Counter()
        self._scorer = AnyScorer(rules)

    def take(self, record: Input, cut: Cut = "step") -> None:
        """Apply one input."""
        self._scorer.apply(record, blobs=self.blobs)
        self.cut(cut)

    def tick(self, lead_id: str, now_ms: int, cut: Cut = "step") -> None:
        """The timer's part."""
        if not self._scorer.knows(lead_id):
            self._scorer.put(lead_id, self.blobs.get(lead_id))
        self._scorer.tick([lead_id], now_ms)
        self.cut(cut)

    def cut(self, cut: Cut) -> None:
        """End the step."""
        if not cut:
            return
        outcome = self._scorer.finish()
        self.blobs |= {lead_id: blob for lead_id, blob in outcome.blobs.items() if blob is not None}
        self.crossings += outcome.crossings
        self.tally += outcome.tally
        self.waiting += [
            msgspec.structs.replace(f.item, lead_id=f.target) if isinstance(f.item, LeadEvent) else f.item
            for f in outcome.forwards
        ]
        if cut == "show":
            self._scorer.show(list(self.blobs))
            self._scorer.finish()
        if cut == "reload":
            self._scorer = AnyScorer(self.rules)

    def deliver(self, at: int = 0) -> None:
        """Deliver one forwarded record, the ``at``-th of those that wait."""
        self.take(self.waiting.pop(at % len(self.waiting)))

    def drain(self) -> None:
        """Deliver everything that waits."""
        for _ in range(10_000):
            if not self.waiting:
                return
            self.deliver()
        msg = "records are forwarded for ever"
        raise AssertionError(msg)

    def lead(self, lead_id: str = "u") -> Lead:
        """The state of a lead, as stored."""
        state = decode(self.blobs[lead_id])
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
) -> Shard:
    """Play events of one lead, with ticks in between (each before what arrives at or after its instant)."""
    shard = Shard(rules)
    pending = sorted(ticks)
    after = iter(cuts)
    for event in events:
        while pending and pending[0][0] <= event.arrival:
            now_ms, cut = pending.pop(0)
            if event.lead_id in shard.blobs:
                shard.tick(event.lead_id, now_ms, cut)
        shard.take(event, next(after, "step"))
    shard.cut("step")
    if until_ms is not None:
        for lead_id in list(shard.blobs):
            shard.tick(lead_id, until_ms)
    return shard


def told(transitions: Iterable[Transition]) -> list[tuple[object, ...]]:
    """What must be the same of transitions, whoever made them."""
    return [(t.alert_id, t.card, t.stage, t.kind, t.at_ms, t.cause, t.episode, t.told, t.silenced) for t in transitions]


def readings(rules: Rules, lead: Lead, now_ms: int) -> list[Reading]:
    """The lead read through every scorecard."""
    return [read(card, lead, now_ms) for card in rules.cards]


def close(mine: Iterable[Reading], theirs: Iterable[Reading]) -> bool:
    """Whether scores, engagement and fit are the same within 10^-6 points."""
    return all(
        abs(a.exact - b.exact) <= 1000 and abs(a.engagement - b.engagement) <= 1000 and a.fit == b.fit
        for a, b in zip(mine, theirs, strict=True)
    )
