"""Finds the tests within conditions, each with its place in the file, and checks their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from streams.scorefile.conditions import GROUPS
from streams.scorefile.texts import check_pattern, check_quotes, check_text
from streams.yamlfile.tree import Node, Report

Operation = tuple[Node, str, Node]
"""The path of a test, its operator and its operand."""


def is_bare_path(path: Node, report: Report) -> bool:
    """Report spaces and braces around the names of a path."""
    text = str(path.value)
    inner = re.sub(r"^\w+\((.*)\)$", r"\1", text.strip("{}%$ "))
    bare = ".".join(part.strip() for part in inner.split("."))
    if bare == text or text.startswith("$."):
        return True
    report.add(path, f"{path} has spaces or signs around its names", f"write `{bare}`" if bare else "write a path")
    return False


def check_texts(operations: list[Operation], report: Report) -> None:
    """Check the texts that tests compare with."""
    for path, operator, operand in operations:
        if operator == "matches" and not isinstance(operand.value, list):
            if check_quotes(operand, report):
                check_pattern(str(path.value), operand, report)
        elif operator not in ("gt", "gte", "lt", "lte", "exists"):
            check_text(str(path.value), operator, operand, report)


def operations_of(where: Node) -> Iterator[Operation]:
    """Every test in ``{path: test, …}``, with groups of such."""
    for key, value in where.value.items() if isinstance(where.value, dict) else ():
        if key.value in GROUPS:
            for member in _members(value):
                yield from operations_of(member)
        else:
            yield from tests_of(key, value)


def tests_of(path: Node, node: Node) -> Iterator[Operation]:
    """Every test in ``value`` or ``{operator: operand, …}``, with groups of such."""
    if not isinstance(node.value, dict):
        yield path, "equals", node
        return
    for key, value in node.value.items():
        if key.value in GROUPS:
            for member in _members(value):
                yield from tests_of(path, member)
        else:
            yield path, str(key.value), value


def branches_of(where: Node) -> Iterator[Node]:
    """The members of each `any` with several, in conditions that must all hold; each with its path."""
    for key, value in where.value.items() if isinstance(where.value, dict) else ():
        if key.value == "any" and isinstance(value.value, list | dict) and len(value.value) > 1:
            yield from _split(value)
        elif key.value == "all":
            for member in _members(value):
                yield from branches_of(member)
        elif key.value not in GROUPS:
            yield from (Node(b.line, b.column, {key: b}) for b in branches_of(value))


def _split(node: Node) -> Iterator[Node]:
    """Each of some conditions alone."""
    if isinstance(node.value, dict):
        yield from (Node(key.line, key.column, {key: value}) for key, value in node.value.items())
    else:
        yield from _members(node)


def _members(node: Node) -> list[Node]:
    return node.value if isinstance(node.value, list) else [node]
