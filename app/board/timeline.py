"""The recent activity of a lead: what each event was, with its points. Pure."""

from __future__ import annotations

from typing import Any, Final

from app.event_log import Failure, Found
from streams.events.activity import name_event
from streams.events.calls import check_call
from streams.scoring.lead import UNKNOWN_OFFSET, Lead
from streams.scoring.retraction import CountedSignal, counted_signals
from streams.scoring.rules import Rules, SignalRule
from streams.shard.alert import rfc3339

MAX_EVENTS: Final = 50
READ, GONE, UNKNOWN, UNREAD = "read", "gone", "unknown", "unread"
"""Whether an event was read from the log; if not, why."""
FAILURES: Final[dict[Failure, str]] = {
    "unreachable": "Kafka cannot be reached, so some events have no titles.",
    "too_slow": "Kafka did not answer in time, so some events have no titles.",
    "too_large": "The events are too large to read all of them, so some have no titles.",
}
MISSING: Final = {
    GONE: "no longer in the log",
    UNKNOWN: "scored before places in the log were kept",
    UNREAD: "",
}
"""Why an event has no title, in words."""


def build_activity(lead: Lead, rules: Rules, found: Found) -> dict[str, Any]:
    """The ``events`` of a lead, and a sentence if some could not be read from the log."""
    return {"events": build_timeline(lead, rules, found), "log_failure": FAILURES.get(found.failure)}


def build_timeline(lead: Lead, rules: Rules, found: Found | None = None) -> list[dict[str, Any]]:
    """The latest events that matched a signal, newest first; ``found`` are those that were read from the log."""
    ends = {(at, digest): end for digest, at, _, end in lead.remembered()}
    events: dict[tuple[int, bytes], list[CountedSignal]] = {}
    for item in counted_signals(lead):
        events.setdefault((item.row[0], item.digest), []).append(item)
    counted = _counted(lead, [item for items in events.values() for item in items], rules)
    rows = [
        _row(items, lead, rules, counted) | _what(items, ends[place], rules, found or Found(failure="unreachable"))
        for place, items in reversed(events.items())
    ]
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


def _what(items: list[CountedSignal], offset_end: int, rules: Rules, found: Found) -> dict[str, Any]:
    """What an event was, or why that is not known."""
    call = found.calls.get(items[0].digest)
    if call is None:
        missing = UNKNOWN if offset_end == UNKNOWN_OFFSET else UNREAD if found.failure else GONE
        return {"log": missing, "what": None}
    matched = [rule for item in items if (rule := rules.by_id.get(item.signal)) is not None]
    show = dict.fromkeys(path for rule in matched for path in rule.signal.show)
    return {"event": check_call(call), "log": READ, "what": name_event(call, show)}


def describe_event(row: dict[str, Any]) -> tuple[str, list[str]]:
    """What to show of an event in quotes, and further facts; both empty if it was not read."""
    what = row["what"] or {}
    shown = what.get("show", "")
    known = {name: text for name, text in what.items() if text not in shown.split(" · ")}
    facts = [known[name] for name in ("title", "path", "asset", "mail_subject", "form") if name in known]
    facts += [f"searched for {known['search']}"] if "search" in known else []
    facts += [f"campaign {known['campaign']}"] if "campaign" in known else []
    facts += [f"{what['amount']:,.15g} {what.get('currency', '')}".rstrip()] if "amount" in what else []
    facts += [f"{name}: {value}" for name, value in what.get("form_fields", {}).items()]
    return shown, facts


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
