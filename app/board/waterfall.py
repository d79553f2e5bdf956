"""The waterfall chart of a score: each part begins where the one before it ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from app.board.formatting import titled
from streams.scoring.fit import UNIT

_KINDS: Final = {
    "signal": "",
    "fit": "fit",
    "cap": "cap of the signal or category",
    "clamp": "range of the scorecard",
}
_ORDER: Final = {"fit": 0, "signal": 1, "cap": 2, "clamp": 3}
_MIN_WIDTH: Final = 0.6
"""Of a bar, in percent, so that a tiny part is visible."""


@dataclass(frozen=True, slots=True)
class Step:
    """One part with its place in the chart; ``x``, ``width`` and ``zero`` are percentages of its width."""

    kind: str
    name: str
    title: str
    says: str
    points: float
    exact: str
    total: float
    x: float
    width: float
    zero: float


def build_steps(parts: Iterable[dict[str, Any]]) -> list[Step]:
    """Fit first, then signals (gains before losses), then what caps and the range cut off."""
    ordered = sorted(parts, key=lambda part: (_ORDER.get(part["kind"], 9), -part["points"]))
    totals = [0]
    for part in ordered:
        totals.append(totals[-1] + round(part["points"] * UNIT))  # in whole units, as the score itself is summed
    low, high = min(totals), max(totals)
    scale = 100 / (high - low) if high > low else 0.0
    return [
        Step(
            part["kind"],
            part["name"],
            titled(part),
            _describe(part),
            part["points"],
            format_exactly(part["points"]),
            after / UNIT,
            round((min(before, after) - low) * scale, 2),
            round(max(abs(after - before) * scale, _MIN_WIDTH), 2),
            round(-low * scale, 2),
        )
        for part, before, after in zip(ordered, totals, totals[1:], strict=False)
    ]


def format_exactly(points: float) -> str:
    """A number of points with all its digits."""
    return f"{round(points * UNIT) / UNIT:.9f}".rstrip("0").rstrip(".")


def _describe(part: dict[str, Any]) -> str:
    amount = part.get("amount")
    return f"\N{MULTIPLICATION SIGN} {amount:.2f}" if amount is not None else _KINDS.get(part["kind"], "")
