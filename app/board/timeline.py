"""The recent activity of a lead, with the points of each event. Pure."""

from __future__ import annotations

from typing import Any, Final

from streams.scoring.lead import Lead
from streams.scoring.retraction import CountedSignal, counted_signals
from streams.scoring.rules import Rules, SignalRule
from streams.shard.alert import rfc3339

MAX_EVENTS: Final = 50


def build_timeline(lead: Lead, rules: Rules) -> list[dict[str, Any]]:
    """The latest events that matched a signal, newest first."""
    events: dict[tuple[int, bytes], list[CountedSignal]] = {}
    for item in counted_signals(lead):
        events.setdefault((item.row[0], item.digest), []).append(item)
    counted = _counted(lead, [item for items in events.values() for item in items], rules)
    rows = [_row(items, lead, rules, counted) for items in reversed(events.values())]
    rows = [row for row in rows if row["signals"]]
    return sorted(rows, key=lambda row: row["at"], reverse=True)[:MAX_EVENTS]


def _row(items: list[CountedSignal], lead: Lead, rules: Rules, counted: set[int]) -> dict[str, Any]:
    known = [(item, rule) for item in items if (rule := rules.by_id.get(item.signal)) is not None and not rule.owner]
    return {
        "at": rfc3339(items[0].row[0] + lead.base),
        "signals": [
            {"name": rule.name, "points": _points(item, rule, rules, id(item) in counted)}
            | ({"label": rule.label} if rule.label else {})
            for item, rule in known
        ],
        "event": _event([rule for _, rule in known], rules),
    }


def _points(item: CountedSignal, rule: SignalRule, rules: Rules, counts: bool) -> dict[str, float]:
    """The points for each scorecard at the time of the event, without caps."""
    cards = [card.card for card in rules.cards if rule.name in card.card.points]
    amount = item.row[2] if counts else 0
    return {card.name: round(card.points[rule.name].points * amount, 9) + 0.0 for card in cards}


def _event(matched: list[SignalRule], rules: Rules) -> str | None:
    """The event's name, if the matched signals have only one in common."""
    names = [set(signal.events) for signal in rules.model.signals if signal.name in {rule.name for rule in matched}]
    common = set.intersection(*names) if names else set()
    return common.pop() if len(common) == 1 else None


def _counted(lead: Lead, items: list[CountedSignal], rules: Rules) -> set[int]:
    """The ``id`` of the items that counted: all but those over a limit and those with a repeated value."""
    counted = set()
    for signal, group in _by_signal(items).items():
        rule, ledger = rules.by_id.get(signal), lead.ledgers.get(signal)
        if rule is None or rule.counter is None or ledger is None:
            counted |= set(map(id, group))
            continue
        entries = list(ledger.entries)
        first = entries[0][0] if entries else 0
        for item in group:
            if item.row in entries:
                entries.remove(item.row)  # equal items count one by one
                counted.add(id(item))
            elif ledger.closed and item.row[0] < first:
                counted.add(id(item))  # its bucket is closed and summed up
    return counted


def _by_signal(items: list[CountedSignal]) -> dict[int, list[CountedSignal]]:
    found: dict[int, list[CountedSignal]] = {}
    for item in items:
        found.setdefault(item.signal, []).append(item)
    return found
