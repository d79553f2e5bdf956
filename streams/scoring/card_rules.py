"""Compile the scorecards of a file: the worth of each signal, and the stages with their bounds and blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from streams.scoring.account_ids import ranking_of
from streams.scoring.account_rules import AccountRule
from streams.scoring.fit import UNIT, FitRule, grade_in, units
from streams.scoring.scorecard import Scorecard, Stage
from streams.scoring.signal_rules import SignalRule

UNRANKED: Final = -1e300
"""The place in the ranking of a lead to which a scorecard does not apply."""
Weight = tuple[float, float, int, float]
"""Points and cap in units, category, 1 / half-life in 1/ms."""


@dataclass(frozen=True, slots=True)
class BlockRule:
    """A signal that blocks a stage."""

    signal: SignalRule
    until: SignalRule | None = None
    for_ms: int = 0

    @property
    def plain(self) -> bool:
        """Whether it blocks for as long as the signal has an amount above 0."""
        return self.until is None and not self.for_ms


@dataclass(frozen=True, slots=True)
class StageRule:
    """One stage of one scorecard; ``key`` names its latch in a lead's state. Bounds are in units."""

    key: str
    stage: Stage
    blocks: tuple[BlockRule, ...]
    needs_signals: tuple[SignalRule, ...]
    enter: float
    leave: float
    needs_fit: float
    needs_engagement: float
    """To enter; at least what is needed to stay."""
    keep_fit: float
    keep_engagement: float
    """To stay."""
    alerts: bool
    """Whether its changes are published on handoff."""


class CardRule:
    """One scorecard: the worth of each signal id, and the caps and clamps in order."""

    def __init__(self, card: Scorecard, signals: Mapping[str, SignalRule]) -> None:  # noqa: PLR0915 - one line a part
        """Compile a scorecard; ``signals`` are by name."""
        self.card = card
        self.name = card.name
        category_of = {name: i for i, category in enumerate(card.categories) for name in category.signals}
        self.bounds = [(units(c.minimum), units(c.maximum)) for c in card.categories] + [(-math.inf, math.inf)]
        self.minimum, self.maximum = units(card.minimum), units(card.maximum)
        self.lowest, self.highest = whole(card.minimum), whole(card.maximum)
        self.category_names = [c.name for c in card.categories] + ["other"]
        other = len(card.categories)
        self.weights: dict[int, Weight] = {}
        """By signal id."""
        self.valued: dict[int, SignalRule] = {}
        """Signal id -> the signal that has the points: itself, or the one that it is kept for."""
        absent: list[tuple[SignalRule, Weight]] = []
        for name, p in card.points.items():
            rule, category = signals[name], category_of.get(name, other)
            for each in (rule, *(variant for _, variant in rule.switches)):
                self.weights[each.id] = (p.points * UNIT, units(p.cap), category, each.inverse_half_life)
                self.valued[each.id] = rule
            if p.absent:
                absent.append((rule, (units(p.absent), math.inf, category, 0.0)))
        self.absent = tuple(absent)
        """Signals that have points while their amount is 0, with their weight then."""
        self.stages = tuple(_stage_rule(card, stage, signals) for stage in card.stages)
        needed = [signal for rule in self.stages for signal in rule.needs_signals]
        self.stepping = tuple(rule for rule in {*self.valued.values(), *needed} if rule.window_ms or rule.switches)
        """Signals whose amounts may change at once."""
        blocks = [block for rule in self.stages for block in rule.blocks]
        is_timed = any(not block.plain or block.signal.window_ms for block in blocks)
        self.timed = bool(self.stepping or self.absent or needed or is_timed)
        """Whether it depends on time otherwise than by amounts that fade, or on signals that are absent."""
        self.fit = FitRule(card)
        self.accounts = _account_rule(card) if card.accounts is not None else None

    def shown(self, rank: float) -> float:
        """The published score of a lead with this place in the ranking."""
        return 0 if rank == UNRANKED else min(max(whole(rank), self.lowest), self.highest)

    @property
    def grades(self) -> list[str]:
        """All grades that a lead can have, the best first."""
        both = self.card.engagement_grades
        return [fit + engagement for fit, _ in self.card.grades for engagement, _ in both or [("", 0.0)]]

    def grade(self, exact: float, fit: float, engagement: float) -> str:
        """The grade of a score (in points): of the exact score, or of fit and engagement."""
        card = self.card
        if card.engagement_grades:
            return grade_in(card.grades, fit) + grade_in(card.engagement_grades, engagement)
        return grade_in(card.grades, exact)


def whole(points: float) -> float:
    """The largest whole number that is not above; infinite bounds stay infinite."""
    return points if math.isinf(points) else math.floor(points)


def _account_rule(card: Scorecard) -> AccountRule:
    assert card.accounts is not None
    stages = tuple(
        replace(_stage_rule(card, stage, {}), key=f"{ranking_of(card.name)}/{stage.name}")
        for stage in card.accounts.stages
    )
    return AccountRule(card.name, card.accounts, card.maximum, stages)


def _stage_rule(card: Scorecard, stage: Stage, signals: Mapping[str, SignalRule]) -> StageRule:
    needs_fit, needs_engagement, keep_fit, keep_engagement = (
        -math.inf if need is None else units(need)
        for need in (stage.needs_fit, stage.needs_engagement, stage.keep_fit, stage.keep_engagement)
    )
    return StageRule(
        f"{card.name}/{stage.name}",
        stage,
        (
            *(BlockRule(signals[name]) for name in stage.blocked_by),
            *(BlockRule(signals[b.signal], signals.get(b.until), b.for_ms) for b in stage.blocks),
        ),
        tuple(signals[name] for name in stage.needs_signals),
        units(stage.enter),
        units(stage.leave),
        max(needs_fit, keep_fit),
        max(needs_engagement, keep_engagement),
        keep_fit,
        keep_engagement,
        stage.handoff and not card.shadow,
    )
