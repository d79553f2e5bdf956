"""The interface of a scorer, which the reference (``Scorer``) and the accelerator offer alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from streams.scoring.event import Control, LeadEvent
from streams.scoring.lead import State
from streams.scoring.outcome import Outcome
from streams.scoring.rules import Rules
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
    """The leads of one shard that are in memory, and what a step does to them.

    A step: ``missing``, ``put`` and ``run`` for each batch, or ``tick``, or ``show``; then ``finish``.
    """

    rescoring: bool
    """Whether the scorecards changed and not every lead was read by the new ones yet."""

    @property
    def rules(self) -> Rules:
        """The scorecards in use."""

    def use_rules(self, rules: Rules) -> None:
        """Score by other rules from here on."""

    def __len__(self) -> int: ...

    def knows(self, lead_id: str) -> bool:
        """Whether a lead is in memory, or known to have no state."""

    def missing(self, batch: B_contra) -> list[str]:
        """The leads of a batch of which nothing is in memory, each once."""

    def put_lead(self, lead_id: str, blob: bytes | None) -> None:
        """Load what the store holds of a lead."""

    def state(self, lead_id: str) -> State | None:
        """The state of a lead in memory, to look at."""

    def trim(self, most: int) -> None:
        """Keep about ``most`` leads in memory: those that came last."""

    def clear(self) -> None:
        """Forget every lead."""

    def apply_batch(self, batch: B_contra) -> None:
        """Apply the inputs, of which ``missing`` was asked; their leads must be loaded."""

    def advance_due(self, lead_ids: Iterable[str], now_ms: int) -> None:
        """Do what fell due for leads by ``now_ms``, and find out when each is due again."""

    def finish(self) -> Outcome:
        """What the step changed. The scorer is ready for the next one."""

    def update_ranking(self, lead_ids: Iterable[str]) -> None:
        """Read leads that steps have changed: their place in the ranking, and when each is due."""

    def standings(self, lead_ids: Iterable[str], at_ms: int) -> dict[str, list[Standing]]:
        """Where each of these leads stands on each scorecard, at ``at_ms`` or at its clock if that is later."""

    def unsent(self, lead_ids: Iterable[str]) -> list[str]:
        """Of these leads those whose score or stage is to be published; redirects and erasures, too."""

    def ahead(self, standings: Mapping[str, Sequence[Standing]]) -> list[str]:
        """Of these leads those of which a score has become another than is shown."""

    def mark_sent(self, lead_ids: Iterable[str]) -> None:
        """Note that what is shown of these leads was published."""
