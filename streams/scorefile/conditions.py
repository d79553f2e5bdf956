"""Reads the conditions of `where` and `when`; has a table of their operators, and their JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from streams.scorefile import kinds
from streams.scorefile.parts import (
    doubt_operator,
    named_parts_remedy,
    nested_test_remedy,
    separate_parts_remedy,
    turned_test_remedy,
    where_remedy,
)
from streams.scorefile.patterns import remedy_for
from streams.scorefile.remedies import OPERATORS_ELSEWHERE, between_remedy, several_remedy, without_wildcards
from streams.scoring.conditions import PatternError, compile_condition
from streams.scoring.scorecard import Condition, Group, Test
from streams.yamlfile.containers import list_of, move_out
from streams.yamlfile.kinds import BOOLEAN, PATH, TEXT, Field, Kind, nearest
from streams.yamlfile.source import in_quotes, spell
from streams.yamlfile.tree import Node, Report

GROUPS: dict[str, Literal["all", "any", "none"]] = {"all": "all", "any": "any", "none": "none"}
_SCALARS = list_of(kinds.OPERAND)


def _one_or_more(kind: Kind) -> Kind:
    """One value, read as it is, or a list of which one is enough."""
    many = list_of(kind, or_one=True)

    def read(node: Node, report: Report) -> Any:
        return many.read(node, report) if isinstance(node.value, list) else kind.read(node, report)

    return replace(many, read=read)


_TEXTS = _one_or_more(TEXT)
OPERATORS = {
    "equals": Field(
        _one_or_more(kinds.OPERAND), "The value is this one, or one of this list; the same as a bare value."
    ),
    "not": Field(list_of(kinds.OPERAND, or_one=True), "The value is not this one, or none of this list, or missing."),
    "in": Field(_SCALARS, "The value is one of this list."),
    "contains": Field(_TEXTS, "The value contains this text, or one of this list."),
    "contains_any": Field(list_of(TEXT), "The value contains one of this list."),
    "word": Field(_one_or_more(kinds.WORDS), "The value contains this text, or one of this list, as separate words."),
    "prefix": Field(_TEXTS, "The value begins with this text, or one of this list."),
    "suffix": Field(_TEXTS, "The value ends with this text, or one of this list."),
    "glob": Field(
        TEXT, "The whole value is like this pattern: `*` is any text, `?` a character, `[abc]` one of these."
    ),
    "matches": Field(TEXT, "The value contains a match of this regular expression (RE2); case matters without `(?i)`."),
    "gt": Field(kinds.COMPARABLE, "The value is a number above this one."),
    "gte": Field(kinds.COMPARABLE, "The value is this number or one above."),
    "lt": Field(kinds.COMPARABLE, "The value is a number below this one."),
    "lte": Field(kinds.COMPARABLE, "The value is this number or one below."),
    "exists": Field(BOOLEAN, "There is a value (`true`), or there is none (`false`)."),
}
"""Operator -> its operand and its meaning."""
GROUP_MEANINGS = {
    "all": "Every condition of this list holds.",
    "any": "At least one condition of this list holds.",
    "none": "No condition of this list holds.",
}

_MISPLACED = ("points", "trait", "when", "event", "where", "half_life", "limit", "distinct", "amount")
_ONE_TEXT = ("glob", "matches")

ReadCondition = Callable[[Node, Report], Condition | None]


def _where(node: Node, report: Report) -> Condition | None:
    """Read ``{path: test, …}``, all of which must hold."""
    if not isinstance(node.value, dict) or not node.value:
        report.add(node, f"{node} is not a condition", where_remedy(node, OPERATORS))
        return None
    if _has_separate_parts(node, report, named_parts_remedy(node, OPERATORS)):
        return None
    for key, value in node.repeated:
        _where_entry(key, value, report)
    return _combined("all", [_where_entry(key, value, report) for key, value in node.value.items()])


def _has_separate_parts(node: Node, report: Report, named: str = "") -> bool:
    """Report a test whose path, operator and value have keys of their own, or which ``named`` repairs."""
    remedy = separate_parts_remedy(node) or named
    if remedy and isinstance(node.value, dict):
        key = next(iter(node.value))
        about = "a trait and its condition" if key.value == "trait" else "a path, an operator and a value"
        report.add(key, f"{about} are one entry here, without keys of their own", remedy)
    return bool(remedy)


def _where_entry(key: Node, node: Node, report: Report) -> Condition | None:
    if key.value in GROUPS:
        return _group(str(key.value), node, report, _where)
    word = str(key.value).casefold()
    if word in ("and", "or", "not", "nor", *GROUPS) and isinstance(node.value, list | dict):
        group = {"and": "all", "or": "any", "not": "none", "nor": "none"}.get(word, word)
        report.add(key, f"unknown group {key}", f"write `{group}`")
        return None
    path = PATH.read(key, report)
    if path in OPERATORS and isinstance(node.value, list):
        report.add(key, *doubt_operator(key, node))
        return None
    if path in OPERATORS and (remedy := turned_test_remedy(path, node, (*OPERATORS, *GROUPS))):
        report.add(key, f"{key} is an operator, and a path or a trait belongs here", remedy)
        return None
    return _test(path or "", node, report)


def _test(path: str, node: Node, report: Report) -> Condition | None:
    """Read ``value`` or ``{operator: operand, …}``: a test of the value at a path."""
    if not isinstance(node.value, dict) or not node.value:
        value = kinds.OPERAND.read(node, report)
        return None if value is None else Test(path, "equals", value)
    if _has_separate_parts(node, report):
        return None
    for key, value in node.repeated:
        _operation(path, key, value, report)
    return _combined("all", [_operation(path, key, value, report) for key, value in node.value.items()])


def _operation(path: str, key: Node, node: Node, report: Report) -> Condition | None:
    operator = str(key.value)
    if operator in GROUPS:
        return _group(operator, node, report, partial(_test, path))
    if operator not in OPERATORS:
        report.add(key, f"unknown operator {key}", _operator_remedy(path, operator, node))
        return None
    if remedy := nested_test_remedy(path, operator, node, (*OPERATORS, *GROUPS)):
        report.add(node, f"a mapping is not what `{operator}` takes", remedy)
        return None
    if operator == "not" and node.value is None and not node.raw.startswith("#"):
        report.add(node, f"{node} is no value", "write `exists: true` in place of `not`")
        return None
    operand = None if _is_several(operator, node, report) else OPERATORS[operator].kind.read(node, report)
    if operand is None:
        return None
    test = Test(path, operator, operand)
    try:
        compile_condition(test, {path: 0})
    except PatternError as error:
        report.add(node, f"{node} is not a pattern: {error}", remedy_for(operator, str(operand)))
    return test


def _operator_remedy(path: str, operator: str, node: Node) -> str:
    if operator in _MISPLACED:
        return move_out(operator)
    if path in ("properties", "context", "traits"):
        return f"write `{path}.{operator}`"
    if operator.casefold() in ("like", "ilike") and isinstance(node.value, str) and node.value.strip("%_"):
        return f"write `{without_wildcards(path.rpartition('.')[2], 'like', node.value)}`"
    nearby = nearest(operator, (*OPERATORS, *GROUPS), OPERATORS_ELSEWHERE)
    repeated = not path or operator in (path, path.rpartition(".")[2])
    if nearby.startswith("use one of") and repeated and (inner := _inner_test(node)):
        above = "the path is the one above" if path else "the trait is the one under `trait`"
        return f"write `{inner}` in its place: {above}"
    return between_remedy(operator, node) or nearby


def _inner_test(node: Node) -> str:
    """A test as it is written: a value, or operators; empty for anything else."""
    if not isinstance(node.value, dict):
        return spell(node.value) if isinstance(node.value, str | int | float) else ""
    known = all(key.value in (*OPERATORS, *GROUPS) for key in node.value)
    return f"{{{', '.join(f'{key.value}: …' for key in node.value)}}}" if node.value and known else ""


def _is_several(operator: str, node: Node, report: Report) -> bool:
    """Report a list, a date or a range in place of one text or number."""
    if isinstance(node.value, list) and operator in _ONE_TEXT:
        report.add(node, f"`{operator}` takes one text", several_remedy(operator, node))
        return True
    if operator not in ("gt", "gte", "lt", "lte"):
        return False
    date = re.fullmatch(r"(\d{4}-\d\d)(-\d\d.*)?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", node.raw)
    if date:
        begin = in_quotes(date[1] or node.raw)
        remedy = f"write the beginning of its text, such as `prefix: {begin}`, in place of `{operator}`"
        report.add_unreadable(node, f"{node} is a date, and `{operator}` compares numbers", remedy)
        return True
    between = between_remedy(operator, node) if isinstance(node.value, str) else ""
    if between:
        report.add(node, f"{node} is not a number", f"{between} in place of `{operator}`")
    return bool(between)


def _group(kind: str, node: Node, report: Report, read: ReadCondition) -> Condition | None:
    """Read a list of conditions, or a mapping in which each entry is a condition."""
    if isinstance(node.value, dict):
        if _has_separate_parts(node, report, named_parts_remedy(node, OPERATORS) if read is _where else ""):
            return None
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


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _group_schemas(member: str, mapping: str) -> dict[str, Any]:
    schema = {"anyOf": [{"type": "array", "items": _ref(member), "minItems": 1}, _ref(mapping)]}
    return {name: {**schema, "description": meaning} for name, meaning in GROUP_MEANINGS.items()}


DEFS = {
    "where": {
        "type": "object",
        "minProperties": 1,
        "properties": _group_schemas("where", "where"),
        "patternProperties": {f"^(?!({'|'.join(GROUPS)})$){PATH.schema['pattern'][1:]}": _ref("test")},
        "additionalProperties": False,
    },
    "test": {"anyOf": [kinds.OPERAND.schema, _ref("operators")]},
    "operators": {
        "type": "object",
        "minProperties": 1,
        "properties": {name: {**each.kind.schema, "description": each.description} for name, each in OPERATORS.items()}
        | _group_schemas("test", "operators"),
        "additionalProperties": False,
    },
}


def _traits(node: Node, report: Report) -> Condition | None:
    """Read conditions on traits."""
    if isinstance(node.value, dict | list) and node.value:
        return _where(node, report)
    report.add(node, f"{node} is not a condition", "write a trait and what it must be, such as `{country: ES}`")
    return None


TRAITS = Kind(_traits, _ref("where"), "{country: {in: [ES, PT]}, employees: {gte: 200}}", "conditions")
WHERE = Kind(_where, _ref("where"), "{properties.url: {contains: /pricing}}", "conditions")
WHEN = Kind(partial(_test, ""), _ref("test"), "{gte: 200}", "a value, or operators")
