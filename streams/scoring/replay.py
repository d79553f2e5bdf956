"""Replay events and control records through the reference scorer, in memory."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from typing import Any

from streams.scoring.event import Control, LeadEvent
from streams.scoring.interface import Batch, LeadScorer, PlainBatch
from streams.scoring.lead import State
from streams.scoring.outcome import Crossing, Forward, Outcome
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.sales_rows import SalesRow
from streams.scoring.scorer import Scorer
from streams.scoring.stored import decode

Input = LeadEvent | Control


class Replay:
    """One shard in memory: a scorer, and the leads that its store would hold after each step.

    A step is one or more inputs; ``end_step`` ends it. Only the results of ended steps are visible.
    """

    def __init__(self, rules: Rules, at_home: Callable[[str], bool] = lambda lead_id: True) -> None:
        """Start empty; ``at_home`` decides whether an unknown lead belongs to this shard."""
        self.rules = rules
        self.blobs: dict[str, bytes] = {}
        """Stored leads by lead id."""
        self.crossings: list[Crossing] = []
        self.forwards: list[Forward] = []
        self.sales: list[SalesRow] = []
        self.tally: Tally[str] = Tally()
        self._at_home = at_home
        self._scorer = self.make_scorer()

    def play(self, record: Input, offset: int = 0) -> None:
        """Score one input; ``offset`` is that of its record in the log."""
        batch = self.make_batch([(offset, record)])
        for lead_id in self._scorer.missing(batch):
            self._scorer.put_lead(lead_id, self.blobs.get(lead_id))
        self._scorer.apply_batch(batch)

    def advance_lead(self, lead_id: str, now_ms: int) -> None:
        """Advance one lead to ``now_ms``, as the timer does."""
        if not self._scorer.knows(lead_id):
            self._scorer.put_lead(lead_id, self.blobs.get(lead_id))
        self._scorer.advance_due([lead_id], now_ms)

    def change_rules(self, change: RulesChange) -> None:
        """Change the scorecards. Leads are settled when they are next touched, or by ``settle_leads``."""
        self.rules = change.new
        self._scorer.change_rules(change)
        if change.undo is not None:
            self.settle_leads()

    def settle_leads(self) -> None:
        """Settle every lead by the last change of the scorecards, in one step."""
        change = self._scorer.change
        if change is not None:
            for lead_id in list(self.blobs):
                self.advance_lead(lead_id, change.at_ms)
            self.end_step()
            self._scorer.finish_change()

    def end_step(self) -> Outcome:
        """End the step and store what it changed."""
        outcome = self._scorer.finish()
        for lead_id, blob in outcome.all_blobs().items():
            if blob is None:
                self.blobs.pop(lead_id, None)
            else:
                self.blobs[lead_id] = blob
        self.crossings += outcome.crossings
        self.forwards += outcome.forwards
        self.sales += outcome.sales
        self.tally += outcome.tally
        return outcome

    def show_leads(self, lead_ids: Iterable[str]) -> Outcome:
        """Work out the ranking and the schedule of leads changed by ended steps."""
        self._scorer.update_ranking(lead_ids)
        return self._scorer.finish()

    def reload_leads(self) -> None:
        """Forget the leads in memory, so that each is loaded from its stored form again."""
        change, since_ms = self._scorer.change, self._scorer.since_ms
        self._scorer = self.make_scorer()
        if change is not None:
            self._scorer.change_rules(change)
        self._scorer.since_ms = since_ms

    def state(self, lead_id: str) -> State | None:
        """The stored state of a lead; None for an unknown one."""
        return decode(self.blobs[lead_id]) if lead_id in self.blobs else None

    # The reference, unless a subclass compares another scorer with it ------------------------------------------

    def make_scorer(self) -> LeadScorer[Any]:
        """Make a scorer with no lead loaded."""
        return Scorer(self.rules, self._at_home)

    def make_batch(self, inputs: list[tuple[int, Input]]) -> Batch:
        """Make a batch of (offset, input) for the scorer."""
        return PlainBatch(inputs)
