"""Formats the values of a scorecard file for people: durations, bounds, conditions, lists. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from app.scorecards.text import describe_condition, format_limit, format_target
from streams.scoring.scorecard import Group, Limit, Target, Test
from streams.units import DAY_MS, format_duration

LABELS: Final = {
    "blocked_by": "blocked by",
    "cap": "at most",
    "cooldown": "cooldown",
    "enter": "entered from",
    "fit_max": "fit at most",
    "half_life": "half-life",
    "leave": "left below",
    "maximum": "at most",
    "minimum": "at least",
    "needs_signals": "needs",
    "while_half_lives": "other half-lives",
}
"""What people call a field, without its unit; others are called by their names."""


def label_of(field: str) -> str:
    """What people call a field."""
    name = field.removesuffix("_ms")
    return LABELS.get(name, name.replace("_", " "))


def format_value(value: Any, field: str = "") -> str:
    """The value of a field."""
    if field.endswith("_ms"):
        return _format_duration(value) if isinstance(value, int | float) and value else "none"
    if field == "while_half_lives":
        return ", ".join(f"{_format_duration(ms)} while {guard}" for guard, ms in value) or "none"
    if value is None or value == "" or (isinstance(value, float) and math.isinf(value)):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}"
    return _format_structure(value)


def _format_duration(ms: float) -> str:
    """Whole days as days: 14d and 30d compare better than 2w and 30d."""
    return format_duration(ms) if math.isinf(ms) or ms % DAY_MS else f"{ms / DAY_MS:g}d"


def _format_structure(value: Any) -> str:
    if isinstance(value, Test | Group):
        return describe_condition(value) or "anything"
    if isinstance(value, Target | Limit):
        return format_target(value) if isinstance(value, Target) else str(format_limit(value))
    if is_dataclass(value) and not isinstance(value, type):
        return list_fields({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {format_value(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(format_value(item) for item in value) or "none"
    return str(value)


def list_fields(values: Mapping[str, Any]) -> str:
    """The fields that are set, each with its value."""
    shown = {field: format_value(value, field) for field, value in values.items()}
    return ", ".join(f"{label_of(field)} {text}" for field, text in shown.items() if text not in {"none", "no"})
