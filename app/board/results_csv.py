"""Results as a table with the same columns in each line, for a CSV file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from app.board.view_models import add_costs

FIGURES: Final = (
    "leads", "handovers", "open", "contacted", "median_hours_to_contact", "accepted", "rejected", "acceptance",
    "opportunities", "won", "lost", "won_share",
)  # fmt: skip
COLUMNS: Final = (
    "part", "name", "source", "medium", "campaign", "seen", "qualified_share", *FIGURES, "revenue", "currency", "cost",
    "cost_per_won", "target",
)  # fmt: skip
"""`part` is total, scorecard, stage, reason, period or channel."""


def table_of(results: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The lines, without the names of the columns."""
    currency, target = results["currency"], results["target"]
    total, cost = results["total"], add_costs(results["channels"])
    per_won = None if cost is None or not total["won"] else round(cost / total["won"], 2)
    yield _line("total", results["scorecard"], {**total, "cost": cost, "cost_per_won": per_won}, currency)
    for part in ("scorecard", "stage"):
        for row in results[f"{part}s"]:
            yield _line(part, row["name"], row)
    for row in results["reasons"]:
        yield _line("reason", row["reason"], row)
    for row in results["periods"]:
        yield _line("period", row["from"], {**row, "target": target and target["leads"]})
    for row in results["channels"]:
        yield _line("channel", "", row, currency)


def _line(part: str, name: str, row: Mapping[str, Any], currency: str = "") -> list[Any]:
    revenue, code = _revenue(row.get("revenue", ()))
    known = {**row, "part": part, "name": name, "revenue": revenue, "currency": code or currency or None}
    return [known.get(column) for column in COLUMNS]


def _revenue(amounts: Sequence[Mapping[str, Any]]) -> tuple[Any, str]:
    """A number and its currency; several currencies, which are not added, as a text."""
    if len(amounts) == 1:
        return amounts[0]["amount"], amounts[0]["currency"]
    return "; ".join(f"{each['amount']:.2f} {each['currency']}".rstrip() for each in amounts) or None, ""
