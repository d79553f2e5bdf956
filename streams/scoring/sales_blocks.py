"""Hold leads that sales rejected out of the stages with handoff: three signals and two blocks that scorecards imply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

from streams.scoring.scorecard import Block, Group, Model, SalesTerms, Scorecard, Signal, Stage, Test
from streams.scoring.signal_rules import AUTOMATED
from streams.scoring.verdicts import ACCEPTED, OPPORTUNITY, RECYCLED, REJECTED, VERDICT_EVENTS, WON

REJECTION: Final = "rejected by sales"
RELEASE: Final = "recycled by sales"
ACCEPTANCE: Final = "accepted by sales"
"""Names of the three signals; no signal of a file has such a name."""
_ACCEPTING: Final = (ACCEPTED, OPPORTUNITY, WON)
_GIVEN: Final = Group(
    "all",
    (
        Group("none", (Test("leadglow.public", "equals", True),)),
        Group("any", tuple(Test(AUTOMATED, "exists", present) for present in (True, False))),
    ),
)
"""As ``verdict_of`` reads verdicts: not with a public write key; a machine may give them."""
T = TypeVar("T")


def expand_sales(model: Model) -> Model:
    """The model with the signals and blocks that its terms of sales mean; the same model if it has none."""
    if all(card.sales is None for card in model.scorecards):
        return model
    signals = _signal(REJECTION, REJECTED), _signal(RELEASE, RECYCLED, *_ACCEPTING), _signal(ACCEPTANCE, *_ACCEPTING)
    return replace(model, signals=(*model.signals, *signals), scorecards=tuple(map(_expand_card, model.scorecards)))


def without_sales(signals: Mapping[str, T]) -> dict[str, T]:
    """The signals of the file only: of the implied ones, leads keep just the latest events."""
    return {name: signal for name, signal in signals.items() if name not in (REJECTION, RELEASE, ACCEPTANCE)}


def _signal(name: str, *kinds: int) -> Signal:
    return Signal(name, tuple(event for event, kind in VERDICT_EVENTS.items() if kind in kinds), _GIVEN)


def _expand_card(card: Scorecard) -> Scorecard:
    if card.sales is None:
        return card
    blocks = _blocks(card.sales)
    return replace(card, stages=tuple(_hold(stage, blocks) for stage in card.stages))


def _blocks(terms: SalesTerms) -> tuple[Block, ...]:
    """Until the lead is recycled or accepted; and for a time, which only acceptance ends early."""
    blocks, for_ms = (Block(REJECTION, until=RELEASE),), terms.recycle_after_ms
    return (*blocks, Block(REJECTION, until=ACCEPTANCE, for_ms=for_ms)) if for_ms else blocks


def _hold(stage: Stage, blocks: tuple[Block, ...]) -> Stage:
    return replace(stage, blocks=(*stage.blocks, *blocks)) if stage.handoff else stage
