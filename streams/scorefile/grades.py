"""Reads `grades`: those of the score, or those of fit and engagement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from streams.scorefile import kinds
from streams.yamlfile.containers import named, struct_of
from streams.yamlfile.kinds import NUMBER, Field, Kind
from streams.yamlfile.tree import Node, Report

_OF_SCORE = named(kinds.GRADE, kinds.GRADE_BOUND, 1)
_BOUNDS = replace(named(kinds.GRADE, NUMBER, 1), example="{A: 30, B: 15, C: 0}")
AXES_WORDS: Final = {
    "fit": Field(_BOUNDS, "The minimum fit of each grade; below every bound, it is the lowest one.", required=True),
    "engagement": Field(
        _BOUNDS,
        "The minimum engagement of each grade, written after that of the fit: `A1`.",
        required=True,
        example="{1: 60, 2: 30, 3: 10}",
    ),
}
_ELSEWHERE: Final = {
    **dict.fromkeys(("profile", "demographics", "traits", "explicit"), "fit"),
    **dict.fromkeys(("behavior", "behaviour", "activity", "interest", "points", "implicit"), "engagement"),
}
_AXES = struct_of("a grade on two axes", AXES_WORDS, "{fit: {A: 30, B: 0}, engagement: {1: 60, 2: 0}}", _ELSEWHERE)


def _read(node: Node, report: Report) -> Any:
    entries = node.value if isinstance(node.value, dict) else {}
    if any(key.value in AXES_WORDS and isinstance(value.value, dict) for key, value in entries.items()):
        return _AXES.read(node, report)
    return _OF_SCORE.read(node, report)


GRADES: Final = Kind(_read, {"anyOf": [_OF_SCORE.schema, _AXES.schema]}, _OF_SCORE.example, _OF_SCORE.about)
