"""Reads the lines of `fit`: a condition on one trait or on several, or the product of a trait and a factor."""

from __future__ import annotations

import re
from typing import Any, Final

from streams.scorefile import kinds
from streams.scorefile.conditions import GROUPS, OPERATORS, TRAITS, WHEN
from streams.scorefile.remedies import FIT_KEYS_ELSEWHERE, JOINT_KEYS_ELSEWHERE, PRODUCT_KEYS_ELSEWHERE
from streams.yamlfile.containers import struct_of
from streams.yamlfile.kinds import MAX_NUMBER, NAME, NUMBER, Field, Kind, number_from, path_of
from streams.yamlfile.tree import Node, Report

_ABOUT: Final = "a line of fit"


def _percent_hint(text: str) -> str:
    percent = re.fullmatch(r"([-+]?\d+(?:\.\d+)?)\s*%", text)
    return f"write `{float(percent[1]) / 100:g}`" if percent else ""


_FACTOR = number_from(-MAX_NUMBER, "0.2", _percent_hint)
_POINTS = Field(NUMBER, "Points, once, for a lead for which the line holds.", required=True)
_NAME = Field(NAME, "Its name in explanations and alerts.", example="decision_maker", default="the name of the trait")
_LABEL = Field(kinds.LABEL, "The name shown to people.", example="Decision maker", default="its name")
FIT_WORDS: Final = {
    "trait": Field(path_of("title"), "The trait; `group.NAME` is a trait of the lead's company.", True),
    "when": Field(WHEN, "The required value of the trait, or operators that must hold.", required=True),
    "points": _POINTS,
    "name": _NAME,
    "label": _LABEL,
}
JOINT_WORDS: Final = {
    "where": Field(
        TRAITS, "Conditions on traits, all of which must hold; `any`, `all` and `none` nest.", required=True
    ),
    "points": _POINTS,
    "name": Field(
        NAME, "Its name in explanations and alerts.", example="large_in_iberia", default="the names of the traits"
    ),
    "label": Field(kinds.LABEL, "The name shown to people.", example="Large company in Iberia", default="its name"),
}
PRODUCT_WORDS: Final = {
    "trait": Field(
        path_of("predictive_score"), "The trait with a number; what is no finite number gives 0.", required=True
    ),
    "times": Field(_FACTOR, "The points for each 1 of the number.", required=True),
    "max": Field(NUMBER, "The maximum points.", example="20", default="`1000000000`"),
    "min": Field(NUMBER, "The minimum points.", example="-10", default="`0`"),
    "name": Field(NAME, "Its name in explanations and alerts.", example="prediction", default="the name of the trait"),
    "label": Field(kinds.LABEL, "The name shown to people.", example="Predictive score", default="its name"),
}
_LINE = struct_of(_ABOUT, FIT_WORDS, "{trait: employees, when: {gte: 200}, points: 15}", FIT_KEYS_ELSEWHERE)
_JOINT = struct_of(
    _ABOUT, JOINT_WORDS, "{where: {country: ES, employees: {gte: 200}}, points: 15}", JOINT_KEYS_ELSEWHERE
)
_PRODUCT = struct_of(_ABOUT, PRODUCT_WORDS, "{trait: predictive_score, times: 0.2, max: 20}", PRODUCT_KEYS_ELSEWHERE)


def _read(node: Node, report: Report) -> Any:
    entries = {str(key.value): value for key, value in node.value.items()} if isinstance(node.value, dict) else {}
    if "times" in entries:
        return _PRODUCT.read(node, report)
    where = entries.get("where")
    if where is not None and ("trait" not in entries or _has_traits(where)):
        return _JOINT.read(node, report)
    return _LINE.read(node, report)


def _has_traits(where: Node) -> bool:
    """Whether the conditions name traits, and are not operators."""
    names = {str(key.value) for key in where.value} if isinstance(where.value, dict) else set()
    return bool(names - {*OPERATORS, *GROUPS})


FIT_LINE: Final = Kind(_read, {"anyOf": [_LINE.schema, _JOINT.schema, _PRODUCT.schema]}, _LINE.example, _ABOUT)
