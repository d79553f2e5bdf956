"""Builds the model that scoring uses from a valid scorecard file, and computes its version."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from streams.scorefile.accounts import accounts_of
from streams.scorefile.forgetting import forgetting_of
from streams.scorefile.timed import block_of, ending_blocks, plain_blocks
from streams.scoring.fit import MOST_POINTS
from streams.scoring.scorecard import (
    EVERYTHING,
    USUAL_FORGETTING,
    Category,
    Condition,
    FitLine,
    Model,
    SalesTerms,
    Scorecard,
    Signal,
    Stage,
    Test,
)
from streams.yamlfile.kinds import Item, Struct


def model_of(file: Struct) -> Model:
    """Build the model of a file without mistakes."""
    signals = tuple(signal_of(name, item.value) for name, item in file.get("signals").items())
    cards: Mapping[str, Item] = file.get("scorecards")
    scorecards = tuple(scorecard_of(name, item.value, item.value.get("stages", ())) for name, item in cards.items())
    model = Model(signals, scorecards, forget=forgetting_of(file.get("forget_after")))
    return replace(model, version=hashlib.sha256(canonical(model).encode()).hexdigest())


def signal_of(name: str, signal: Struct) -> Signal:
    """Build a signal."""
    half_life = signal.get("half_life", math.inf)
    states = half_life.get("while") if isinstance(half_life, Struct) else {}
    return Signal(
        name,
        events=tuple(dict.fromkeys(signal.get("event"))),
        where=signal.get("where", EVERYTHING),
        half_life_ms=half_life.get("default") if isinstance(half_life, Struct) else half_life,
        limit=signal.get("limit"),
        distinct=signal.get("distinct"),
        amount=signal.get("amount"),
        label=signal.get("label", ""),
        window_ms=signal.get("window", 0),
        at_least=signal.get("at_least", 0),
        while_half_lives=tuple((guard, item.value) for guard, item in states.items()),
        show=tuple(dict.fromkeys(signal.get("show", ()))),
    )


def scorecard_of(name: str, card: Struct, stages: Iterable[Struct]) -> Scorecard:
    """Build a scorecard with the given stages."""
    minimum, maximum = card.get("range", (0.0, 100.0))
    grades = card.get("grades", {})
    axes = isinstance(grades, Struct)
    return Scorecard(
        name,
        points={signal: item.value for signal, item in card.get("points", {}).items()},
        label=card.get("label", ""),
        categories=tuple(_category(key, item.value) for key, item in card.get("categories", {}).items()),
        fit=tuple(_fit_line(line) for line in card.get("fit", ())),
        fit_max=card.get("fit_max", math.inf),
        minimum=minimum,
        maximum=maximum,
        grades=_grades(grades.get("fit", {}) if axes else grades),
        stages=tuple(_stage(stage) for stage in stages),
        engagement_grades=_grades(grades.get("engagement", {})) if axes else (),
        applies_to=card.get("applies_to", EVERYTHING),
        shadow=card.get("shadow", False),
        sales=_sales(card.get("sales")),
        target=card.get("target"),
        accounts=accounts_of(card.get("accounts")),
    )


def _sales(sales: Struct | None) -> SalesTerms | None:
    if sales is None:
        return None
    reasons, currencies = (
        tuple(dict.fromkeys(item.value for item in sales.get(name, ()))) for name in ("reasons", "currencies")
    )
    return SalesTerms(reasons, sales.get("recycle_after", 0), currencies)


def _grades(bounds: Mapping[str, Item]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(((grade, item.value) for grade, item in bounds.items()), key=lambda grade: -grade[1]))


def _category(name: str, category: Struct) -> Category:
    low, high = category.get("min", -math.inf), category.get("max", math.inf)
    return Category(name, _names(category.get("signals")), low, high, category.get("label", ""))


def _names(items: Iterable[Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.value for item in items))


def _fit_line(line: Struct) -> FitLine:
    trait, named = line.get("trait", ""), {"name": line.get("name", ""), "label": line.get("label", "")}
    if "where" in line.values:
        return FitLine("", line.get("where"), line.get("points"), **named)
    if "times" in line.values:
        low, high = line.get("min", 0.0), line.get("max", MOST_POINTS)
        return FitLine(trait, EVERYTHING, 0.0, **named, times=line.get("times"), minimum=low, maximum=high)
    return FitLine(trait, on_path(line.get("when"), trait), line.get("points"), **named)


def on_path(condition: Condition, path: str) -> Condition:
    """The conditions of a line of fit, on the path of its trait."""
    if isinstance(condition, Test):
        return replace(condition, path=path)
    return replace(condition, members=tuple(on_path(member, path) for member in condition.members))


def _stage(stage: Struct) -> Stage:
    needs, keep = stage.get("needs"), stage.get("keep")
    return Stage(
        stage.get("name").value,
        enter=stage.get("enter"),
        leave=stage.get("leave"),
        needs_fit=needs.get("fit") if needs else None,
        needs_engagement=needs.get("engagement") if needs else None,
        blocked_by=_names(plain_blocks(stage)),
        cooldown_ms=stage.get("cooldown", 0),
        handoff=stage.get("handoff", False),
        keep_fit=keep.get("fit") if keep else None,
        keep_engagement=keep.get("engagement") if keep else None,
        label=stage.get("label", ""),
        blocks=tuple(dict.fromkeys(map(block_of, ending_blocks(stage)))),
        needs_signals=_names(needs.get("signals", ())) if needs else (),
    )


_ORDERED = ("fit", "stages", "grades", "engagement_grades", "while_half_lives", "reasons")


def canonical(model: Model) -> str:
    """The canonical JSON of a model: everything is sorted whose order in the file has no meaning."""
    whole = _used_fields(model)
    del whole["version"]
    if model.forget == USUAL_FORGETTING:
        del whole["forget"]  # a file that does not mention it keeps its version
    return _json(_sorted(whole))


def canonical_part(part: Any) -> str:
    """The canonical JSON of a part of a model, or of fields by name."""
    return _json(_sorted(part))


def _used_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, without those of later versions of the format that the file does not use."""
    named = [(each, getattr(value, each.name)) for each in fields(value)]
    return {each.name: item for each, item in named if not each.metadata.get("later") or item != each.default}


def _sorted(value: Any, ordered: bool = False) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = _used_fields(value)
    if isinstance(value, dict):
        return {key: _sorted(item, key in _ORDERED) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_sorted(item, isinstance(item, list | tuple)) for item in value]
        return items if ordered else sorted(items, key=_json)
    return value


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
