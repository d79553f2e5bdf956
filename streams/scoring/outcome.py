"""Define the outcome of a step: every changed value, and everything to publish or forward."""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass, field
from math import fsum

from streams.scoring.event import Control, LeadEvent
from streams.scoring.packed import NOTHING, Packed
from streams.scoring.rules import Rules
from streams.scoring.sales_rows import SalesRow, encode_rows
from streams.scoring.stages import Transition
from streams.scoring.verdict_counts import GivenVerdict


@dataclass(frozen=True, slots=True)
class Crossing:
    """A transition with the stored lead at that instant (empty unless published) and the event that caused it."""

    transition: Transition
    snapshot: bytes
    event: LeadEvent | None
    rules: Rules
    """The scorecards that decided it."""


@dataclass(frozen=True, slots=True)
class Forward:
    """An input to forward to another lead; ``at`` is the offset of the record it comes from."""

    target: str
    item: LeadEvent | Control
    at: int


@dataclass(slots=True)
class Outcome:
    """Everything that a step decided."""

    blobs: dict[str, bytes | None] = field(default_factory=dict)
    packed: Packed = NOTHING
    """More blobs; for a lead in both, this one counts."""
    due: dict[str, float | None] = field(default_factory=dict)
    ranks: dict[str, dict[str, float | None]] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    crossings: list[Crossing] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)
    """The leads that left an account or are in another one now."""
    tally: Tally[str] = field(default_factory=Tally)
    """Counts of what happened, by the name of the metric."""
    fired: Tally[str] = field(default_factory=Tally)
    """Number of times each signal counted."""
    amounts: dict[str, list[float]] = field(default_factory=dict)
    """The amounts that each signal with an amount counted, in any order."""

    verdicts: list[GivenVerdict] = field(default_factory=list)
    sales: list[SalesRow] = field(default_factory=list)
    """Leads handed over to sales, and their verdicts."""

    def counts(self) -> dict[str, tuple[int, float | None]]:
        """How often each signal counted, and the sum of its amounts; None for a signal without amounts."""
        sums = {name: fsum(amounts) for name, amounts in self.amounts.items()}
        return {name: (count, sums.get(name)) for name, count in self.fired.items() if count > 0}

    def sales_rows(self) -> list[tuple[int, str]]:
        """The rows for results as the store keeps them."""
        return encode_rows(self.sales)

    def all_blobs(self) -> dict[str, bytes | None]:
        """All blobs, by lead id."""
        return self.packed.over(self.blobs)
