"""The grammar of scorecard files, used by the loader and for the JSON Schema: one table for each mapping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from streams.scorefile import kinds
from streams.scorefile.patterns import remedy_for
from streams.scorefile.remedies import (
    CATEGORY_KEYS_ELSEWHERE,
    FIT_KEYS_ELSEWHERE,
    OPERATORS_ELSEWHERE,
    SIGNAL_KEYS_ELSEWHERE,
    STAGE_KEYS_ELSEWHERE,
    range_remedy,
    several_remedy,
    where_remedy,
)
from streams.scoring.conditions import PatternError, compile_condition
from streams.scoring.scorecard import Condition, Group, Points, Test
from streams.yamlfile.containers import list_of, named, placed, struct_of
from streams.yamlfile.kinds import BOOLEAN, CAP, NAME, NUMBER, PATH, TEXT, VERSION, Field, Kind, Struct, nearest
from streams.yamlfile.tree import Node, Report

GROUPS: dict[str, Literal["all", "any", "none"]] = {"all": "all", "any": "any", "none": "none"}
_SCALARS = list_of(kinds.OPERAND)


def _one_or_more(kind: Kind) -> Kind:
    """One value, read as it is, or a list of which one is enough."""
    many = list_of(kind, or_one=True)

    def read(node: Node, report: Report) -> Any:
        return many.read(node, report) if isinstance(node.value, list) else kind.read(node, report)

    return replace(many, read=read)


_OPERANDS = {
    "equals": _one_or_more(kinds.OPERAND),
    "not": list_of(kinds.OPERAND, or_one=True),
    "in": _SCALARS,
    "contains_any": list_of(TEXT),
    "exists": BOOLEAN,
    **dict.fromkeys(("contains", "prefix", "suffix"), _one_or_more(TEXT)),
    "word": _one_or_more(kinds.WORDS),
    **dict.fromkeys(("glob", "matches"), TEXT),
    **dict.fromkeys(("gt", "gte", "lt", "lte"), kinds.COMPARABLE),
}

_ONE_TEXT = ("contains", "prefix", "suffix", "glob", "matches")

ReadCondition = Callable[[Node, Report], Condition | None]


def _where(node: Node, report: Report) -> Condition | None:
    """Read ``{path: test, …}``, all of which must hold."""
    if not isinstance(node.value, dict) or not node.value:
        report.add(node, f"{node} is not a condition", where_remedy(node))
        return None
    return _combined("all", [_where_entry(key, value, report) for key, value in node.value.items()])


def _where_entry(key: Node, node: Node, report: Report) -> Condition | None:
    if key.value in GROUPS:
        return _group(str(key.value), node, report, _where)
    path = PATH.read(key, report)
    return _test(path or "", node, report)


def _test(path: str, node: Node, report: Report) -> Condition | None:
    """Read ``value`` or ``{operator: operand, …}``: a test of the value at a path."""
    if not isinstance(node.value, dict) or not node.value:
        value = kinds.OPERAND.read(node, report)
        return None if value is None else Test(path, "equals", value)
    return _combined("all", [_operation(path, key, value, report) for key, value in node.value.items()])


def _operation(path: str, key: Node, node: Node, report: Report) -> Condition | None:
    operator = str(key.value)
    if operator in GROUPS:
        return _group(operator, node, report, partial(_test, path))
    if operator not in _OPERANDS:
        report.add(key, f"unknown operator {key}", nearest(operator, (*_OPERANDS, *GROUPS), OPERATORS_ELSEWHERE))
        return None
    if isinstance(node.value, list) and operator in _ONE_TEXT:
        report.add(node, f"`{operator}` takes one text", several_remedy(operator, node))
        return None
    operand = _OPERANDS[operator].read(node, report)
    if operand is None:
        return None
    test = Test(path, operator, operand)
    try:
        compile_condition(test, {path: 0})
    except PatternError as error:
        report.add(node, f"{node} is not a pattern: {error}", remedy_for(operator, str(operand)))
    return test


def _group(kind: str, node: Node, report: Report, read: ReadCondition) -> Condition | None:
    """Read a list of conditions, or a mapping in which each entry is a condition."""
    if isinstance(node.value, dict):
        members = [Node(key.line, key.column, {key: value}) for key, value in node.value.items()]
    else:
        members = node.value if isinstance(node.value, list) else []
    if not members:
        report.add(node, f"`{kind}` has no conditions", "write a list of at least one condition")
        return None
    return _combined(GROUPS[kind], [read(member, report) for member in members])


def _combined(kind: Literal["all", "any", "none"], members: list[Condition | None]) -> Condition | None:
    whole = tuple(member for member in members if member is not None)
    if len(whole) < len(members):
        return None
    return whole[0] if len(whole) == 1 and kind != "none" else Group(kind, whole)


def _points(node: Node, report: Report) -> Points | None:
    if not isinstance(node.value, dict):
        points = NUMBER.read(node, report)
        return None if points is None else Points(points)
    struct: Struct = _CAPPED.read(node, report)
    return None if struct.broken else Points(struct.get("points"), struct.get("max", float("inf")))


def _range(node: Node, report: Report) -> tuple[float, float] | None:
    if not isinstance(node.value, list):
        report.add(node, f"{node} is not a list of two numbers", range_remedy(node))
        return None
    bounds = _NUMBERS.read(node, report)
    if bounds is None:
        return None
    if len(bounds) != 2 or bounds[0] >= bounds[1]:
        report.add(node, "a range is two numbers, the lower one first", range_remedy(node))
        return None
    return bounds[0], bounds[1]


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _group_schema(member: str, mapping: str) -> dict[str, Any]:
    return {"anyOf": [{"type": "array", "items": _ref(member), "minItems": 1}, _ref(mapping)]}


_DEFS = {
    "where": {
        "type": "object",
        "minProperties": 1,
        "properties": dict.fromkeys(GROUPS, _group_schema("where", "where")),
        "patternProperties": {f"^(?!({'|'.join(GROUPS)})$){PATH.schema['pattern'][1:]}": _ref("test")},
        "additionalProperties": False,
    },
    "test": {"anyOf": [kinds.OPERAND.schema, _ref("operators")]},
    "operators": {
        "type": "object",
        "minProperties": 1,
        "properties": {name: kind.schema for name, kind in _OPERANDS.items()}
        | dict.fromkeys(GROUPS, _group_schema("test", "operators")),
        "additionalProperties": False,
    },
}

_WHERE = Kind(_where, _ref("where"), "{properties.url: {contains: /pricing}}")
_WHEN = Kind(partial(_test, ""), _ref("test"), "{gte: 200}")
_NUMBERS = list_of(NUMBER)
_RANGE = Kind(_range, {**_NUMBERS.schema, "minItems": 2, "maxItems": 2}, "[0, 100]")
_SIGNALS = list_of(placed(NAME))

_SIGNAL = struct_of(
    "a signal",
    {
        "event": Field(list_of(kinds.EVENT, or_one=True), "Call types or names of track calls.", required=True),
        "where": Field(
            _WHERE,
            "Conditions on the event, all of which must hold. An event caused by a machine "
            "(properties.automated: true) matches a signal only if its conditions read properties.automated.",
        ),
        "half_life": Field(kinds.HALF_LIFE, "The time in which its amount halves; `never` by default."),
        "limit": Field(kinds.LIMIT, "The maximum number of events counted in a UTC hour, day, week or ever."),
        "distinct": Field(PATH, "The path of a value; each value counts once."),
        "amount": Field(kinds.AMOUNT, "The path of a number to count instead of 1."),
    },
    "{event: page, half_life: 14d}",
    SIGNAL_KEYS_ELSEWHERE,
)
_CAPPED = struct_of(
    "the worth of a signal",
    {
        "points": Field(NUMBER, "Points for each unit of the signal's amount.", required=True),
        "max": Field(CAP, "The maximum points, positive or negative, that the signal contributes."),
    },
    "{points: 3, max: 15}",
)
_POINTS = Kind(_points, {"anyOf": [NUMBER.schema, _CAPPED.schema]}, "10")
_CATEGORY = struct_of(
    "a category",
    {
        "signals": Field(_SIGNALS, "Its signals; a signal is in at most one category.", required=True),
        "min": Field(NUMBER, "The minimum points of the category."),
        "max": Field(NUMBER, "The maximum points of the category."),
    },
    "{signals: [pricing_visit], max: 70}",
    CATEGORY_KEYS_ELSEWHERE,
)
_FIT_LINE = struct_of(
    "a line of fit",
    {
        "trait": Field(PATH, "The trait; `group.NAME` is a trait of the lead's company.", True, "title"),
        "when": Field(_WHEN, "The required value of the trait, or operators that must hold.", required=True),
        "points": Field(NUMBER, "Points for a lead that matches.", required=True),
    },
    "{trait: employees, when: {gte: 200}, points: 15}",
    FIT_KEYS_ELSEWHERE,
)
_NEEDS = struct_of(
    "the needs of a stage",
    {
        "fit": Field(NUMBER, "The minimum fit to enter."),
        "engagement": Field(NUMBER, "The minimum engagement to enter."),
    },
    "{fit: 10, engagement: 20}",
)
_STAGE = struct_of(
    "a stage",
    {
        "name": Field(placed(NAME), "Its name.", required=True),
        "enter": Field(NUMBER, "A lead enters at this score.", required=True),
        "leave": Field(NUMBER, "A lead leaves below this score.", required=True),
        "needs": Field(_NEEDS, "Further requirements to enter."),
        "blocked_by": Field(_SIGNALS, "A lead cannot enter while one of these signals counts."),
        "cooldown": Field(kinds.COOLDOWN, "The time after a published entry in which no other entry is published."),
        "handoff": Field(BOOLEAN, "Whether entering and leaving are published."),
    },
    "{name: qualified, enter: 70, leave: 50}",
    STAGE_KEYS_ELSEWHERE,
)
_CARD_NAME = replace(NAME, example="default")
_SCORECARD = struct_of(
    "a scorecard",
    {
        "label": Field(kinds.LABEL, "The name shown to people."),
        "points": Field(named(NAME, _POINTS), "The points of each signal."),
        "categories": Field(named(kinds.CATEGORY_NAME, _CATEGORY), "Subscores."),
        "fit": Field(list_of(_FIT_LINE), "Points for traits."),
        "fit_max": Field(CAP, "The maximum points for traits."),
        "range": Field(_RANGE, "The lowest and the highest score; [0, 100] by default."),
        "grades": Field(named(kinds.GRADE, NUMBER, 1), "The minimum score of each grade."),
        "stages": Field(list_of(_STAGE), "Stages, the first one first."),
    },
    "{points: {pricing_visit: 10}}",
)
FILE = struct_of(
    "a scorecard file",
    {
        "leadglow": Field(VERSION, "The version of this format.", required=True),
        "signals": Field(named(NAME, _SIGNAL, 1), "Kinds of behavior, and how fast each fades.", required=True),
        "scorecards": Field(named(_CARD_NAME, _SCORECARD, 1), "Points for signals and traits.", required=True),
    },
    "leadglow: 1",
)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scorecard file, for editors. The loader finds more mistakes than the schema."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "Leadglow scorecard", **FILE.schema, "$defs": _DEFS}
