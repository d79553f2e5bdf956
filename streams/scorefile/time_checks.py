"""Checks the words about time: what cannot be combined, and signals that cannot be used as guards or be absent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from streams.scorefile.timed import ending_blocks, plain_blocks
from streams.scoring.scorecard import Limit
from streams.units import DAY_MS
from streams.yamlfile.kinds import Item, Struct, nearest
from streams.yamlfile.tree import Report

Signals = Mapping[str, Item]
_SHORTEST_DAYS: Final = {"hour": 1 / 24, "day": 1, "week": 7, "month": 28, "quarter": 90, "year": 365}
"""The days of the shortest period of each kind."""


def check_windows(signals: Signals, report: Report) -> None:
    """Report mistakes about the windows and half-lives of signals."""
    for name, item in signals.items():
        if item.value is not None:
            _check_window(item.value, report)
            _check_guards(name, item.value, signals, report)


def _check_window(signal: Struct, report: Report) -> None:
    half_life, entries = signal.nodes.get("half_life"), signal.node.value
    if half_life is not None and isinstance(entries, dict) and any(key.value == "while" for key in entries):
        report.drop(half_life)  # that `while` is in the wrong place is the one mistake
    if "window" not in signal.nodes:
        keys = signal.node.value if isinstance(signal.node.value, dict) else ()
        if "at_least" in signal.nodes and len(keys) == len(signal.nodes):
            report.add(signal.nodes["at_least"], "`at_least` counts the events of a window", "add `window: 30d`")
        return
    if "half_life" in signal.nodes and "half_life" not in signal.broken:
        message = "a signal has a `window` or a `half_life`, and not both"
        report.add(signal.nodes["half_life"], message, "remove one of the two")
    if "amount" in signal.nodes:
        message = "a window counts events, and no amounts"
        report.add(signal.nodes["amount"], message, "remove `amount`, or write `half_life` in place of `window`")
    least, most = signal.get("at_least", 0), most_counted(signal)
    if least > most:
        limit = signal.get("limit")
        message = f"{least} events are never within the window: at most {most:g} count"
        remedy = f"write `at_least: {most:g}`, or `limit: {least}/{limit.period}`"
        report.add(signal.nodes["at_least"], message, remedy)


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


def check_blocks(stage: Struct, signals: Signals, report: Report) -> None:
    """Report blocks that never end, and signals that a stage needs although no lead can have them there."""
    for block in ending_blocks(stage):
        until, name = block.get("until"), block.get("signal").value
        if until is not None and until.value == name:
            message = f"`{name}` begins this block, so it cannot end it"
            report.add(until.node, message, "write another signal, or `for: 30d` in place of `until`")
        elif any(item.value == name for item in plain_blocks(stage)):
            message = f"`{name}` also blocks by its name alone, whatever ends this block"
            report.warn(block.node, message, "remove one of the two")
    needs = stage.get("needs")
    for item in needs.get("signals", ()) if needs is not None else ():
        if _blocks_while_present(item.value, stage, signals):
            message = f"no lead enters: while `{item.value}` has an amount above 0, it blocks this stage"
            report.add(item.node, message, "remove it here, or from `blocked_by`")


def _blocks_while_present(name: str, stage: Struct, signals: Signals) -> bool:
    """Whether a signal blocks a stage for as long as its amount is above 0, or for longer."""
    lasting = [block.get("for", 0) for block in ending_blocks(stage) if block.get("signal").value == name]
    signal = signals[name].value if name in signals else None
    window = signal.get("window", math.inf) if signal is not None else math.inf
    return any(item.value == name for item in plain_blocks(stage)) or any(window <= each for each in lasting)


def most_counted(signal: Struct) -> float:
    """An upper bound of the number of events of a signal that count at one time, those that fade as parts of one.

    The limit lets only some of each period count. At worst one period begins now, and the events of each
    earlier one are as late in it as can be.
    """
    limit: Limit | None = signal.get("limit")
    if limit is None or limit.period == "ever":
        return limit.count if limit is not None else math.inf
    period_ms = _SHORTEST_DAYS[limit.period] * DAY_MS
    if "window" in signal.values:
        window_ms: int = signal.get("window")
        return limit.count * (1 + math.ceil((window_ms - 1) / period_ms))
    half_life_ms = _longest_half_life(signal)
    if math.isinf(half_life_ms):
        return math.inf
    return limit.count * (1 + 1 / -math.expm1(-math.log(2) * period_ms / half_life_ms))


def _longest_half_life(signal: Struct) -> float:
    half_life = signal.get("half_life", math.inf)
    if not isinstance(half_life, Struct):
        return float(half_life)
    states = [item.value for item in half_life.get("while", {}).values()]
    return float(max([half_life.get("default", math.inf), *states]))


def may_be_absent(signal: Struct | None) -> bool:
    """Whether the amount of a signal is exactly 0 while nothing counts: it has a window or never fades."""
    if signal is None or signal.broken & {"half_life", "window"} or "window" in signal.values:
        return True
    half_life = signal.get("half_life", math.inf)
    return not isinstance(half_life, Struct) and math.isinf(half_life)
