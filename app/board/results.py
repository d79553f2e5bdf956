"""Adds up what became of the leads that were handed over to sales: acceptance, time to contact, deals, costs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from statistics import median
from typing import Any, Final, NamedTuple

from app.board.channels import MAX_ROWS, OTHERS, share_costs
from app.board.costs import Cost
from app.board.handovers import Handover, count_without_alert, find_handovers, valid_rows
from streams.scoring.buckets import Buckets
from streams.scoring.sales_rows import Channel, SalesRow
from streams.scoring.scorecard import Scorecard, Target
from streams.scoring.verdict_counts import OTHER
from streams.shard.alert import rfc3339
from streams.units import HOUR_MS

View = dict[str, Any]
MIN_PERIODS: Final = 4
MAX_PERIODS: Final = 14
SOON_MS: Final = 24 * HOUR_MS
_NAMES: Final = ("source", "medium", "campaign")
_OTHERS: Final[Channel] = (OTHERS, "", "")


class Asked(NamedTuple):
    """What results are asked for."""

    scorecard: str
    touch: str
    """``first`` or ``last``: the touch whose channel counts."""
    since_ms: int
    until_ms: int
    known_ms: int = 0
    """The time of the first row of all: costs count from then on, as of leads before it nothing is known."""

    @property
    def costs_since_ms(self) -> int:
        """From when on costs count."""
        return max(self.since_ms, self.known_ms)


class Seen(NamedTuple):
    """The leads that were seen in a time, by channel."""

    leads: Mapping[Channel, float]
    is_estimate: bool


def first_needed_ms(card: Scorecard, asked: Asked) -> int:
    """The time of the first rows that ``build_results`` reads."""
    buckets, numbers = _periods(card.target, asked)
    return min(asked.since_ms, buckets.start_ms(numbers[0]))


def build_results(
    cards: Sequence[Scorecard], asked: Asked, rows: Iterable[SalesRow], costs: Sequence[Cost], seen: Seen
) -> View:
    """The results of one scorecard, and a line for each of the others."""
    card = next(each for each in cards if each.name == asked.scorecard)
    currency = next((cost.currency for cost in costs), "")
    kept = valid_rows(rows)
    found = find_handovers(kept, currency)
    handed = _within(found.get(card.name, ()), asked)
    return {
        "scorecard": card.name,
        "since": rfc3339(asked.since_ms),
        "until": rfc3339(asked.until_ms),
        "touch": asked.touch,
        "currency": currency,
        "costs_since": rfc3339(asked.costs_since_ms),
        "total": add_up(handed),
        "contact": _contact(handed),
        "without_alert": count_without_alert(row for row in kept if row.at_ms >= asked.since_ms),
        "target": None if card.target is None else {"leads": card.target.count, "period": card.target.period},
        "periods": _period_rows(card.target, asked, found.get(card.name, ())),
        "scorecards": [
            {"name": each.name, "label": each.label or each.name, **add_up(_within(found.get(each.name, ()), asked))}
            for each in cards
            if not each.shadow
        ],
        "stages": [
            {"name": stage.name, "label": stage.label or stage.name}
            | add_up([each for each in handed if each.stage == stage.name])
            for stage in card.stages
            if stage.handoff
        ],
        "reasons": _reasons(card, handed),
        "channels": _channel_rows(handed, asked, costs, seen),
        "seen_is_estimate": seen.is_estimate,
    }


def add_up(handed: Sequence[Handover]) -> View:
    """The figures of some handovers, the earliest first.

    Leads, won and open ones count once, all else each time. Open ones are not decided since their last alert.
    """
    leads, won = {each.lead for each in handed}, {each.lead for each in handed if each.deal == "won"}
    decided = Counter(each.decision for each in handed)
    accepted, rejected = decided["accepted"], decided["rejected"]
    waits = [wait for each in handed if (wait := _wait_ms(each)) is not None]
    return {
        "leads": len(leads),
        "handovers": len(handed),
        "open": sum(not each.decision for each in {each.lead: each for each in handed}.values()),
        "contacted": len(waits),
        "median_hours_to_contact": _hours(median(waits)) if waits else None,
        "accepted": accepted,
        "rejected": rejected,
        "acceptance": _share(accepted, accepted + rejected),
        "opportunities": sum(bool(each.deal) for each in handed),
        "won": len(won),
        "lost": sum(each.deal == "lost" for each in handed),
        "won_share": _share(len(won), len(leads)),
        "revenue": _revenue(handed),
    }


def _within(handed: Iterable[Handover], asked: Asked) -> list[Handover]:
    return [each for each in handed if asked.since_ms <= each.at_ms < asked.until_ms]


def _wait_ms(each: Handover) -> int | None:
    return None if each.contacted_ms is None else max(each.contacted_ms - each.at_ms, 0)


def _hours(ms: float) -> float:
    return round(ms / HOUR_MS, 3)


def _share(part: float, whole: float) -> float | None:
    return min(part / whole, 1.0) if whole else None


def _revenue(handed: Iterable[Handover]) -> list[View]:
    """The amounts won in each currency, the greatest first; different currencies are never added."""
    sums: dict[str, float] = {}
    for each in handed:
        if each.deal == "won" and each.amount is not None:
            sums[each.currency] = sums.get(each.currency, 0.0) + each.amount
    rows = sorted(sums.items(), key=lambda row: (-row[1], row[0]))
    return [{"currency": currency, "amount": round(amount, 2)} for currency, amount in rows]


def _contact(handed: Iterable[Handover]) -> View:
    waits = sorted(wait for each in handed if (wait := _wait_ms(each)) is not None)
    return {
        "median_hours": _hours(median(waits)) if waits else None,
        "p90_hours": _hours(waits[ceil(0.9 * len(waits)) - 1]) if waits else None,
        "within_24_h": _share(sum(wait <= SOON_MS for wait in waits), len(waits)),
    }


def _reasons(card: Scorecard, handed: Iterable[Handover]) -> list[View]:
    """The reasons of rejected leads, the most frequent first; ``other`` is any that the scorecard does not list."""
    listed = () if card.sales is None else card.sales.reasons
    given = Counter(
        each.reason if each.reason in listed or not each.reason else OTHER
        for each in handed
        if each.decision == "rejected"
    )
    total = sum(given.values())
    return [
        {"reason": reason, "rejected": count, "share": count / total}
        for reason, count in sorted(given.items(), key=lambda row: (-row[1], row[0]))
    ]


# Volume --------------------------------------------------------------------------------------------------------------


def _periods(target: Target | None, asked: Asked) -> tuple[Buckets, range]:
    """The calendar periods that are shown: those of the time asked for, within limits, up to the current one."""
    buckets = Buckets("week" if target is None else target.period)
    last = buckets.number(asked.until_ms)
    many = min(max(last - buckets.number(asked.since_ms) + 1, MIN_PERIODS), MAX_PERIODS)
    return buckets, range(last - many + 1, last + 1)


def _period_rows(target: Target | None, asked: Asked, handed: Iterable[Handover]) -> list[View]:
    """The leads of each period, the latest first; a lead counts once in each."""
    buckets, numbers = _periods(target, asked)
    leads: dict[int, set[str]] = {number: set() for number in numbers}
    for each in handed:
        leads.setdefault(buckets.number(each.at_ms), set()).add(each.lead)
    return [
        {
            "from": rfc3339(buckets.start_ms(number)),
            "leads": len(leads[number]),
            "of_target": None if target is None else len(leads[number]) / target.count,
            "is_over": number < numbers[-1],
        }
        for number in reversed(numbers)
    ]


# Channels ------------------------------------------------------------------------------------------------------------


def _channel_rows(handed: Iterable[Handover], asked: Asked, costs: Sequence[Cost], seen: Seen) -> list[View]:
    """One row a channel, the one with the most leads first; those beyond the limit are summed up in the last."""
    groups: dict[Channel, list[Handover]] = {}
    for each in handed:
        groups.setdefault(each.first if asked.touch == "first" else each.last, []).append(each)
    leads = {channel: len({each.lead for each in group}) for channel, group in groups.items()}
    money = share_costs(costs, leads, asked.costs_since_ms, asked.until_ms)
    found = sorted({**groups, **money, **seen.leads}, key=lambda c: (-leads.get(c, 0), -seen.leads.get(c, 0), c))
    kept, rest = found[:MAX_ROWS], found[MAX_ROWS:]
    rows = [_channel_row(each, [each], groups, money, seen) for each in kept]
    return rows + ([_channel_row(_OTHERS, rest, groups, money, seen)] if rest else [])


def _channel_row(
    name: Channel,
    channels: Sequence[Channel],
    groups: Mapping[Channel, list[Handover]],
    money: Mapping[Channel, float],
    seen: Seen,
) -> View:
    figures = add_up([each for channel in channels for each in groups.get(channel, ())])
    spent = [money[channel] for channel in channels if channel in money]
    came = sum(seen.leads.get(channel, 0.0) for channel in channels)
    cost = sum(spent) if spent else None
    return {
        **dict(zip(_NAMES, name, strict=True)),
        "seen": max(round(came), figures["leads"]),
        "qualified_share": _share(figures["leads"], max(came, figures["leads"])),
        **figures,
        "cost": None if cost is None else round(cost, 2),
        "cost_per_won": None if cost is None or not figures["won"] else round(cost / figures["won"], 2),
    }
