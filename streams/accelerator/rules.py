"""Convert scorecards and matches of events into arrays for the kernels."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

import numpy as np

from streams.accelerator.kernels import apply as kernel
from streams.accelerator.layout import (
    BOUND,
    CARD,
    HIT,
    MATCH,
    MAX_GROUPS,
    MAX_SIGNALS,
    SIGNAL,
    STAGE,
    WEIGHT,
    Column,
    Groups,
    Matches,
    Model,
)
from streams.scoring.lead import value_hash
from streams.scoring.rules import BlockRule, Hit, Match, Rules, SignalRule, StageRule
from streams.units import DAY_MS

MAX_STEPS: Final = 256
"""Instants between two events of a lead that the kernels look at; ``Scorer`` handles more."""
MAX_SETS: Final = 1 << 16
"""Different sets of signals that events match, after which ``Scorer`` handles new ones: senders choose the sets."""
TOO_MANY_SETS: Final = (
    f"events matched more than {MAX_GROUPS - 1} different sets of signals, too many for the accelerator; "
    "start again, or set LEADGLOW_ACCELERATOR=off"
)


class Signals:
    """Gives numbers to signals and to sets of signals, which stay valid as long as the table."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self._groups: dict[tuple[tuple[int, ...], int], int] = {}
        self.groups = Groups(np.zeros(1, np.int64), *(np.zeros(0, np.int64) for _ in range(3)))

    def has_room_for(self, sets: Iterable[tuple[int, ...]]) -> bool:
        """Whether there is room for these sets of signals."""
        return len(self._groups) < MAX_SETS or all((signals, -1) in self._groups for signals in sets)

    def number(self, signal: int) -> int:
        """The number of a signal's id."""
        return self.numbers.setdefault(signal, len(self.numbers))

    def group(self, signals: tuple[int, ...], distinct: int = -1) -> int:
        """The number of a set of signals, of which ``distinct`` counts a value, -1 for none.

        Raises:
            OverflowError: events matched too many different sets.
        """
        known = self._groups.get((signals, distinct))
        if known is None:
            if len(self._groups) >= MAX_GROUPS - 1:
                raise OverflowError(TOO_MANY_SETS)
            plain = len(self._groups) if distinct < 0 else self.group(signals)
            known = self._groups[signals, distinct] = len(self._groups)
            starts, members, plains, distincts = self.groups
            members = np.append(members, np.array([self.number(signal) for signal in signals], np.int64))
            counted = -1 if distinct < 0 else self.number(distinct)
            ends = np.append(starts, len(members))
            self.groups = Groups(ends, members, np.append(plains, plain), np.append(distincts, counted))
        return known


class PlainMatches:
    """The matches that the kernel can apply: those that count one amount or one distinct value at most."""

    def __init__(self, rules: Rules, signals: Signals) -> None:
        self._gains = {rule.id: (gain(rules, rule.id), beyond_gain(rules, rule)) for rule in rules.by_id.values()}
        self._signals = signals
        self._usable = not is_beyond_kernels(rules)
        self._latest = latest_of(rules)
        self._numbers: dict[tuple[int, ...], int] = {}
        self.matches: list[Match] = []
        self.most_hits = 0
        """Greatest number of signals that one event matches."""
        self.columns = Matches(np.zeros(0, MATCH), np.zeros(0, HIT))

    def number(self, match: Match) -> int:
        """The number of a match; ``kernel.NOT_PLAIN`` if the kernel cannot apply it."""
        if not self._usable or len(self._gains) > MAX_SIGNALS or not self._latest.isdisjoint(match.signals):
            return kernel.NOT_PLAIN
        values, amounts = _valued(match), _scaled(match)
        if len(values) + len({hit.amount for hit in amounts}) > 1 or any(hit.counter for hit in amounts):
            return kernel.NOT_PLAIN
        known = self._numbers.get(match.signals)
        if known is None:
            if not self._signals.has_room_for([match.signals]):
                return kernel.NOT_PLAIN
            known = self._numbers[match.signals] = len(self.matches)
            self.matches.append(match)
            self.most_hits = max(self.most_hits, len(match.hits))
            self.columns = self._with(match)
        return known

    def _with(self, match: Match) -> Matches:
        """The columns with one match more: senders choose which there are, so the others are not made anew."""
        matches, hits = self.columns
        row, scaled = np.zeros(1, MATCH), _scaled(match)
        new = [(self._signals.number(hit.signal), hit in scaled) for hit in match.hits]
        row["group"] = self._signals.group(match.signals, next((hit.signal for hit in _valued(match)), -1))
        row["first"], row["last"] = len(hits), len(hits) + len(new)
        row["gain"] = sum(self._gains[hit.signal][0] for hit in match.hits if hit not in scaled)
        row["amount_gain"] = sum(self._gains[hit.signal][0] for hit in scaled)
        row["scaled"] = bool(scaled)
        row["beyond_gain"] = any(self._gains[hit.signal][1] for hit in match.hits)
        row["counted"] = any(hit.counter is not None for hit in match.hits)
        return Matches(_joined(matches, row), _joined(hits, np.array(new, HIT)))


