"""Qualified leads by the channel that brought them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, Final, NamedTuple

from app.board.costs import Cost, covers, spent
from streams.events.times import parse_ms
from streams.units import HOUR_MS

Channel = tuple[str, str, str]
"""Source, medium and campaign; empty if missing."""
MAX_ENTRIES: Final = 100_000
MAX_SOURCES: Final = 1000
MAX_ROWS: Final = 200
OTHERS: Final = "others"
"""Name of the last row, which sums up the channels beyond the limit."""
_NAMES: Final = ("source", "medium", "campaign")


class Qualified(NamedTuple):
    """A lead that was handed over: when, and through which channels it came."""

    at_ms: int
    seen_ms: int
    """When the lead was first seen."""
    first: Channel
    last: Channel


class Handovers:
    """Leads that entered a stage with handoff, each entry with its channels."""

    def __init__(self, most: int = MAX_ENTRIES) -> None:
        """Keep the latest ``most`` that were read."""
        self._most = most
        self._entries: dict[tuple[str, str, str, int], Qualified] = {}
        self.sources: Counter[tuple[str, str]] = Counter()
        """(scorecard, last source) -> number of entries; limited, as anybody can invent sources."""
        self.since_ms: int | None = None
        """Time of the oldest alert that was read."""

    @property
    def is_full(self) -> bool:
        """Whether older entries may have been dropped."""
        return len(self._entries) >= self._most

    def add_alert(self, alert: dict[str, Any]) -> None:
        """Add an alert, in the form of ``alerts.alert_of``."""
        at_ms = parse_ms(alert["at"]) or 0
        self.since_ms = at_ms if self.since_ms is None else min(self.since_ms, at_ms)
        if alert["kind"] != "entered":
            return
        channels = alert.get("channels") or {}
        seen_ms = parse_ms((alert.get("activity") or {}).get("first_seen_at")) or at_ms
        source = (alert["scorecard"], _channel(channels.get("last_touch"))[0])
        if source in self.sources or len(self.sources) < MAX_SOURCES:
            self.sources[source] += 1
        key = (alert["scorecard"], alert["lead_id"], alert["stage"], alert["episode"])
        self._entries[key] = Qualified(
            at_ms, seen_ms, *(_channel(channels.get(f"{t}_touch")) for t in ("first", "last"))
        )
        if len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]

    def qualified_since(self, scorecard: str, since_ms: int) -> list[Qualified]:
        """The first entry of each lead since ``since_ms``."""
        firsts: dict[str, Qualified] = {}
        for (card, lead_id, _, _), entry in self._entries.items():
            if card == scorecard and entry.at_ms >= since_ms:
                known = firsts.get(lead_id)
                firsts[lead_id] = entry if known is None or entry.at_ms < known.at_ms else known
        return list(firsts.values())


def _channel(touch: dict[str, Any] | None) -> Channel:
    source, medium, campaign = (str((touch or {}).get(name) or "") for name in _NAMES)
    return source, medium, campaign


def channel_rows(
    qualified: Iterable[Qualified], touch: str, costs: Iterable[Cost], since_ms: int, until_ms: int
) -> list[dict[str, Any]]:
    """One row per channel, the one with the most qualified leads first."""
    hours: dict[Channel, list[float]] = {}
    for entry in qualified:
        channel = entry.first if touch == "first" else entry.last
        hours.setdefault(channel, []).append(max(entry.at_ms - entry.seen_ms, 0) / HOUR_MS)
    money = share_costs(costs, {channel: len(each) for channel, each in hours.items()}, since_ms, until_ms)
    total = sum(map(len, hours.values()))
    found = sorted({**hours, **money}, key=lambda channel: (-len(hours.get(channel, ())), channel))
    kept, rest = found[:MAX_ROWS], found[MAX_ROWS:]
    rows = [_row(channel, hours.get(channel, []), money.get(channel), total) for channel in kept]
    if rest:
        spent_there = [money[channel] for channel in rest if channel in money]
        joined = [hour for channel in rest for hour in hours.get(channel, ())]
        rows.append(_row((OTHERS, "", ""), joined, sum(spent_there) if spent_there else None, total))
    return rows


def share_costs(
    costs: Iterable[Cost], leads: Mapping[Channel, int], since_ms: int, until_ms: int
) -> dict[Channel, float]:
    """The cost of each channel; a cost that covers several is split by their ``leads``."""
    money: dict[Channel, float] = {}
    for cost in costs:
        amount = spent(cost, since_ms, until_ms)
        if not amount:
            continue
        covered = [channel for channel in leads if covers(cost, channel)] or [(cost.source, cost.medium, cost.campaign)]
        heads = sum(leads.get(channel, 0) for channel in covered)
        for channel in covered:
            share = leads[channel] / heads if heads else 1.0
            money[channel] = money.get(channel, 0.0) + amount * share
    return money


def _row(channel: Channel, hours: list[float], cost: float | None, total: int) -> dict[str, Any]:
    number = len(hours)
    return {
        **dict(zip(_NAMES, channel, strict=True)),
        "qualified": number,
        "share": number / total if total else 0.0,
        "median_hours_to_qualified": round(median(hours), 3) if hours else None,
        "cost": None if cost is None else round(cost, 2),
        "cost_per_qualified": None if cost is None or not number else round(cost / number, 2),
    }
