"""Compile a scorecard file for scoring: signals by event, points by signal, conditions as functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streams.scoring.card_rules import UNRANKED, BlockRule, CardRule, StageRule, Weight
from streams.scoring.conditions import numeric_paths, paths
from streams.scoring.counting import DAY_MS
from streams.scoring.fit import UNIT, units
from streams.scoring.sales_blocks import expand_sales, without_sales
from streams.scoring.scorecard import CALL_TYPES, Model
from streams.scoring.signal_rules import AUTOMATED, MAX_AMOUNT, Hit, Match, SignalRule, Values

__all__ = [
    "AUTOMATED", "LATENESS_MS", "MAX_AMOUNT", "UNIT", "UNRANKED", "BlockRule", "CardRule", "Hit", "Match", "Rules",
    "SignalRule", "StageRule", "Values", "Weight", "event_name", "units",
]  # fmt: skip
LATENESS_MS: Final = 3 * DAY_MS
"""Default of the allowed lateness."""
MEMORY: Final = 20_000
"""Size of the cache of matches by (event, values); a full cache is cleared."""

SIMPLE: Final = frozenset({str, bool, type(None)})
"""Types of values that are safe as keys of the cache of matches."""


class Rules:
    """A whole scorecard file, compiled for scoring."""

    def __init__(  # noqa: PLR0915 - one line a part
        self, model: Model, lateness_ms: int = LATENESS_MS, later: Model | None = None
    ) -> None:
        """Compile a file; an event that arrives more than ``lateness_ms`` after its bucket closed does not count.

        What the signals of ``later`` keep is kept, too, although no scorecard reads it yet.
        """
        self.model = model
        self.version = model.version
        self.forget = model.forget
        """When idle leads are forgotten; None for never."""
        whole, later = expand_sales(model), later and expand_sales(later)
        signals = (*whole.signals, *(later.signals if later else ()))
        wanted = {AUTOMATED} | {p for s in signals for p in paths(s.where) | {s.distinct, s.amount} - {None}}
        self.paths: tuple[str, ...] = tuple(sorted(str(p) for p in wanted))
        """The paths that signals read; the values of an event are in this order."""
        self.numeric = frozenset(
            path
            for signal in signals
            for path in numeric_paths(signal.where) | {signal.amount, signal.distinct}
            if path is not None
        )
        """The paths whose values may be numbers."""
        index = {path: i for i, path in enumerate(self.paths)}
        self._automated_at = index[AUTOMATED]
        named, kept = _signal_rules(whole, index, lateness_ms)
        self.signals = without_sales(named)
        rules = [*self.signals.values(), *kept]
        if later is not None:
            later_signals, later_kept = _signal_rules(later, index, lateness_ms)
            rules = [*without_sales(later_signals).values(), *later_kept, *rules]
            kept += later_kept
        self.by_id = {rule.id: rule for rule in rules}
        self.by_event: dict[str, list[SignalRule]] = {}
        for rule in self.by_id.values():
            for event in rule.signal.events:
                self.by_event.setdefault(event, []).append(rule)
        self.cards = tuple(CardRule(card, named) for card in whole.scorecards)
        self.timed = bool(kept) or any(rule.window_ms for rule in rules)
        self.timed = self.timed or any(card.timed for card in self.cards)
        """Whether signals or scorecards change at instants between events, otherwise than by decay."""
        self.accounts = {card.name: card.accounts for card in self.cards if card.accounts is not None}
        """The accounts of the scorecards that have any."""
        self.keys = frozenset(rule.trait for rule in self.accounts.values())
        """The traits that decide of which account a lead is."""
        self.traits: frozenset[str] = self.keys.union(*(card.fit.traits for card in self.cards))
        self._memory: dict[tuple[str, Values], tuple[Match, tuple[tuple[int, bool], ...]]] = {}

    def signals_to_rebuild(self, before: Rules) -> list[str]:
        """Signals with another half-life in ``before``: they start at 0, because stored amounts use the old one."""
        return [name for name, ids in self._ids().items() if name in before.signals and ids - before.by_id.keys()]

    def signals_counted_otherwise(self, before: Rules) -> list[str]:
        """Signals that count other events than in ``before``, and keep the amounts of earlier ones."""
        known = {signal.id: signal for signal in before.model.signals}
        return [new.name for new in self.model.signals if new.id in known and not new.counts_like(known[new.id])]

    def _ids(self) -> dict[str, set[int]]:
        """Signal -> the ids of everything that is kept for it."""
        found: dict[str, set[int]] = {name: set() for name in self.signals}
        for rule in self.by_id.values():
            if rule.name in found:
                found[rule.name].add(rule.id)
        return found

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
        found = (rule.hit(values) for rule in rules)
        hits = tuple(hit for hit in found if hit is not None)
        return Match(hits, tuple(hit.signal for hit in hits))


def event_name(call: str, track: str | None) -> str:
    """The name that a signal's ``event`` is compared with: the type of the call, or the name of a track call.

    A track call with the name of a call type matches nothing.
    """
    if call != "track":
        return call
    return f"track {track}" if track in CALL_TYPES else track or ""


def _signal_rules(
    model: Model, index: Mapping[str, int], lateness_ms: int
) -> tuple[dict[str, SignalRule], list[SignalRule]]:
    """The signals of a file, and what is kept for them: amounts with other half-lives, the latest events for blocks."""
    signals = {signal.name: SignalRule(signal, index, lateness_ms) for signal in model.signals}
    kept: list[SignalRule] = []
    for rule in signals.values():
        variants = {rule.signal.half_life_ms: rule}
        for guard, half_life_ms in rule.signal.while_half_lives:
            if half_life_ms not in variants:
                variants[half_life_ms] = rule.with_half_life(half_life_ms, index, lateness_ms)
                kept.append(variants[half_life_ms])
            rule.switches += ((signals[guard], variants[half_life_ms]),)
    blocks = [block for card in model.scorecards for stage in card.stages for block in stage.blocks]
    for name in dict.fromkeys(name for block in blocks for name in (block.signal, block.until) if name):
        rule = signals[name]
        rule.latest = rule.latest_matches(index, lateness_ms)
        kept.append(rule.latest)
    return signals, kept
