"""Compile the signals of a scorecard file: when each matches, how it fades and counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from streams.scoring.conditions import compile_condition, paths
from streams.scoring.counting import LATEST, Counter
from streams.scoring.scorecard import Signal
from streams.scoring.texts import number_of

MAX_AMOUNT: Final = 1_000_000.0
AUTOMATED: Final = "properties.automated"
"""True for events of machines. They match only signals whose `where` reads this path."""

Values = tuple[Any, ...]


class SignalRule:
    """One signal: when it matches, how it fades and counts."""

    @property
    def detailed(self) -> bool:
        """Whether its events have amounts or values that a lead must remember."""
        return self.amount_at is not None or self.distinct_at is not None

    def __init__(self, signal: Signal, index: Mapping[str, int], lateness_ms: int):
        """Compile a signal; ``index`` maps a path to its position in the values of an event."""
        self.signal = signal
        self.id = signal.id
        self.name = signal.name
        self.label = signal.label
        self.heeds_automated = AUTOMATED in paths(signal.where)
        self.inverse_half_life = 0.0 if math.isinf(signal.half_life_ms) else 1.0 / signal.half_life_ms
        self.holds: Callable[[Sequence[Any]], bool] = compile_condition(signal.where, index)
        self.amount_at = index[signal.amount] if signal.amount else None
        self.distinct_at = index[signal.distinct] if signal.distinct else None
        self.counter = self._counter(lateness_ms)
        self.window_ms, self.at_least = signal.window_ms, signal.at_least
        self.switches: tuple[tuple[SignalRule, SignalRule], ...] = ()
        """(guard, this signal with the half-life that holds while the guard has an amount above 0)."""
        self.latest: SignalRule | None = None
        """Its latest matching events, if they block a stage."""
        self.owner: SignalRule | None = None
        """The signal that this one is kept for; it has no points of its own."""

    def _counter(self, lateness_ms: int) -> Counter | None:
        signal = self.signal
        if signal.limit is None and signal.distinct is None and not signal.window_ms:
            return None
        latest = LATEST if signal.window_ms else 0
        is_distinct = signal.distinct is not None
        return Counter(self.id, self.inverse_half_life, signal.limit, is_distinct, lateness_ms, latest)

    def with_half_life(self, half_life_ms: float, index: Mapping[str, int], lateness_ms: int) -> SignalRule:
        """The same signal with another half-life."""
        signal = replace(self.signal, half_life_ms=half_life_ms, while_half_lives=())
        rule = SignalRule(signal, index, lateness_ms)
        rule.owner = self
        return rule

    def latest_matches(self, index: Mapping[str, int], lateness_ms: int) -> SignalRule:
        """A signal that keeps the latest events which match this one, whatever its limit."""
        rule = SignalRule(replace(self.signal, while_half_lives=()), index, lateness_ms)
        rule.id, rule.owner = self.signal.latest_id, self
        rule.inverse_half_life = 0.0
        rule.counter = Counter(rule.id, 0.0, None, False, lateness_ms, LATEST)
        rule.amount_at = rule.distinct_at = None
        return rule

    def hit(self, values: Values) -> Hit | None:
        """What an event with these values counts; None if it does not match."""
        if self.owner is not None and self is self.owner.latest:
            matched = self.owner.hit(values)
            return None if matched is None else Hit(self, self.id, 0.0, 1.0, self.counter)
        if not self.holds(values):
            return None
        amount = 1.0
        if self.amount_at is not None:
            number = number_of(values[self.amount_at])
            if number is None:
                return None
            amount = float(min(max(0.0, number), MAX_AMOUNT))  # -0.0 is 0.0
        value = None
        if self.distinct_at is not None:
            value = values[self.distinct_at]
            if value is None:
                return None
            if value.__class__ is float and value.is_integer():
                value = int(value)  # 3.0 is 3
        return Hit(self, self.id, self.inverse_half_life, amount, self.counter, value)


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
