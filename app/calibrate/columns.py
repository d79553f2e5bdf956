"""The columns of a calibration: what each signal and fit line of a scorecard gives for a lead. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streams.scoring.amounts import amount_at
from streams.scoring.fit import UNIT
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule


@dataclass(frozen=True, slots=True)
class Column:
    """A signal or a fit line."""

    kind: Literal["signal", "fit line"]
    name: str
    label: str
    points: float
    """For each unit of the amount; of a fit line, if it holds."""
    place: int = 0
    """Of a fit line in its list."""
    adjustable: bool = True
    """Whether it has points. A fit line that multiplies a trait has none: its column is in points."""


def columns_of(card: CardRule) -> list[Column]:
    """The columns of a scorecard: its signals, then its fit lines, in the order of the file."""
    labels = {rule.name: rule.label for rule in card.valued.values()}
    return [
        *(Column("signal", name, labels[name], points.points) for name, points in card.card.points.items()),
        *(
            Column("fit line", line.part, line.label, 1.0 if line.times is not None else line.points, i, not line.times)
            for i, line in enumerate(card.card.fit)
        ),
    ]


def row_of(card: CardRule, lead: Lead, at_ms: int) -> Sequence[float]:
    """The values of a lead at an instant, one for each column: amounts before caps, and 1 for a fit line that holds."""
    rules = {rule.name: rule for rule in card.valued.values()}
    traits = lead.trait_values()
    row = [amount_at(rules[name], lead, at_ms) for name in card.card.points]
    for line, worth in card.fit.lines:
        units = worth(traits)
        row.append(0.0 if units is None else 1.0 if line.times is None else units / UNIT)
    return row
