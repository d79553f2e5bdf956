"""Change the rules of one lead as a live shard does, and find what the change alone causes.

Time passes under the old rules until the change; then every stage is decided by the new ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from streams.scoring.lead import Lead
from streams.scoring.rules import MEMORY, CardRule, Rules
from streams.scoring.rules_change import (
    RulesChange,
    Undo,
    any_flips,
    leave_lost_stages,
    lost_stages,
    settle_and_advance,
    settle_change,
)
from streams.scoring.score import Reading, read
from streams.scoring.scorecard import Scorecard
from streams.scoring.stages import SCORECARD, Transition, settle


class LeadChange(NamedTuple):
    """What a change of the scorecards does to one lead."""

    lead_id: str
    at_ms: int
    before: dict[str, Reading]
    """The score under the old rules, by scorecard."""
    after: dict[str, Reading]
    inside_before: frozenset[str]
    """The stages that the lead is in under the old rules, as ``scorecard/stage``."""
    inside_after: frozenset[str]
    transitions: list[Transition]
    """What the change alone causes."""


class FitCache:
    """The fit scores of a file's scorecards, by the values of the traits that they read."""

    def __init__(self, rules: Rules) -> None:
        """Start empty."""
        self._fixed = {card.name: card.fit.of({}) for card in rules.cards if not card.fit.traits}
        self._cards: list[tuple[CardRule, list[str], dict[object, float]]] = [
            (card, sorted(card.fit.traits), {}) for card in rules.cards if card.fit.traits
        ]

    def fill(self, lead: Lead) -> None:
        """Give a lead its fit scores."""
        lead.fits.update(self._fixed)
        traits = lead.trait_values() if self._cards else {}
        for card, names, known in self._cards:
            values = tuple(map(traits.get, names))
            key = values, tuple(map(type, values))  # as keys, True and 1 are equal
            try:
                fit = known.get(key)
            except TypeError:  # a list is not hashable; ``read`` computes the fit
                continue
            if fit is None:
                if len(known) >= MEMORY:
                    known.clear()
                fit = known[key] = card.fit.of(traits)
            lead.fits[card.name] = fit


class Change:
    """A change from old to new rules."""

    def __init__(self, old: Rules, new: Rules, undo: Undo | None = None) -> None:
        """Compare what both know; ``undo`` is what a rollback takes back."""
        self._undo = undo
        self.old = old
        self.new = new
        self._old_keys, self._new_keys = _stage_keys(old), _stage_keys(new)
        self._old_fits, self._new_fits = FitCache(old), FitCache(new)
        self._same_scores = _same_scores(old, new)
        self._loses_stages = bool(lost_stages(old, new))

    def apply(self, lead_id: str, lead: Lead, now_ms: int) -> LeadChange:
        """Change the rules of a lead at ``now_ms``, or at its own clock if that is later. Changes ``lead``."""
        at_ms = max(now_ms, lead.clock)
        lead.forget_derived()
        self._old_fits.fill(lead)
        settle_and_advance(self.old, lead_id, lead, at_ms)
        before = {card.name: read(card, lead, at_ms) for card in self.old.cards}
        inside_before = _inside(self._old_keys, lead)
        lead.forget_derived()
        self._new_fits.fill(lead)
        after = {
            card.name: before[card.name] if card.name in self._same_scores else read(card, lead, at_ms)
            for card in self.new.cards
        }
        if self._undo is not None or self._loses_stages:
            lead.clock = at_ms
            change = RulesChange(self.old, self.new, at_ms, undo=self._undo)
            transitions = leave_lost_stages(change, lead_id, lead) + settle_change(change, lead_id, lead)
        else:
            changes = any(any_flips(card, lead, after[card.name], at_ms) for card in self.new.cards)
            transitions = settle(self.new, lead_id, lead, at_ms, SCORECARD) if changes else []
        inside_after = _inside(self._new_keys, lead)
        return LeadChange(lead_id, at_ms, before, after, inside_before, inside_after, transitions)


def _same_scores(old: Rules, new: Rules) -> set[str]:
    """The scorecards that give every lead the same score: at most their stages, grades and labels differ."""
    if {signal.name: signal for signal in old.model.signals} != {signal.name: signal for signal in new.model.signals}:
        return set()
    bare = {card.name: _without_stages(card.card) for card in old.cards}
    return {card.name for card in new.cards if bare.get(card.name) == _without_stages(card.card)}


def _without_stages(card: Scorecard) -> Scorecard:
    """A scorecard without what has no influence on the score."""
    return replace(card, stages=(), grades=(), engagement_grades=(), label="", shadow=False)


def _stage_keys(rules: Rules) -> frozenset[str]:
    return frozenset(rule.key for card in rules.cards for rule in card.stages)


def _inside(keys: frozenset[str], lead: Lead) -> frozenset[str]:
    return frozenset(key for key, latch in lead.latches.items() if latch.inside and key in keys)
