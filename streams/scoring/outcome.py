"""What a step decided: every value that changed, and what is to be told."""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass, field

from streams.scoring.event import Control, LeadEvent
from streams.scoring.packed import NOTHING, Packed
from streams.scoring.stages import Transition


@dataclass(frozen=True, slots=True)
class Crossing:
    """A transition with the lead as it stood at that instant, and the event that caused it."""

    transition: Transition
    snapshot: bytes
    event: LeadEvent | None


@dataclass(frozen=True, slots=True)
class Forward:
    """Something that goes on to another lead; ``at`` is the offset of the record that it comes from."""

    target: str
    item: LeadEvent | Control
    at: int


@dataclass(slots=True)
class Outcome:
    """Everything that a step decided."""

    blobs: dict[str, bytes | None] = field(default_factory=dict)
    packed: Packed = NOTHING
    """More of them; of a lead that is in both, this one counts."""
    due: dict[str, float | None] = field(default_factory=dict)
    ranks: dict[str, dict[str, float | None]] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    crossings: list[Crossing] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    tally: Tally[str] = field(default_factory=Tally)
    """Counts of what happened, named like the metrics that tell them."""
    fired: Tally[str] = field(default_factory=Tally)
    """How often each signal counted."""
    amounts: dict[str, float] = field(default_factory=dict)
    """What signals with an amount came to."""

    def all_blobs(self) -> dict[str, bytes | None]:
        """All blobs, by lead id."""
        return self.packed.over(self.blobs)
