"""Checks the words about time: what cannot be combined, and signals that cannot be used as guards or be absent."""

from __future__ import annotations

import math
from collections.abc import Mapping

from streams.yamlfile.kinds import Item, Struct, nearest
from streams.yamlfile.tree import Report

Signals = Mapping[str, Item]


def check_windows(signals: Signals, report: Report) -> None:
    """Report mistakes about the windows and half-lives of signals."""
    for name, item in signals.items():
        if item.value is not None:
            _check_window(item.value, report)
            _check_guards(name, item.value, signals, report)


def _check_window(signal: Struct, report: Report) -> None:
    if "window" not in signal.nodes:
        keys = signal.node.value if isinstance(signal.node.value, dict) else ()
        if "at_least" in signal.nodes and len(keys) == len(signal.nodes):
            report.add(signal.nodes["at_least"], "`at_least` counts the events of a window", "add `window: 30d`")
        return
    if "half_life" in signal.nodes:
        message = "a signal has a `window` or a `half_life`, and not both"
        report.add(signal.nodes["half_life"], message, "remove one of the two")
    if "amount" in signal.nodes:
        message = "a window counts events, and no amounts"
        report.add(signal.nodes["amount"], message, "remove `amount`, or write `half_life` in place of `window`")
    limit, least = signal.get("limit"), signal.get("at_least")
    if limit is not None and least is not None and limit.period == "ever" and limit.count < least:
        message = f"{least} events are never within the window: only {limit.count} count"
        report.add(signal.nodes["at_least"], message, f"write `limit: {least}/ever`, or a limit for a period")


def _check_guards(name: str, signal: Struct, signals: Signals, report: Report) -> None:
    states = signal.get("half_life")
    for guard, item in states.get("while", {}).items() if isinstance(states, Struct) else ():
        if guard not in signals:
            report.add(item.node, f"unknown signal `{guard}`", nearest(guard, [*signals]))
        elif guard == name or not may_be_absent(signals[guard].value):
            message = f"`{guard}` fades, so its amount stays above 0 for ever"
            if guard == name:
                message = f"`{name}` cannot be its own guard"
            report.add(item.node, message, "use a signal with a `window` or `half_life: never`")


def check_absence(card: Struct, signals: Signals, report: Report) -> None:
    """Report points for the absence of a signal that fades."""
    for name, item in card.get("points", {}).items():
        worth, signal = item.value, signals.get(name)
        if worth is not None and worth.absent and signal is not None and not may_be_absent(signal.value):
            message = f"`{name}` fades, so its amount never is 0 again"
            report.add(item.node, message, f"give `{name}` a `window` or `half_life: never`, or remove `absent`")


def may_be_absent(signal: Struct | None) -> bool:
    """Whether the amount of a signal is exactly 0 while nothing counts: it has a window or never fades."""
    if signal is None or signal.broken & {"half_life", "window"} or "window" in signal.values:
        return True
    half_life = signal.get("half_life", math.inf)
    return not isinstance(half_life, Struct) and math.isinf(half_life)