def _joined(one: Column, other: Column) -> Column:
    """Records after one another; ``np.append`` copies each field of each by itself."""
    return np.append(one.view(np.uint8), other.view(np.uint8)).view(one.dtype)


def is_beyond_kernels(rules: Rules) -> bool:
    """Whether scores change over time in a way that the kernels do not know: not just by decay and windows."""
    stages = [stage for card in rules.cards for stage in card.stages]
    return (
        any(rule.switches or (rule.owner and not _is_latest(rule)) for rule in rules.by_id.values())
        or any(card.absent for card in rules.cards)
        or any(stage.needs_signals or any(block.signal.window_ms for block in _plain(stage)) for stage in stages)
    )


def latest_of(rules: Rules) -> frozenset[int]:
    """The signals that keep the latest events for blocks that end. Leads that have any are left to ``Scorer``."""
    return frozenset(rule.id for rule in rules.by_id.values() if _is_latest(rule))


def _is_latest(rule: SignalRule) -> bool:
    return rule.owner is not None and rule.owner.latest is rule


def _plain(stage: StageRule) -> list[BlockRule]:
    return [block for block in stage.blocks if block.plain]


def keeps_latest(rule: SignalRule | None) -> bool:
    """Whether the latest events of a signal count, whatever else happened."""
    counter = rule.counter if rule is not None else None
    return counter is not None and counter.latest > 0 and not (counter.limited or counter.distinct)


def gain(rules: Rules, signal: int) -> float:
    """The maximum units that one event of this signal, with an amount of 1, can add to any scorecard."""
    return max([0.0, *(card.weights[signal][0] for card in rules.cards if signal in card.weights)])


def beyond_gain(rules: Rules, rule: SignalRule) -> bool:
    """Whether an event of this signal may do more than add ``gain`` units.

    It may lower a score, block a stage, or move a value to another time so that other events count instead.
    """
    if rule.counter is not None and rule.counter.limited and rule.counter.distinct:
        return True
    if any(rule.id == block.signal.id for card in rules.cards for stage in card.stages for block in stage.blocks):
        return True
    return any(card.weights[rule.id][0] < 0 for card in rules.cards if rule.id in card.weights)


def _valued(match: Match) -> list[Hit]:
    """The hits of distinct signals."""
    return [hit for hit in match.hits if hit.value is not None]


def _scaled(match: Match) -> list[Hit]:
    """The hits of signals that count an amount."""
    return [hit for hit in match.hits if hit.rule.amount_at is not None]


def amount_of(match: Match) -> float:
    """The amount that a match counts, 0 for none."""
    return next((hit.amount for hit in _scaled(match)), 0.0)


def value_of(match: Match) -> int:
    """The hash of the value that a match counts, 0 for none."""
    return next((value_hash(hit.value) for hit in _valued(match)), 0)


def model_of(rules: Rules, signals: Signals) -> Model:
    """Convert scorecards into arrays."""
    for rule in rules.by_id.values():
        signals.number(rule.id)
    cards, count = rules.cards, len(signals.numbers)
    weights, known = np.zeros((len(cards), count), WEIGHT), np.zeros(count, SIGNAL)
    weights["worth"] = np.nan
    known["id"] = list(signals.numbers)
    for rule in rules.by_id.values():
        row = known[signals.number(rule.id)]
        row["rate"], row["gain"] = rule.inverse_half_life, gain(rules, rule.id)
        row["window"], row["at_least"], row["latest"] = rule.window_ms, rule.at_least, keeps_latest(rule)
        if rule.counter is not None:
            counter, buckets = rule.counter, rule.counter.buckets
            row["most"], row["lateness"] = counter.most, counter.lateness
            row["distinct"], row["limited"] = counter.distinct, counter.limited
            for name in ("width", "shift", "months", "endless"):
                row[name] = getattr(buckets, name)
    bounds = np.zeros((len(cards), max((len(card.bounds) for card in cards), default=1)), BOUND)
    rows, stages = np.zeros(len(cards), CARD), list[StageRule]()
    for i, card in enumerate(cards):
        for signal, weight in card.weights.items():
            weights[i, signals.number(signal)] = weight[:3]
        bounds[i, : len(card.bounds)] = card.bounds
        bounded = (card.minimum, card.maximum, card.lowest, card.highest)
        rows[i] = (*bounded, len(stages), len(stages) + len(card.stages))
        stages += card.stages
    blocked = np.zeros((len(stages), count), np.uint8)
    for i, stage in enumerate(stages):
        blocked[i, [signals.number(block.signal.id) for block in _plain(stage)]] = 1
    limits = [tuple(getattr(stage, name) for name in STAGE.names or ()) for stage in stages]
    steps = MAX_STEPS if known["window"].any() else 0
    forget = rules.forget
    idle = (inf, inf, inf) if forget is None else (float(DAY_MS), float(forget.visitors_ms), float(forget.leads_ms))
    return Model(weights, known, bounds, rows, np.array(limits, STAGE), blocked, steps, idle[0], idle[1:])
