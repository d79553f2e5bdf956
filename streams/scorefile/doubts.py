"""Finds what a scorecard file may contain, but what cannot be meant: conditions that never hold, blocks for ever."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from itertools import accumulate
from typing import Any

from streams.counts import count_of
from streams.scorefile.conditions import OPERATORS
from streams.scorefile.contradictions import is_never_positive, wants_false
from streams.scorefile.impossible import check_possible
from streams.scorefile.operations import check_texts, is_bare_path, operations_of
from streams.scorefile.parts import find_lone_word
from streams.scorefile.remedies import event_remedy
from streams.scorefile.texts import check_quotes
from streams.scorefile.time_checks import may_be_absent
from streams.scorefile.timed import block_of, ending_blocks, plain_blocks
from streams.scorefile.trait_doubts import check_trait_doubts
from streams.scorefile.vocabulary import OBJECTS, correct_event_path, find_standard_event
from streams.scoring.scorecard import EVERYTHING, Block
from streams.yamlfile.kinds import Item, Struct
from streams.yamlfile.source import spell
from streams.yamlfile.tree import Node, Report

_ACROSS = re.compile(
    r"(?i)(.*_)?(count|times|frequency|occurrences|visits|inactiv\w*|no_activity\w*|not_seen\w*|days_since\w*"
    r"|last_(seen|visit|activity|active|\d+)\w*|within\w*|in_(the_)?last\w*|time_?(frame|window)|date_range)"
)
"""Words about the number and the times of events."""
_BETWEEN_EVENTS = re.compile(r",|;|\|+| OR | AND ")
_MONTHS = re.compile(r"([1-9]|1\d|2[0-4])m")
"""A few minutes that may be meant as months."""
_KEYS = ("half_life", "limit", "distinct", "amount", "where")


def check_doubts(file: Struct, report: Report) -> None:
    """Warn of what is surprising, and refuse what can never match."""
    signals: Mapping[str, Item] = file.get("signals", {})
    for item in signals.values():
        if item.value is not None:
            _check_signal(item.value, report)
    for item in file.get("scorecards", {}).values():
        if item.value is not None:
            _check_card(item.value, signals, report)


def _check_signal(signal: Struct, report: Report) -> None:
    if "event" in signal.nodes and "event" not in signal.broken:
        _check_events(signal.nodes["event"], report)
    _check_months("half_life", signal, report)
    for key in ("distinct", "amount", "show"):
        if key in signal.nodes and key not in signal.broken:
            for path in node.value if isinstance((node := signal.nodes[key]).value, list) else [node]:
                _check_event_path(path, report)
                _check_object(path, report)
    if "where" in signal.nodes and not signal.broken & {"where", "event"}:
        _check_where(signal, signal.nodes["where"], report)


def _check_months(key: str, struct: Struct, report: Report) -> None:
    """Warn of minutes that may be meant as months."""
    node = struct.nodes.get(key)
    found = _MONTHS.fullmatch(str(node.value)) if node is not None else None
    if node is not None and found:
        count = int(found[1])
        message = f"{node} is {count_of(count, 'minute')}, and there are no months"
        report.warn(node, message, f"write `{count * 30}d`, or `{count * 60}s` if minutes are meant")


def _check_where(signal: Struct, where: Node, report: Report) -> None:
    operations = list(operations_of(where))
    for path, operand in {path: operand for path, _, operand in operations}.items():
        if doubt := find_lone_word(path, operand, OPERATORS, in_event=True):
            report.warn(path, *doubt)
        else:
            _check_event_path(path, report)
        _check_calls(path, signal.get("event", ()), report)
        if any(each is path and operator != "exists" for each, operator, _ in operations):
            _check_object(path, report)
    check_texts(operations, report)
    condition = signal.get("where", EVERYTHING)
    check_possible(where, condition, report, signal.get("event", ()))
    if wants_false(condition, "properties.automated"):
        at = next(path for path, _, _ in operations if path.value == "properties.automated")
        remedy = "remove this condition: without it, only people count"
        report.warn(at, "events of people normally have no `properties.automated`", remedy)
    amount = signal.get("amount")
    if amount is not None and is_never_positive(condition, amount):
        remedy = "remove `amount`, and give the signal negative points"
        report.warn(signal.nodes["amount"], "the amount is always 0: a number below 0 counts as 0", remedy)


def _check_events(node: Node, report: Report) -> None:
    items = node.value if isinstance(node.value, list) else [node]
    names = {str(item.value) for item in items}
    for item in items:
        parts = [part.strip() for part in _BETWEEN_EVENTS.split(str(item.value))]
        if all(parts) and len(parts) > 1:
            shown = ", ".join(spell(part) for part in parts)
            report.warn(item, f"{item} is one name", f"write `[{shown}]` for several events")
            continue
        if not check_quotes(item, report):
            continue
        standard = find_standard_event(str(item.value))
        remedy = f"write `{standard}`" if standard and standard not in names else event_remedy(str(item.value))
        if remedy:
            report.warn(item, f"{item} matches only track calls of exactly this name", remedy)


def _check_object(path: Node, report: Report) -> None:
    """Warn of a path that leads to fields, which equal nothing."""
    if path.value in OBJECTS:
        report.warn(path, f"{path} has fields, and no value of its own", f"write a path, such as `{path.value}.name`")


def _check_event_path(node: Node, report: Report) -> None:
    if not is_bare_path(node, report):
        return
    corrected = correct_event_path(str(node.value)) if check_quotes(node, report) else ""
    if re.search(r"\.\d+(\.|$)|\[", str(node.value)):
        report.warn(node, f"{node} leads into a list, and paths cannot", "read a field outside the list")
    if corrected and node.value in _KEYS:
        report.warn(node, f"{node} is a key of the signal", f"move it out of `where`, or write `{corrected}`")
    elif corrected and _ACROSS.fullmatch(str(node.value)):
        remedy = f"use `window` and `at_least`, or write `{corrected}` if events have it"
        report.warn(node, f"{node} is about several events, and a condition sees one", remedy)
    elif corrected:
        report.warn(node, f"events have no field {node} of their own", f"write `{corrected}`")


def _check_calls(path: Node, events: Collection[str], report: Report) -> None:
    """Warn of `traits` where no event has them: at the top, they are those of identify and group calls."""
    first, _, rest = str(path.value).partition(".")
    if (
        first == "properties"
        and rest not in ("", "automated")
        and events
        and not set(events) - {"identify", "group", "alias"}
    ):
        remedy = f"write `traits.{rest}`" if "alias" not in events else "remove this"
        report.warn(path, f"identify, group and alias calls have no {path}", remedy)
    if first == "traits" and rest and events and not {"identify", "group"} & set(events):
        message = f"only identify and group calls have {path}"
        report.warn(path, message, f"write `context.traits.{rest}`, or test the trait in `fit`")


def _check_points(card: Struct, report: Report) -> None:
    keys = card.node.value if isinstance(card.node.value, dict) else {}
    worths = [
        item.value.points or item.value.absent for item in card.get("points", {}).values() if item.value is not None
    ]
    lines = [line for line in card.get("fit", ()) if line is not None and card.get("fit_max") != 0]
    worths += [line.get("points", line.get("times")) for line in lines]
    if not report.mistakes and len(keys) == len(card.nodes) and not any(worths):
        report.warn(card.node, "this scorecard gives no points, so every score is 0", "add `points` or `fit`")


def _check_card(card: Struct, signals: Mapping[str, Item], report: Report) -> None:
    _check_points(card, report)
    for item in card.get("categories", {}).values():
        if item.value is not None and not item.value.broken:
            _check_category(item.value, card.get("points", {}), report)
    check_trait_doubts(card, report)
    if (sales := card.get("sales")) is not None and not card.broken & {"sales", "stages"}:
        _check_sales(card, sales, report)
    if "target" in card.nodes and not card.broken & {"target", "stages"}:
        _check_target(card, report)
    _check_stage_order([stage for stage in card.get("stages", ()) if stage is not None and not stage.broken], report)
    for stage in card.get("stages", ()):
        if stage is not None:
            _check_stage(stage, signals, report)


def _check_target(card: Struct, report: Report) -> None:
    """Warn of a target that no stage can meet."""
    is_shadow = card.get("shadow")
    if is_shadow or not any(stage is not None and stage.get("handoff") for stage in card.get("stages", ())):
        why = "a scorecard with `shadow: true` hands over no leads" if is_shadow else "no stage has `handoff: true`"
        report.warn(card.nodes["target"], f"{why}, so the target is never met", "remove it, or name a stage for sales")


def _check_sales(card: Struct, sales: Struct, report: Report) -> None:
    """Warn of terms of sales without effect, and of minutes that may be meant as months."""
    _check_months("recycle_after", sales, report)
    if not any(stage is not None and stage.get("handoff") for stage in card.get("stages", ())):
        message = "no stage has `handoff: true`, so rejected leads are held out of none"
        report.warn(card.nodes["sales"], message, "write `handoff: true` at the stage for sales, or remove this")


def _check_stage_order(stages: list[Struct], report: Report) -> None:
    """Warn of a stage that no lead shows, since those in it are in a later one, too."""
    for high, low in zip(accumulate(stages, _higher), stages[1:], strict=False):
        blocks = [_blocks_of(stage) for stage in (low, high)]
        below = low.get("enter") < high.get("enter") and low.get("leave") <= high.get("leave")
        if below and low.get("needs") is None and low.get("keep") is None and blocks[0] <= blocks[1]:
            names = [stage.get("name").value for stage in (high, low)]
            message = f"leads in `{names[0]}` are in `{names[1]}` too, and show the later of the two"
            remedy = f"write `{names[1]}` before `{names[0]}`: the highest stage last"
            report.warn(low.nodes["name"], message, remedy)
            return


def _blocks_of(stage: Struct) -> set[Block]:
    """Everything that blocks a stage."""
    return {Block(item.value) for item in plain_blocks(stage)} | {block_of(each) for each in ending_blocks(stage)}


def _higher(first: Struct, second: Struct) -> Struct:
    return second if second.get("enter") > first.get("enter") else first


def _check_category(category: Struct, points: Mapping[str, Item], report: Report) -> None:
    """Warn of a bound that gives points to leads that did nothing."""
    if category.get("min", -math.inf) > category.get("max", math.inf):
        return
    worths = [points[item.value].value for item in category.get("signals", ()) if item.value in points]
    known = [worth.points for worth in worths if worth is not None]
    for key, other, wrong in (
        ("max", "min", category.get("max", 0.0) < 0),
        ("min", "max", category.get("min", 0.0) > 0),
    ):
        if wrong:
            bound = category.get(key)
            message = f"`{key}` {bound:g} gives every lead {bound:g} points, also without these signals"
            remedy = f"write `{other}: {bound:g}`, or `{key}: 0`"
            if known and all(each * bound < 0 for each in known):
                remedy = f"write `{key}: {-bound:g}`"
            report.warn(category.nodes[key], message, remedy)


def _check_stage(stage: Struct, signals: Mapping[str, Item], report: Report) -> None:
    for item in plain_blocks(stage):
        _check_block(item, signals, report)
    _check_months("cooldown", stage, report)
    _check_keep(stage, report)
    if "cooldown" in stage.values and not stage.get("handoff") and not stage.broken:
        message = "`cooldown` has no effect on a stage without alerts"
        report.warn(stage.nodes["cooldown"], message, "add `handoff: true`, or remove it")


def _check_keep(stage: Struct, report: Report) -> None:
    """Warn of needs that are lower than what a lead must keep."""
    needs, keep = stage.get("needs"), stage.get("keep")
    for key in ("fit", "engagement"):
        need, kept = (each.get(key) if each is not None else None for each in (needs, keep))
        reachable = kept is not None and not report.has_mistake(keep.nodes[key])
        if need is not None and reachable and need < kept:
            message = f"`keep` asks for {key} {kept:g}, also to enter, so {need:g} has no effect"
            report.warn(needs.nodes[key], message, f"remove it, or write more than {kept:g}")


def _check_block(item: Any, signals: Mapping[str, Item], report: Report) -> None:
    found = signals.get(item.value) if isinstance(item, Item) else None
    if found is None or found.value is None or found.value.broken:
        return
    remedy = f"write `{{signal: {item.value}, for: 30d}}` for a time, or give it `half_life: never`"
    if "window" in found.value.values:
        message = f"`{item.value}` blocks for as long as anything is left of it, which is its window"
        report.warn(item.node, message, remedy)
    elif not may_be_absent(found.value):
        message = f"`{item.value}` fades, and blocks for as long as anything is left of it, which is for ever"
        report.warn(item.node, message, remedy)
