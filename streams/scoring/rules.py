"""Compile a scorecard file for scoring: signals by event, points by signal, conditions as functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from streams.scoring.conditions import compile_condition, numeric_paths, paths
from streams.scoring.counting import DAY_MS, Counter
from streams.scoring.fit import UNIT, FitRule, grade_in, units
from streams.scoring.scorecard import CALL_TYPES, Model, Scorecard, Signal, Stage
from streams.scoring.texts import number_of

LATENESS_MS: Final = 3 * DAY_MS
"""Default of the allowed lateness."""
MAX_AMOUNT: Final = 1_000_000.0
UNRANKED: Final = -1e300
"""The place in the ranking of a lead to which a scorecard does not apply."""
MEMORY: Final = 20_000
"""Size of the cache of matches by (event, values); a full cache is cleared."""
AUTOMATED: Final = "properties.automated"
"""True for events of machines. They match only signals whose `where` reads this path."""

Values = tuple[Any, ...]
SIMPLE: Final = frozenset({str, bool, type(None)})
"""Types of values that are safe as keys of the cache of matches."""


class SignalRule:
    """One signal: when it matches, how it fades and counts."""

    @property
    def detailed(self) -> bool:
        """Whether its events have amounts or values that a lead must remember."""
        return self.amount_at is not None or self.distinct_at is not None

    def __init__(self, signal: Signal, index: Mapping[str, int], lateness_ms: int):
        """Compile a signal; ``index`` maps a path to its position in the values of an event."""
        self.id = signal.id
        self.name = signal.name
        self.label = signal.label
        self.heeds_automated = AUTOMATED in paths(signal.where)
        self.inverse_half_life = 0.0 if math.isinf(signal.half_life_ms) else 1.0 / signal.half_life_ms
        self.holds: Callable[[Sequence[Any]], bool] = compile_condition(signal.where, index)
        self.amount_at = index[signal.amount] if signal.amount else None
        self.distinct_at = index[signal.distinct] if signal.distinct else None
        counted = signal.limit is not None or signal.distinct is not None
        self.counter = (
            Counter(self.id, self.inverse_half_life, signal.limit, signal.distinct is not None, lateness_ms)
            if counted
            else None
        )


class Hit(NamedTuple):
    """A signal that an event matched, with the amount and the distinct value to count."""

    rule: SignalRule
    signal: int
    inverse_half_life: float
    amount: float
    counter: Counter | None
    value: Any = None


class Match(NamedTuple):
    """All signals that an event matched."""

    hits: tuple[Hit, ...]
    signals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StageRule:
    """One stage of one scorecard; ``key`` names its latch in a lead's state. Bounds are in units."""

    key: str
    stage: Stage
    blocking: tuple[int, ...]
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

    def __init__(self, card: Scorecard, signals: Mapping[str, SignalRule]) -> None:
        """Compile a scorecard; ``signals`` are by name."""
        self.card = card
        self.name = card.name
        category_of = {name: i for i, category in enumerate(card.categories) for name in category.signals}
        self.bounds = [(units(c.minimum), units(c.maximum)) for c in card.categories] + [(-math.inf, math.inf)]
        self.minimum, self.maximum = units(card.minimum), units(card.maximum)
        self.lowest, self.highest = whole(card.minimum), whole(card.maximum)
        self.category_names = [c.name for c in card.categories] + ["other"]
        other = len(card.categories)
        self.weights: dict[int, tuple[float, float, int, float]] = {
            signals[name].id: (
                p.points * UNIT,
                units(p.cap),
                category_of.get(name, other),
                signals[name].inverse_half_life,
            )
            for name, p in card.points.items()
        }
        """Signal id -> (points and cap in units, category, 1 / half-life in 1/ms)."""
        self.stages = tuple(_stage_rule(card, stage, signals) for stage in card.stages)
        self.fit = FitRule(card)

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


def _stage_rule(card: Scorecard, stage: Stage, signals: Mapping[str, SignalRule]) -> StageRule:
    needs_fit, needs_engagement, keep_fit, keep_engagement = (
        -math.inf if need is None else units(need)
        for need in (stage.needs_fit, stage.needs_engagement, stage.keep_fit, stage.keep_engagement)
    )
    return StageRule(
        f"{card.name}/{stage.name}",
        stage,
        tuple(signals[name].id for name in stage.blocked_by),
        units(stage.enter),
        units(stage.leave),
        max(needs_fit, keep_fit),
        max(needs_engagement, keep_engagement),
        keep_fit,
        keep_engagement,
        stage.handoff and not card.shadow,
    )


