"""Define the interface of a scorer, which the reference and the accelerator implement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from streams.scoring.event import Control, LeadEvent
from streams.scoring.lead import State
from streams.scoring.outcome import Outcome
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.score import Standing


class Batch(Protocol):
    """The inputs of a step, in the order of the log."""

    def __len__(self) -> int: ...

    def lead_id(self, i: int, /) -> str:
        """The lead of the i-th input."""

    def offset(self, i: int, /) -> int:
        """The offset of its record."""

    def input(self, i: int, /) -> LeadEvent | Control:
        """The i-th input."""


@dataclass(slots=True)
class PlainBatch:
    """A batch as a list of (offset, input)."""

    inputs: Sequence[tuple[int, LeadEvent | Control]]

    def __len__(self) -> int:
        return len(self.inputs)

    def lead_id(self, i: int, /) -> str:
        """The lead of the i-th input."""
        return self.inputs[i][1].lead_id

    def offset(self, i: int, /) -> int:
        """The offset of its record."""
        return self.inputs[i][0]

    def input(self, i: int, /) -> LeadEvent | Control:
        """The i-th input."""
        return self.inputs[i][1]


B_contra = TypeVar("B_contra", bound=Batch, contravariant=True)


class LeadScorer(Protocol[B_contra]):
    """Keeps the leads of one shard in memory and changes them step by step.

    A step is ``missing``, ``put_lead`` and ``apply_batch`` for each batch, or ``advance_due``, or ``update_ranking``;
    then ``finish``.
    """

    since_ms: int
    """When these rules came into force: the clock of a new lead is not before that."""
    is_upgrading: int
    """When the last record arrived that an earlier version may have scored, which does not forget leads; else 0."""

    @property
    def rules(self) -> Rules:
        """The scorecards in use."""

    @property
    def change(self) -> RulesChange | None:
        """The last change of the scorecards, while some leads have not been settled by it."""

    def change_rules(self, change: RulesChange) -> None:
        """Use other rules from now on. Every lead is settled by the change before anything else happens to it."""

    def finish_change(self) -> None:
        """Note that every lead was settled by the last change, and seen by this version."""

    def __len__(self) -> int: ...

    def knows(self, lead_id: str) -> bool:
        """Whether a lead is in memory or known to have no state."""

    def missing(self, batch: B_contra) -> list[str]:
        """The leads of a batch that must be loaded, each once."""

    def put_lead(self, lead_id: str, blob: bytes | None) -> None:
        """Load the stored form of a lead; None if it has none."""

    def put_leads(self, states: Mapping[str, State | None]) -> None:
        """Put leads into memory; None for a lead without a state."""

    def state(self, lead_id: str) -> State | None:
        """The state of a lead in memory, for reading only."""

    def states_of(self, lead_ids: Sequence[str]) -> Mapping[str, State | None]:
        """The states of leads in memory, for reading only; many at once cost less."""

    def trim(self, most: int) -> None:
        """Keep about ``most`` leads in memory, those used or loaded last."""

    def clear(self) -> None:
        """Forget every lead."""

    def apply_batch(self, batch: B_contra) -> None:
        """Apply the inputs of a batch; ``missing`` was called for it and all leads are loaded."""

    def advance_due(self, lead_ids: Iterable[str], now_ms: int) -> None:
        """Apply the changes that fell due by ``now_ms``, and find out when each lead is due again."""

    def finish(self) -> Outcome:
        """End the step and return what it changed."""

    def update_ranking(self, lead_ids: Iterable[str]) -> None:
        """Work out the ranking and the due time of leads that earlier steps changed."""

    def standings(self, lead_ids: Iterable[str], at_ms: int) -> dict[str, list[Standing]]:
        """Score and stage of each lead on each scorecard, at ``at_ms`` or at its clock if that is later."""

    def unsent(self, lead_ids: Iterable[str]) -> list[str]:
        """The leads whose score or stage must be published, including redirects and erasures."""

    def ahead(self, standings: Mapping[str, Sequence[Standing]]) -> list[str]:
        """The leads of which a score differs from the one in the ranking."""

    def mark_sent(self, lead_ids: Iterable[str]) -> None:
        """Note that the current scores of these leads were published."""
