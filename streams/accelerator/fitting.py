"""Decide which leads fit into the table; all others stay objects."""

from __future__ import annotations

from streams.accelerator.layout import MAX_ENTRIES, MAX_SIGNALS
from streams.accelerator.rules import keeps_latest
from streams.scoring.counting import DISTINCT_VALUES
from streams.scoring.lead import Lead, detail_key
from streams.scoring.rules import Rules


def fits(lead: Lead, rules: Rules) -> bool:
    """Whether a lead can be held in columns: its windows hold no amounts, and its details only amounts or only values.

    All rows are as wide as the widest lead, so a lead with very many signals does not fit.
    """
    if len(lead.signals) > MAX_SIGNALS:
        return False
    if list(lead.ledgers) != [signal for signal in lead.signals if signal in lead.ledgers]:
        return False
    for signal, ledger in lead.ledgers.items():
        if len(ledger.entries) > MAX_ENTRIES or any(entry[1] or entry[2] != 1 for entry in ledger.entries):
            return False
        rule = rules.by_id.get(signal)
        if rule is not None and rule.owner is not None:
            return False  # a block that ends may hold
        most = MAX_ENTRIES if rule is not None and rule.window_ms else DISTINCT_VALUES
        if len(ledger.entries) >= most and not (ledger.entries[-1][3] or keeps_latest(rule)):
            return False  # the ledger of a limited signal is full, so the kernel could not count any more
    return not lead.details or has_amounts(lead) or _has_values(lead)


def has_amounts(lead: Lead) -> bool:
    """Whether the details of a lead are amounts, without a value among them."""
    return bool(lead.details) and not any(value for _, _, value in lead.details.values())


def _has_values(lead: Lead) -> bool:
    """Whether the details of a lead are values with an amount of 1, in the order of its events."""
    found = valued(lead)
    return len(found) == len(lead.details) == len({i for i, *_ in found}) and all(value for *_, value in found)


def valued(lead: Lead) -> list[tuple[int, tuple[int, ...], int, int]]:
    """List (index, set of signals, distinct signal, value hash) of the recent events that counted a value.

    Only events with an amount of 1, up to the first one that is not in the order of ``Lead.details``.
    """
    found: list[tuple[int, tuple[int, ...], int, int]] = []
    order = iter(lead.details.items())
    wanted, detail = next(order, (b"", []))
    for i, (digest, at, signals, _) in enumerate(lead.remembered()):
        for signal in signals:
            if detail_key(digest, at, signal) == wanted and detail[:2] == ["", 1]:
                found.append((i, signals, signal, detail[2]))
                wanted, detail = next(order, (b"", []))
    return found
