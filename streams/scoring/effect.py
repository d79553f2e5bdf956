"""Measure what a change of the scorecards does to leads at once, without replaying events.

An ``Effect`` sums the changes of any number of leads; effects on different leads can be merged, so many processes can
share the work.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil, inf, isfinite
from typing import Final, NamedTuple

from streams.scoring.change import Change, LeadChange
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.rules_change import Undo
from streams.scoring.score import Reading, published
from streams.scoring.stored import decode

MOVERS: Final = 20
"""Leads whose score changes most that are kept for each scorecard."""
FIRST: Final = 10
"""Leads that enter or leave a stage that are kept, those with the highest scores."""
STEPS: Final = 1000
"""Scores are counted in at most about this many steps for each scorecard."""


class Ranked(NamedTuple):
    """A lead among the first of a list; ``units`` decides the order."""

    units: float
    lead_id: str
    blob: bytes = b""
    """Its stored form, for its name and the reasons."""

    @property
    def order(self) -> tuple[float, str]:
        """The greatest first, ties by lead id."""
        return -self.units, self.lead_id


class First:
    """The first few leads of a list that is too long to keep."""

    def __init__(self, most: int) -> None:
        """Keep ``most`` leads."""
        self._most = most
        self._ranked: list[Ranked] = []
        self.least = -inf
        """Leads with fewer units have no place."""

    def __iter__(self) -> Iterator[Ranked]:
        return iter(self._ranked)

    def add(self, one: Ranked) -> None:
        """Add a lead, and drop the last one if there are too many."""
        if one.units < self.least:
            return
        insort(self._ranked, one, key=lambda ranked: ranked.order)
        del self._ranked[self._most :]
        if len(self._ranked) == self._most:
            self.least = self._ranked[-1].units


@dataclass(slots=True)
class StageEffect:
    """What a change does to one stage: the number of leads inside before and after, and who enters or leaves."""

    before: int = 0
    after: int = 0
    entered: int = 0
    left: int = 0
    first_entered: First = field(default_factory=lambda: First(FIRST))
    first_left: First = field(default_factory=lambda: First(FIRST))
    alerts: Tally[str] = field(default_factory=Tally)
    """Alerts to send, by kind: ``entered`` or ``left``."""
    silenced: Tally[str] = field(default_factory=Tally)
    """Transitions of a stage with handoff that send no alert, by kind: entries within the cooldown, and leaving after
    an entry without an alert."""
    unannounced: int = 0
    """Leads that stay in a stage that sends alerts from now on; it did not when they entered it."""

    def merge(self, other: StageEffect) -> None:
        """Add the effect on other leads."""
        self.before += other.before
        self.after += other.after
        self.entered += other.entered
        self.left += other.left
        self.alerts.update(other.alerts)
        self.silenced.update(other.silenced)
        self.unannounced += other.unannounced
        for mine, theirs in ((self.first_entered, other.first_entered), (self.first_left, other.first_left)):
            for ranked in theirs:
                mine.add(ranked)


@dataclass(slots=True)
class CardEffect:
    """What a change does to the scores on one scorecard, and to its stages by name."""

    step: int = 1
    """Scores are counted in steps of so many points."""
    before: Tally[int] = field(default_factory=Tally)
    """Leads to which the scorecard applies, by published score, rounded down to a step; empty if it is new."""
    after: Tally[int] = field(default_factory=Tally)
    """The same under the new rules; empty if the scorecard is removed."""
    sum_before: int = 0
    """The sum of all published scores."""
    sum_after: int = 0
    risen: int = 0
    """Leads whose published score rises."""
    fallen: int = 0
    movers: First = field(default_factory=lambda: First(MOVERS))
    """The leads whose exact score changes most."""
    stages: dict[str, StageEffect] = field(default_factory=dict)

    def add_scores(self, lead_id: str, before: Reading | None, after: Reading | None, blob: bytes) -> None:
        """Count the scores of one lead."""
        shown_before = 0 if before is None else published(before.exact)
        shown_after = 0 if after is None else published(after.exact)
        if before is not None and before.applies:
            self.before[shown_before // self.step * self.step] += 1
            self.sum_before += shown_before
        if after is not None and after.applies:
            self.after[shown_after // self.step * self.step] += 1
            self.sum_after += shown_after
        if before is None or after is None:
            return
        self.risen += shown_after > shown_before
        self.fallen += shown_after < shown_before
        if moved := abs(after.exact - before.exact):
            self.movers.add(Ranked(moved, lead_id, blob))

    def merge(self, other: CardEffect) -> None:
        """Add the effect on other leads."""
        self.before.update(other.before)
        self.after.update(other.after)
        self.sum_before += other.sum_before
        self.sum_after += other.sum_after
        self.risen += other.risen
        self.fallen += other.fallen
        for ranked in other.movers:
            self.movers.add(ranked)
        for name, stage in other.stages.items():
            self.stages[name].merge(stage)


class Effect:
    """What a change of the scorecards does to many leads."""

    def __init__(self, old: Rules, new: Rules) -> None:
        """Start with no lead; every scorecard and stage of either file has an entry."""
        self.leads = 0
        self.alerted = 0
        """Leads about which at least one alert would be sent."""
        self._starting = _alerting(new) - _alerting(old)
        self.cards: dict[str, CardEffect] = {}
        for rules in (new, old):
            for card in rules.cards:
                effect = self.cards.setdefault(card.name, CardEffect())
                effect.step = max(effect.step, _step_of(card))
                for rule in card.stages:
                    effect.stages.setdefault(rule.stage.name, StageEffect())

    @property
    def alerts(self) -> int:
        """The number of alerts to send."""
        return sum(stage.alerts.total() for card in self.cards.values() for stage in card.stages.values())

    def add(self, change: LeadChange, blob: bytes = b"") -> None:
        """Add what happens to one lead; ``blob`` is its stored form before the change."""
        self.leads += 1
        for name, card in self.cards.items():
            card.add_scores(change.lead_id, change.before.get(name), change.after.get(name), blob)
        for key in change.inside_before | change.inside_after:
            self._add_stage(change, key, blob)
        self.alerted += any(transition.is_alert for transition in change.transitions)
        for transition in change.transitions:
            stage = self.cards[transition.card].stages[transition.stage]
            if transition.is_alert:
                stage.alerts[transition.kind] += 1
            stage.silenced[transition.kind] += transition.silenced

    def _add_stage(self, change: LeadChange, key: str, blob: bytes) -> None:
        card, _, name = key.rpartition("/")
        stage = self.cards[card].stages[name]
        was, will_be = key in change.inside_before, key in change.inside_after
        stage.unannounced += was and will_be and key in self._starting
        stage.before += was
        stage.after += will_be
        if was and not will_be:
            stage.left += 1
            stage.first_left.add(Ranked(change.before[card].exact, change.lead_id, blob))
        elif will_be and not was:
            stage.entered += 1
            stage.first_entered.add(Ranked(change.after[card].exact, change.lead_id, blob))

    def merge(self, other: Effect) -> None:
        """Add the effect of the same change on other leads."""
        self.leads += other.leads
        self.alerted += other.alerted
        for name, card in other.cards.items():
            self.cards[name].merge(card)


def measure_effect(
    leads: Iterable[tuple[str, bytes]], old: Rules, new: Rules, now_ms: int, undo: Undo | None = None
) -> Effect:
    """Measure the effect on stored leads; redirects and erased leads are skipped."""
    change, effect = Change(old, new, undo), Effect(old, new)
    for lead_id, blob in leads:
        state = decode(blob)
        if isinstance(state, Lead):
            effect.add(change.apply(lead_id, state, now_ms), blob)
    return effect


def _alerting(rules: Rules) -> set[str]:
    """The stages that send alerts, as ``scorecard/stage``."""
    return {rule.key for card in rules.cards for rule in card.stages if rule.alerts}


def _step_of(card: CardRule) -> int:
    span = card.highest - card.lowest
    return max(1, ceil(span / STEPS)) if isfinite(span) else 1
