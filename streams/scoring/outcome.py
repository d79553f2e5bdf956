"""Define the outcome of a step: every changed value, and everything to publish or forward."""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass, field

from streams.scoring.event import Control, LeadEvent
from streams.scoring.packed import NOTHING, Packed
from streams.scoring.stages import Transition


@dataclass(frozen=True, slots=True)
class Crossing:
    """A transition with the stored lead at that instant (empty unless published) and the event that caused it."""

    transition: Transition
    snapshot: bytes
    event: LeadEvent | None


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
    tally: Tally[str] = field(default_factory=Tally)
    """Counts of what happened, by the name of the metric."""
    fired: Tally[str] = field(default_factory=Tally)
    """Number of times each signal counted."""
    amounts: dict[str, float] = field(default_factory=dict)
    """Sum of the amounts of each signal that has an amount."""

    def all_blobs(self) -> dict[str, bytes | None]:
        """All blobs, by lead id."""
        return self.packed.over(self.blobs)
