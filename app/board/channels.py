"""Qualified leads by the channel that brought them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import Any, Final, NamedTuple

from app.board.costs import Cost, covers, spent
from streams.events.times import parse_ms

Channel = tuple[str, str, str]
"""Source, medium and campaign; empty where there is none."""
MOST_ENTRIES: Final = 100_000
MOST_SOURCES: Final = 1000
MOST_ROWS: Final = 200
OTHERS: Final = "others"
"""What the last row sums up where there are more."""
_HOUR_MS: Final = 3_600_000
_NAMES: Final = ("source", "medium", "campaign")


class Qualified(NamedTuple):
    """When a lead was handed over, and what had brought it."""

    at_ms: int
    seen_ms: int
    """When it was seen first."""
    first: Channel
    last: Channel


class Handovers:
    """The leads that entered a stage with handoff, each entry with its channels."""

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        """Keep so many, the latest that were read."""
        self._most = most
        self._entries: dict[tuple[str, str, str, int], Qualified] = {}
        self.sources: Counter[tuple[str, str]] = Counter()
        """How often leads of a scorecard came by a source last; anybody can make up sources, so they are bounded."""
        self.since_ms: int | None = None
        """The instant of the oldest alert that was ever read."""

    def note(self, alert: dict[str, Any]) -> None:
        """Take in an alert, in the form of ``alerts.alert_of``."""
        at_ms = parse_ms(alert["at"]) or 0
        self.since_ms = at_ms if self.since_ms is None else min(self.since_ms, at_ms)
        if alert["kind"] != "entered":
            return
        channels = alert.get("channels") or {}
        seen_ms = parse_ms((alert.get("activity") or {}).get("first_seen_at")) or at_ms
        source = (alert["scorecard"], _channel(channels.get("last_touch"))[0])
        if source in self.sources or len(self.sources) < MOST_SOURCES:
            self.sources[source] += 1
        key = (alert["scorecard"], alert["lead_id"], alert["stage"], alert["episode"])
        self._entries[key] = Qualified(
            at_ms, seen_ms, *(_channel(channels.get(f"{t}_touch")) for t in ("first", "last"))
        )
        if len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]

    def within(self, scorecard: str, since_ms: int) -> list[Qualified]:
        """The first entry of each lead since then."""
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
    """One row a channel, that with the most qualified leads first."""
    hours: dict[Channel, list[float]] = {}
    for entry in qualified:
        channel = entry.first if touch == "first" else entry.last
        hours.setdefault(channel, []).append(max(entry.at_ms - entry.seen_ms, 0) / _HOUR_MS)
    money = _shared(costs, hours, since_ms, until_ms)
    total = sum(map(len, hours.values()))
    found = sorted({**hours, **money}, key=lambda channel: (-len(hours.get(channel, ())), channel))
    kept, rest = found[:MOST_ROWS], found[MOST_ROWS:]
    rows = [_row(channel, hours.get(channel, []), money.get(channel), total) for channel in kept]
    if rest:
        spent_there = [money[channel] for channel in rest if channel in money]
        joined = [hour for channel in rest for hour in hours.get(channel, ())]
        rows.append(_row((OTHERS, "", ""), joined, sum(spent_there) if spent_there else None, total))
    return rows


def _shared(
    costs: Iterable[Cost], hours: dict[Channel, list[float]], since_ms: int, until_ms: int
) -> dict[Channel, float]:
    """What each channel cost: a cost that covers several is shared by their qualified leads."""
    money: dict[Channel, float] = {}
    for cost in costs:
        amount = spent(cost, since_ms, until_ms)
        if not amount:
            continue
        covered = [channel for channel in hours if covers(cost, channel)] or [(cost.source, cost.medium, cost.campaign)]
        heads = sum(len(hours.get(channel, ())) for channel in covered)
        for channel in covered:
            share = len(hours[channel]) / heads if heads else 1.0
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
