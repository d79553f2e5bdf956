"""Checks a scorecard file for mistakes that the grammar cannot find: unknown names, unreachable bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from streams.scorefile.accounts import check_accounts
from streams.scorefile.doubts import check_doubts
from streams.scorefile.fit_names import find_fit_line, needs_of, report_fit_name
from streams.scorefile.models import scorecard_of, signal_of
from streams.scorefile.own_signals import name_own_signals
from streams.scorefile.remedies import points_key_remedy
from streams.scorefile.time_checks import check_absence, check_blocks, check_windows, most_counted
from streams.scorefile.timed import ending_blocks, plain_blocks, written_duration
from streams.scoring.counting import LATEST
from streams.scoring.scorecard import FitLine, Scorecard
from streams.yamlfile.kinds import NAME_PATTERN, Item, Struct, nearest, report_repeated
from streams.yamlfile.repairs import guess_name
from streams.yamlfile.tree import Node, Report

Signals = Mapping[str, Item]


def check(file: Struct, report: Report) -> None:
    """Report mistakes that concern several parts of a file; parts that could not be read are skipped."""
    signals: Signals = file.get("signals", {})
    _check_ids(signals, report)
    check_windows(signals, report)
    for name, item in file.get("scorecards", {}).items():
        if item.value is not None:
            _check_scorecard(name, item.value, _known(file), report)
    check_doubts(file, report)
    name_own_signals(file, report)


def _known(file: Struct) -> Signals | None:
    """The signals, with those that have a mistake in their name; None if they could not be read at all."""
    signals: Signals = file.get("signals", {})
    node = file.nodes.get("signals")
    if node is None or not isinstance(node.value, dict) or "signals" not in file.values:
        return None
    again = [value.value for key, value in file.node.repeated if key.value == "signals"]
    keys = [key for each in (node.value, *again) if isinstance(each, dict) for key in each]
    broken = {name: Item(key, None) for key in keys for name in (str(key.value), *guess_name(str(key.value)))}
    return {**broken, **signals}


def _check_ids(signals: Signals, report: Report) -> None:
    seen: dict[int, str] = {}
    for name, item in signals.items():
        if item.value is None or item.value.broken:
            continue
        other = next((seen[i] for i in signal_of(name, item.value).ids if seen.setdefault(i, name) != name), name)
        if other != name:
            report.add(item.node, f"`{name}` and `{other}` have the same 32-bit id", "rename one of the two")


def _check_scorecard(name: str, card: Struct, signals: Signals | None, report: Report) -> None:
    _check_points(card, signals, report)
    check_absence(card, signals or {}, report)
    _check_categories(card.get("categories", {}), signals, report)
    if (sales := card.get("sales")) is not None:
        report_repeated(sales.get("reasons", ()), lambda _: "the reason", "keep one of the two", report)
        report_repeated(sales.get("currencies", ()), lambda _: "the currency", "keep one of the two", report)
    stages = [stage for stage in card.get("stages", ()) if stage is not None]
    for stage in stages:
        for item in _signals_of(stage):
            _check_of_stage(item, stage, card, signals, report)
        for block in ending_blocks(stage):
            _check_end(block, signals, report)
        _check_order(stage, report)
        check_blocks(stage, signals or {}, report)
    _check_unique((stage.get("name") for stage in stages), "stage", report)
    misplaced = any(mistake.remedy.startswith("move it to") for mistake in report.mistakes)
    sound = not misplaced and not card.broken - {"stages", "label"}
    check_accounts(card, scorecard_of(name, card, ()) if sound else None, report)
    if signals is not None and sound:
        _check_bounds(scorecard_of(name, card, ()), card, stages, signals, report)


def _check_points(card: Struct, signals: Signals | None, report: Report) -> None:
    """Report unknown signals, and keys that belong elsewhere: with one mistake each, whatever their values are."""
    points: Signals = card.get("points", {})
    owner = next((name for name in points if name in (signals or ())), "pricing_visit")
    node = card.nodes.get("points")
    values: Mapping[Node, Node] = node.value if node is not None and isinstance(node.value, dict) else {}
    for name, item in points.items():
        value = values[item.node]
        worth = _raw_points(values[points[owner].node]) if owner in points else ""
        remedy = points_key_remedy(name, owner, worth, value.raw)
        if signals is None or (name in signals and re.match(NAME_PATTERN, name)):
            owner = name
        elif remedy:
            places = set(_places(value))
            report.mistakes[:] = [each for each in report.mistakes if (each.line, each.column) not in places]
            report.add(item.node, f"{item.node} is a key, and the name of a signal belongs here", remedy)
        else:
            _check_known(Item(item.node, name), signals, report)


def _raw_points(worth: Node) -> str:
    """The points of a signal as they are written."""
    entries = worth.value if isinstance(worth.value, dict) else {}
    return next((value.raw for key, value in entries.items() if key.value == "points"), worth.raw)


def _places(node: Node) -> Iterator[tuple[int, int]]:
    """The places of a value and of all values in it."""
    yield node.line, node.column
    inner = [*node.value, *node.value.values()] if isinstance(node.value, dict) else node.value
    for each in inner if isinstance(inner, list) else ():
        yield from _places(each)


def _check_known(item: Item, signals: Signals | None, report: Report) -> None:
    names = [name for name in signals or () if re.match(NAME_PATTERN, name)]
    if signals is not None and item.value is not None and item.value not in names:
        remedy = nearest(item.value, names)
        counting = [name for name in names if item.value in _events(signals[name])]
        if remedy.startswith("use one of") and len(counting) == 1:
            remedy = f"write `{counting[0]}`, the signal that counts this event"
        report.add(item.node, f"unknown signal {item.node}", remedy)


def _check_of_stage(item: Item, stage: Struct, card: Struct, signals: Signals | None, report: Report) -> None:
    """Report an unknown signal of a stage; a fit line may be meant."""
    unknown = signals is not None and item.value is not None and item.value not in signals
    line = find_fit_line(str(item.value), card) if unknown else None
    if line is not None:
        report_fit_name(item, line, stage, report)
    else:
        _check_known(item, signals, report)


def _check_end(block: Struct, signals: Signals | None, report: Report) -> None:
    """Report an unknown signal that ends a block: another one than begins it, or a duration is meant."""
    until, begin = block.get("until"), block.get("signal").value
    if until is None or signals is None or until.value in signals:
        return
    others = {name: item for name, item in signals.items() if name != begin}
    duration = written_duration(until.value)
    if duration or not others:
        message = f"{until.node} is {'a duration' if duration else 'no signal'}, and `until` takes another signal"
        report.add(until.node, message, f"write `for: {duration or '30d'}`")
    else:
        _check_known(until, others, report)


def _events(item: Item) -> Collection[str]:
    """The events of a signal, none if it could not be read."""
    return item.value.get("event", ()) if item.value is not None else ()


def _signals_of(stage: Struct) -> list[Item]:
    """The names of signals in a stage, without those that end a block."""
    begins = [block.get("signal") for block in ending_blocks(stage)]
    return [*plain_blocks(stage), *begins, *needs_of(stage)]


def _check_unique(items: Iterable[Item | None], noun: str, report: Report) -> None:
    report_repeated(items, lambda value: f"{noun} `{value}`", "keep one of the two", report)


def _check_categories(categories: Mapping[str, Item], signals: Signals | None, report: Report) -> None:
    readable = [item.value for item in categories.values() if item.value is not None]
    references = [item for category in readable for item in category.get("signals", ())]
    for item in references:
        _check_known(item, signals, report)
    _check_unique(references, "signal", report)
    for category in readable:
        low, high = category.get("min", -math.inf), category.get("max", math.inf)
        if low > high:
            report.add(category.nodes["min"], f"`min` {low:g} is above `max` {high:g}", "swap the two")


def _check_order(stage: Struct, report: Report) -> None:
    enter, leave = stage.get("enter"), stage.get("leave")
    if enter is not None and leave is not None and leave >= enter:
        message = f"`leave` {leave:g} is not below `enter` {enter:g}"
        report.add(stage.nodes["leave"], message, f"write a `leave` below {enter:g}")


def _check_bounds(card: Scorecard, struct: Struct, stages: list[Struct], signals: Signals, report: Report) -> None:
    _check_grades(card, struct, report)
    fit = min(card.fit_max, sum(max(0.0, _most_points(line)) for line in card.fit))
    for stage in stages:
        blocks = {item.value for item in plain_blocks(stage)}
        engagement = _most_engagement(card, signals, blocks)
        lowered = _most_engagement(card, signals, ()) - engagement
        _check_reach(stage, card, (fit, engagement, lowered), report)
        for needs in (stage.get("needs"), stage.get("keep")):
            for key, most in (("fit", fit), ("engagement", engagement)):
                if needs is not None and needs.get(key, -math.inf) > most:
                    shown = _rounded_down(most)
                    message = f"no lead reaches {key} {needs.get(key):g}: the most is {shown}"
                    report.add(needs.nodes[key], message, f"write {shown} or less")


def _rounded_down(number: float) -> str:
    """A number as text, with at most two decimals, that is not above it."""
    return f"{math.floor(number * 100 + 1e-6) / 100:.12g}"


def _most_points(line: FitLine) -> float:
    return line.points if line.times is None else line.maximum


def _check_reach(stage: Struct, card: Scorecard, most: tuple[float, float, float], report: Report) -> None:
    """Report a stage that no lead enters: by the most fit, the most engagement, and what its blockers take from it."""
    fit, engagement, lowered = most
    total = fit + engagement
    enter, leave = stage.get("enter"), stage.get("leave")
    if leave is not None and leave < card.minimum < (enter or 0.0):
        message = f"no score is below {leave:g}, so no lead leaves by its score"
        report.warn(stage.nodes["leave"], message, f"write {card.minimum:g} for the same, or more")
    if enter is None:
        return
    if not card.minimum <= enter <= card.maximum:
        message = f"`enter` {enter:g} is outside the range {card.minimum:g} to {card.maximum:g}"
        remedy = f"write a number from {card.minimum:g} to {card.maximum:g}"
        report.add(stage.nodes["enter"], message, remedy)
    elif enter > max(total, card.minimum):
        kept, shown = "signals that do not block it" if lowered else "signals", _rounded_down(engagement)
        message = f"no score reaches {enter:g}: fit adds at most {fit:g} and the {kept} at most {shown}"
        other = "raise a maximum"
        if total + lowered >= enter:
            other = "block by other signals"
        elif fit == engagement == 0:
            other = "give points above 0"
        remedy = f"write {_rounded_down(total)} or less, or {other}" if total >= card.minimum else other
        report.add(stage.nodes["enter"], message, remedy)


def _most_engagement(card: Scorecard, signals: Signals, blocks: Collection[str]) -> float:
    """An upper bound of engagement without some signals: the maximum of each, within the bounds of its category."""
    worth = {name: _most_worth(card, name, item.value) for name, item in signals.items() if name not in blocks}
    total = 0.0
    for category in card.categories:
        inside = sum(worth.pop(name, 0.0) for name in category.signals)
        most = category.maximum if category.maximum >= 0 else math.inf  # a `max` below 0 has a warning of its own
        total += max(category.minimum, min(most, inside))
    return total + sum(worth.values())


def _most_worth(card: Scorecard, name: str, signal: Struct | None) -> float:
    points = card.points.get(name)
    if points is None or points.points <= 0:
        return max(points.absent, 0.0) if points is not None else 0.0
    return max(min(points.cap, points.points * _most_amount(signal)), points.absent)


def _most_amount(signal: Struct | None) -> float:
    """An upper bound of the amount of a signal."""
    if signal is None or signal.broken or "amount" in signal.values:
        return math.inf
    if "at_least" in signal.values:
        return 1.0
    return min(most_counted(signal), LATEST if "window" in signal.values else math.inf)


def _check_grades(card: Scorecard, struct: Struct, report: Report) -> None:
    grades = struct.get("grades", {})
    if isinstance(grades, Struct):
        for axis in grades.values.values():
            _check_axis(axis, report)
        return
    seen: dict[float, str] = {}
    for name, item in grades.items():
        bound = item.value
        if not card.minimum <= bound <= card.maximum:
            message = f"grade `{name}` begins at {bound:g}, outside the range"
            report.add(item.node, message, f"write a number from {card.minimum:g} to {card.maximum:g}")
        elif seen.setdefault(bound, name) != name:
            message = f"grades `{seen[bound]}` and `{name}` both begin at {bound:g}"
            report.add(item.node, message, "give each grade its own bound")
    if grades and min(item.value for item in grades.values()) > card.minimum:
        message = f"scores just above {card.minimum:g} have no grade"
        report.add(struct.nodes["grades"], message, f"let one grade begin at {card.minimum:g}")


def _check_axis(grades: Mapping[str, Item], report: Report) -> None:
    """Report two grades of fit or of engagement with the same bound."""
    seen: dict[float, str] = {}
    for name, item in grades.items():
        if seen.setdefault(item.value, name) != name:
            message = f"grades `{seen[item.value]}` and `{name}` both begin at {item.value:g}"
            report.add(item.node, message, "give each grade its own bound")