class Rules:
    """A whole scorecard file, compiled for scoring."""

    def __init__(self, model: Model, lateness_ms: int = LATENESS_MS) -> None:
        """Compile a file; an event that arrives more than ``lateness_ms`` after its bucket closed does not count."""
        self.model = model
        self.version = model.version
        wanted = {AUTOMATED} | {p for s in model.signals for p in paths(s.where) | {s.distinct, s.amount} - {None}}
        self.paths: tuple[str, ...] = tuple(sorted(str(p) for p in wanted))
        """The paths that signals read; the values of an event are in this order."""
        self.numeric = frozenset(
            path
            for signal in model.signals
            for path in numeric_paths(signal.where) | {signal.amount, signal.distinct}
            if path is not None
        )
        """The paths whose values may be numbers."""
        index = {path: i for i, path in enumerate(self.paths)}
        self._automated_at = index[AUTOMATED]
        rules = [SignalRule(s, index, lateness_ms) for s in model.signals]
        self.signals = {rule.name: rule for rule in rules}
        self.by_id = {rule.id: rule for rule in rules}
        self.by_event: dict[str, list[SignalRule]] = {}
        for signal, rule in zip(model.signals, rules, strict=True):
            for event in signal.events:
                self.by_event.setdefault(event, []).append(rule)
        self.cards = tuple(CardRule(card, self.signals) for card in model.scorecards)
        self.traits: frozenset[str] = frozenset().union(*(card.fit.traits for card in self.cards))
        self._memory: dict[tuple[str, Values], tuple[Match, tuple[tuple[int, bool], ...]]] = {}

    def signals_to_rebuild(self, before: Rules) -> list[str]:
        """Signals with another half-life in ``before``: they start at 0, because stored amounts use the old one."""
        return [name for name, rule in self.signals.items() if rule.id != before.signals.get(name, rule).id]

    def match(self, event: str, values: Values) -> Match:
        """The signals that an event matches."""
        try:
            match, flags = self._memory[event, values]
        except (KeyError, TypeError):  # a list or an object is not hashable
            return self._remembered(event, values)
        for i, flag in flags:
            if values[i] is not flag:  # as keys of a dict, True, 1 and 1.0 are equal
                return self._match(event, values)
        return match

    def _remembered(self, event: str, values: Values) -> Match:
        """Match, and cache the result if all values are texts, booleans or None."""
        match = self._match(event, values)
        if {type(value) for value in values} <= SIMPLE:
            if len(self._memory) >= MEMORY:
                self._memory.clear()
            flags = tuple((i, value) for i, value in enumerate(values) if type(value) is bool)
            self._memory[event, values] = match, flags
        return match

    def _match(self, event: str, values: Values) -> Match:
        automated = values[self._automated_at] is True
        rules = (rule for rule in self.by_event.get(event, ()) if not automated or rule.heeds_automated)
        found = (self._hit(rule, values) for rule in rules)
        hits = tuple(hit for hit in found if hit is not None)
        return Match(hits, tuple(hit.signal for hit in hits))

    def _hit(self, rule: SignalRule, values: Values) -> Hit | None:
        if not rule.holds(values):
            return None
        amount = 1.0
        if rule.amount_at is not None:
            number = number_of(values[rule.amount_at])
            if number is None:
                return None
            amount = float(min(max(0.0, number), MAX_AMOUNT))  # -0.0 is 0.0
        value = None
        if rule.distinct_at is not None:
            value = values[rule.distinct_at]
            if value is None:
                return None
            if value.__class__ is float and value.is_integer():
                value = int(value)  # 3.0 is 3
        return Hit(rule, rule.id, rule.inverse_half_life, amount, rule.counter, value)


def event_name(call: str, track: str | None) -> str:
    """The name that a signal's ``event`` is compared with: the type of the call, or the name of a track call.

    A track call with the name of a call type matches nothing.
    """
    if call != "track":
        return call
    return f"track {track}" if track in CALL_TYPES else track or ""
