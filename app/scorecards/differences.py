"""Finds what differs between two scorecard files in meaning: not comments, order or notation. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final, Literal, NamedTuple

from app.scorecards.account_differences import account_texts
from app.scorecards.pairs import Pairs, pair_parts, rename_signals
from app.scorecards.text import describe_fading, describe_fit, describe_signal
from app.scorecards.values import format_value, label_of, list_fields
from streams.scorefile.models import canonical_part
from streams.scoring.scorecard import Category, FitLine, Forgetting, Model, Points, Scorecard, Signal, Stage

Kind = Literal["added", "removed", "changed", "renamed"]
Rebuild = Literal["", "starts_at_0", "new_events"]
"""What a change of a signal means until a rebuild: it has no amount yet, or only new events count as it says."""
_COUNTING: Final = ("events", "where", "distinct", "amount")
"""The fields of a signal that its description contains."""
_READ: Final = ("window_ms", "at_least", "while_half_lives")
"""Its fields that do not change how an event counts."""
_FADING: Final = ("half_life_ms", "while_half_lives", "window_ms")
_WORDS: Final = ("label", "show")
"""Its fields that only people read."""
_PARTS: Final = (
    "name", "points", "categories", "fit", "minimum", "maximum", "grades", "engagement_grades", "stages", "accounts",
)  # fmt: skip
"""The fields of a scorecard that are compared one by one."""


class Difference(NamedTuple):
    """One difference in meaning."""

    subject: Literal["signal", "scorecard", "points", "category", "fit", "stage", "file"]
    kind: Kind
    scorecard: str
    """Empty for signals."""
    name: str
    text: str
    """What is added or removed, or what changed: ``half-life 14d → 30d``."""
    rebuild: Rebuild = ""


def find_differences(old: Model, new: Model) -> list[Difference]:
    """All differences between two files: signals first, then scorecard by scorecard."""
    signals = pair_parts(old.signals, new.signals)
    renamed = {a.name: b.name for a, b in signals.both if a.name != b.name}
    cards = pair_parts([rename_signals(card, renamed) for card in old.scorecards], new.scorecards)
    found = list(_compare_signals(signals, renamed, {signal.id for signal in old.signals}))
    if old.forget != new.forget:
        text = f"{_describe_forgetting(old.forget)} → {_describe_forgetting(new.forget)}"
        found.append(Difference("file", "changed", "", "forget_after", text))
    found += [Difference("scorecard", "removed", card.name, card.name, "") for card in cards.gone]
    for card in new.scorecards:
        before = next((a for a, b in cards.both if b is card), None)
        if before is None:
            found.append(Difference("scorecard", "added", card.name, card.name, _describe_card(card)))
        else:
            found += _compare_cards(before, card)
    return found


# Signals -------------------------------------------------------------------------------------------------------------


def _compare_signals(pairs: Pairs, renamed: Mapping[str, str], known: set[int]) -> Iterator[Difference]:
    for signal in pairs.come:
        start: Rebuild = "" if signal.id in known else "starts_at_0"
        yield Difference("signal", "added", "", signal.name, _describe_whole_signal(signal), start)
    for signal in pairs.gone:
        yield Difference("signal", "removed", "", signal.name, _describe_whole_signal(signal))
    for old, new in pairs.both:
        start = "" if new.id in known else "starts_at_0"
        if old.name != new.name:
            yield Difference("signal", "renamed", "", new.name, f"was {old.name}", start)
        before = rename_signals(old, renamed)
        if any(_differ(name, getattr(before, name), getattr(new, name)) for name in _COUNTING):
            text = f"counts {describe_signal(new)} (before: {describe_signal(before)})"
            yield Difference("signal", "changed", "", new.name, text, start or "new_events")
        other_fading = bool(before.window_ms) != bool(new.window_ms)
        if other_fading:
            text = f"{_describe_fading(before)} → {_describe_fading(new)}"
            yield Difference("signal", "changed", "", new.name, text, start or "new_events")
        for field, text in _changed_fields(before, new, ("name", *_COUNTING, *(_FADING if other_fading else ()))):
            later: Rebuild = "" if field in _WORDS else start or ("" if field in _READ else "new_events")
            yield Difference("signal", "changed", "", new.name, text, later)


def _describe_whole_signal(signal: Signal) -> str:
    rest = {field.name: getattr(signal, field.name) for field in fields(signal)}
    skipped = ("name", "label", *_COUNTING, *(("at_least", "half_life_ms") if signal.window_ms else ("at_least",)))
    return "; ".join(filter(None, [describe_signal(signal), list_fields(_without(rest, *skipped))]))


def _describe_fading(signal: Signal) -> str:
    return describe_fading(signal) if signal.window_ms else f"half-life {describe_fading(signal)}"


def _describe_forgetting(terms: Forgetting | None) -> str:
    if terms is None:
        return "never"
    leads, visitors = (format_value(ms, "half_life_ms") for ms in (terms.leads_ms, terms.visitors_ms))
    return f"leads {leads}, visitors {visitors}"


# Scorecards ----------------------------------------------------------------------------------------------------------


def _describe_card(card: Scorecard) -> str:
    stages = ", ".join(f"{stage.name} from {stage.enter:g}" for stage in card.stages)
    return f"signals: {len(card.points)}, fit lines: {len(card.fit)}, stages: {stages or 'none'}"


def _compare_cards(old: Scorecard, new: Scorecard) -> Iterator[Difference]:
    if old.name != new.name:
        yield Difference("scorecard", "renamed", new.name, new.name, f"was {old.name}")
    yield from (Difference("scorecard", "changed", new.name, new.name, t) for _, t in _changed_fields(old, new, _PARTS))
    if (old.minimum, old.maximum) != (new.minimum, new.maximum):
        ranges = [f"{format_value(card.minimum)} to {format_value(card.maximum)}" for card in (old, new)]
        yield Difference("scorecard", "changed", new.name, new.name, f"range {' → '.join(ranges)}")
    for axis in ("grades", "engagement_grades"):
        before, after = getattr(old, axis), getattr(new, axis)
        if _differ(axis, before, after):
            of = "engagement " if axis == "engagement_grades" else ""
            yield Difference("scorecard", "changed", new.name, new.name, of + _describe_grades(before, after))
    yield from _compare_points(old, new)
    yield from _compare_named("category", new.name, old.categories, new.categories)
    yield from _compare_fit(old, new)
    yield from _compare_named("stage", new.name, old.stages, new.stages)
    yield from _compare_order(old, new)
    yield from (Difference("scorecard", "changed", new.name, new.name, text) for text in account_texts(old, new))


def _describe_grades(old: Any, new: Any) -> str:
    if not all(isinstance(grade, tuple) and len(grade) == 2 for grade in (*old, *new)):
        return f"grades {format_value(old)} → {format_value(new)}"
    before, after = dict(old), dict(new)
    pairs = [(name, before.get(name), after.get(name)) for name in dict.fromkeys([*after, *before])]
    return ", ".join(f"grade {name} {_bound(a)} → {_bound(b)}" for name, a, b in pairs if a != b)


def _bound(bound: Any) -> str:
    return "none" if bound is None else f"from {format_value(bound)}"


def _compare_points(old: Scorecard, new: Scorecard) -> Iterator[Difference]:
    for name in dict.fromkeys([*new.points, *old.points]):
        before, after = old.points.get(name), new.points.get(name)
        if before is None and after is not None:
            yield Difference("points", "added", new.name, name, _describe_points(after))
        elif after is None and before is not None:
            yield Difference("points", "removed", new.name, name, _describe_points(before))
        elif _differ("points", before, after):
            yield Difference(
                "points", "changed", new.name, name, ", ".join(t for _, t in _changed_fields(before, after))
            )


def _describe_points(points: Points) -> str:
    rest = {field.name: getattr(points, field.name) for field in fields(points)}
    rest = {name: value for name, value in rest.items() if name != "points" and value}
    return ", ".join(filter(None, [f"{points.points:+g} points", list_fields(rest)]))


def _compare_named(
    subject: Literal["category", "stage"],
    card: str,
    old: Sequence[Category] | Sequence[Stage],
    new: Sequence[Category] | Sequence[Stage],
) -> Iterator[Difference]:
    pairs = pair_parts(old, new)
    for thing in pairs.come:
        yield Difference(subject, "added", card, thing.name, _describe_named(thing))
    for thing in pairs.gone:
        yield Difference(subject, "removed", card, thing.name, _describe_named(thing))
    for before, after in pairs.both:
        if before.name != after.name:
            yield Difference(subject, "renamed", card, after.name, f"was {before.name}")
        for _, text in _changed_fields(before, after, ("name",)):
            yield Difference(subject, "changed", card, after.name, text)


def _describe_named(thing: Category | Stage) -> str:
    return list_fields({field.name: getattr(thing, field.name) for field in fields(thing) if field.name != "name"})


def _compare_order(old: Scorecard, new: Scorecard) -> Iterator[Difference]:
    names = {stage.name for stage in old.stages} & {stage.name for stage in new.stages}
    before, after = ([stage.name for stage in card.stages if stage.name in names] for card in (old, new))
    if before != after:
        text = f"order of stages {', '.join(before)} → {', '.join(after)}; a lead shows the last one that it is in"
        yield Difference("scorecard", "changed", new.name, new.name, text)


def _compare_fit(old: Scorecard, new: Scorecard) -> Iterator[Difference]:
    """Fit lines have no names: pair equal ones, then those with one condition, then those alone with their trait."""
    gone, come = list(old.fit), list(new.fit)
    for key in (canonical_part, lambda line: canonical_part(replace(line, points=0.0)), lambda line: line.trait):
        for before, after in _take_pairs(gone, come, key):
            if texts := [text for _, text in _changed_fields(before, after)]:
                yield Difference("fit", "changed", new.name, describe_fit(after), ", ".join(texts))
    yield from (Difference("fit", "added", new.name, describe_fit(line), _describe_worth(line)) for line in come)
    yield from (Difference("fit", "removed", new.name, describe_fit(line), _describe_worth(line)) for line in gone)


def _take_pairs(gone: list[FitLine], come: list[FitLine], key: Any) -> list[tuple[FitLine, FitLine]]:
    """Remove the lines that are alone with their key on both sides, and return them in pairs."""
    groups: dict[Any, tuple[list[FitLine], list[FitLine]]] = defaultdict(lambda: ([], []))
    for side, lines in enumerate((gone, come)):
        for line in lines:
            groups[key(line)][side].append(line)
    pairs = [(a[0], b[0]) for a, b in groups.values() if len(a) == len(b) == 1]
    for before, after in pairs:
        gone.remove(before)
        come.remove(after)
    return pairs


def _describe_worth(line: FitLine) -> str:
    product = f"{line.minimum:g} to {line.maximum:g} points"
    points = f"{line.points:+g} points" if line.times is None else product
    return ", ".join(filter(None, [points, list_fields({"name": line.name, "label": line.label})]))


# Fields --------------------------------------------------------------------------------------------------------------


def _changed_fields(old: Any, new: Any, skipped: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The fields that differ, each with a text: ``half-life 14d → 30d``."""
    found = []
    for field in fields(new):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name not in skipped and _differ(field.name, before, after):
            text = f"{format_value(before, field.name)} → {format_value(after, field.name)}"
            found.append((field.name, f"{label_of(field.name)} {text}"))
    return found


def _differ(field: str, old: Any, new: Any) -> bool:
    return canonical_part({field: old}) != canonical_part({field: new})


def _without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
