"""Reads costs files: the cost of each channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from streams.scorefile.sales import CURRENCY
from streams.units import DAY_MS
from streams.yamlfile.containers import list_of, struct_of
from streams.yamlfile.kinds import CAP, TEXT, VERSION, Field, Kind, Struct
from streams.yamlfile.load import Format
from streams.yamlfile.tree import Node, Report


@dataclass(frozen=True, slots=True)
class Cost:
    """Money spent on a channel over a period; an empty name stands for any."""

    source: str
    medium: str
    campaign: str
    amount: float
    from_ms: int
    until_ms: int
    currency: str = ""
    """Of all costs of the file; empty if it names none."""


def covers(cost: Cost, channel: tuple[str, str, str]) -> bool:
    """Whether a cost applies to a channel."""
    named = (cost.source, cost.medium, cost.campaign)
    return all(not name or name.casefold() == actual.casefold() for name, actual in zip(named, channel, strict=True))


def spent(cost: Cost, since_ms: int, until_ms: int) -> float:
    """The part of a cost that falls into a period, as if it were spent evenly."""
    overlap = min(cost.until_ms, until_ms) - max(cost.from_ms, since_ms)
    return cost.amount * max(overlap, 0) / (cost.until_ms - cost.from_ms)


def _read_day(node: Node, report: Report) -> int | None:
    try:
        return int(datetime.strptime(str(node.value), "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        report.add(node, f"{node} is not a day", f'write `"{_guess_day(str(node.value))}"`')
        return None


def _guess_day(text: str) -> str:
    """A day in another notation, as the file has it; else an example."""
    for notation in ("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%Y%m%d"):
        try:
            return f"{datetime.strptime(text, notation).replace(tzinfo=UTC):%Y-%m-%d}"
        except ValueError:
            continue
    return "2026-11-01"


_KEYS_ELSEWHERE: Final = {
    **dict.fromkeys(("amount", "spend", "value", "price", "budget"), "cost"),
    **dict.fromkeys(("start", "begin", "since", "first", "start_date"), "from"),
    **dict.fromkeys(("end", "until", "last", "end_date", "till"), "to"),
    **dict.fromkeys(("channel", "utm"), "source"),
}


_DAY = Kind(_read_day, {}, '"2026-11-01"')
_COST = struct_of(
    "a cost",
    {
        "source": Field(TEXT, "the utm_source", required=True),
        "medium": Field(TEXT, "the utm_medium; left out: any"),
        "campaign": Field(TEXT, "the utm_campaign; left out: any"),
        "cost": Field(CAP, "the amount, in your currency", required=True),
        "from": Field(_DAY, "the first day, UTC", required=True),
        "to": Field(_DAY, "the last day, UTC", required=True),
    },
    '{source: google, cost: 1200, from: "2026-11-01", to: "2026-11-30"}',
    _KEYS_ELSEWHERE,
)
_FILE = struct_of(
    "a costs file",
    {
        "leadglow_costs": Field(VERSION, "the version of this format", required=True),
        "currency": Field(CURRENCY, "the currency of all costs, and of amounts that name none"),
        "costs": Field(list_of(_COST), "the list of costs", required=True),
    },
    "leadglow_costs: 1",
)


def _check(file: Struct, report: Report) -> None:
    for cost in file.get("costs", ()):
        if cost.get("to", 0) < cost.get("from", 0) and not cost.broken & {"from", "to"}:
            report.add(cost.nodes["to"], "this is before the first day", "write the same day, or a later one")


def _costs_of(file: Struct) -> tuple[Cost, ...]:
    return tuple(_cost_of(each, file.get("currency", "")) for each in file.get("costs"))


def _cost_of(struct: Struct, currency: str) -> Cost:
    source, medium, campaign = (struct.get(name, "") for name in ("source", "medium", "campaign"))
    first, last = struct.get("from"), struct.get("to")
    return Cost(source, medium, campaign, struct.get("cost"), first, last + DAY_MS, currency)


COSTS_FORMAT: Final = Format(_FILE, _costs_of, _check)
"""Costs files."""
