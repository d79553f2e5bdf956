"""Turns weights into points of the present scale, and writes them into the text of a scorecard file. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from ruamel.yaml import YAML

from app.calibrate.columns import Column
from app.calibrate.regression import Weight
from app.scorecards.intervals import wilson_interval

LARGEST: Final = 20.0
"""The largest points if the columns have none yet."""


@dataclass(frozen=True, slots=True)
class Lift:
    """How much more often leads with a column above 0 were won than all of them, with its 95 % interval (Wilson)."""

    leads: int
    won: int
    value: float | None
    """None if no lead has it."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The points that a column should have."""

    column: Column
    lift: Lift
    points: float
    """Those of the file, unless they are unlikely."""
    low: float | None
    """The 95 % confidence interval of the points; None if there is nothing to learn from."""
    high: float | None
    proven: bool
    """Whether the sign is beyond chance."""


class NothingProven(Exception):
    """No signal and no fit line can be told apart from chance."""

    def __init__(self) -> None:
        super().__init__("no signal and no fit line differs between won and lost leads by more than chance")


def lift_of(values: Sequence[float], won: Sequence[bool]) -> Lift:
    """The lift of a column."""
    with_it = [is_won for value, is_won in zip(values, won, strict=True) if value > 0]
    leads, wins, rate = len(with_it), sum(with_it), sum(won) / max(len(won), 1)
    if not leads or not rate:
        return Lift(leads, wins, None)
    low, high = wilson_interval(wins, leads)
    return Lift(leads, wins, wins / leads / rate, low / rate, high / rate)


def suggest_points(
    columns: Sequence[Column], rows: Sequence[Sequence[float]], won: Sequence[bool], weights: Sequence[Weight | None]
) -> list[Suggestion]:
    """Points in proportion to the proven weights, so that these columns spread the scores as much as before.

    Raises:
        NothingProven: no adjustable column has a proven weight.
    """
    proven = {i: weight for i, weight in enumerate(weights) if weight and weight.is_proven and columns[i].adjustable}
    if not proven:
        raise NothingProven
    values = np.array(rows, dtype=float)
    learned = np.array([weight.value for weight in proven.values()])
    before = _spread(values[:, list(proven)], np.array([columns[i].points for i in proven]))
    scale = before / _spread(values[:, list(proven)], learned) if before else LARGEST / np.abs(learned).max()
    found = []
    for i, (column, weight) in enumerate(zip(columns, weights, strict=True)):
        low, high = (None, None) if weight is None else (weight.low * scale, weight.high * scale)
        points = column.points
        if weight is not None and column.adjustable:
            points = _choose_points(column.points, weight.value * scale, (weight.low * scale, weight.high * scale))
        found.append(Suggestion(column, lift_of(values[:, i].tolist(), won), points, low, high, i in proven))
    return found


def _choose_points(present: float, learned: float, interval: tuple[float, float]) -> float:
    """The learned points if their sign is proven; else the present ones, or 0 if those are outside of the interval."""
    low, high = interval
    if low > 0 or high < 0:
        return round_points(learned)
    return present if low <= present <= high else 0.0


def _spread(values: Any, points: Any) -> float:
    """The standard deviation of the sum of the columns."""
    return float((values @ points).std())


def score_rows(suggestions: Sequence[Suggestion], rows: Sequence[Sequence[float]]) -> list[float]:
    """The scores of leads by the suggested points, before caps."""
    found: list[float] = (np.array(rows, dtype=float) @ np.array([each.points for each in suggestions])).tolist()
    return found


def round_points(points: float) -> float:
    """Whole points from 3 on, below that one decimal."""
    return float(round(points) if abs(points) >= 3 else round(points, 1))


# The file -------------------------------------------------------------------------------------------------------


def write_proposal(text: str, card: str, suggestions: Sequence[Suggestion], enter_by: float) -> str:
    """The text of a file with other points, and the bounds of its stages moved by ``enter_by``; comments stay."""
    root = _entries(YAML(typ="safe", pure=True).compose(text))
    found = _entries(_entries(root["scorecards"])[card])
    changes: list[tuple[Any, float]] = []
    for each in suggestions:
        if each.points == each.column.points:
            continue
        if each.column.kind == "signal":
            node = _entries(found["points"])[each.column.name]
            changes.append((_entries(node).get("points", node), each.points))
        else:
            changes.append((_entries(found["fit"].value[each.column.place])["points"], each.points))
    for stage in found["stages"].value if enter_by and "stages" in found else ():
        words = _entries(stage)
        changes += [(words[key], float(words[key].value) + enter_by) for key in ("enter", "leave") if key in words]
    return _replace(text, changes)


def _entries(node: Any) -> Mapping[str, Any]:
    return {key.value: value for key, value in node.value} if node.id == "mapping" else {}


def _replace(text: str, changes: Sequence[tuple[Any, float]]) -> str:
    for node, number in sorted(changes, key=lambda change: -change[0].start_mark.index):
        text = f"{text[: node.start_mark.index]}{round(number, 4):g}{text[node.end_mark.index :]}"
    return text
