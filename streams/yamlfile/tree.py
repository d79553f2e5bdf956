"""Parses YAML text into a tree of plain values, each with its line and column."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.nodes import Node as YamlNode
from ruamel.yaml.reader import ReaderError

MAX_CHARS = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 32

Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """A mistake: its line and column (counted from 1), a message and a remedy."""

    line: int
    column: int
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value with its line and column. The keys of a mapping are nodes, too, with their text as value."""

    line: int
    column: int
    value: Scalar | list[Node] | dict[Node, Node] | None

    def __str__(self) -> str:
        """The value as quoted in messages."""
        if isinstance(self.value, list | dict):
            return "a list" if isinstance(self.value, list) else "a mapping"
        if self.value is None:
            return "nothing"
        text = str(self.value).lower() if isinstance(self.value, bool) else str(self.value)
        return f"`{text[:40]}…`" if len(text) > 40 else f"`{text}`"


@dataclass(slots=True)
class Report:
    """The mistakes found so far."""

    mistakes: list[Mistake] = field(default_factory=list)
    unreadable: dict[tuple[int, int], Mistake] = field(default_factory=dict)
    """Mistakes of scalars that cannot be read, by line and column. They hide all others at the same place."""

    def add(self, at: Node, message: str, remedy: str) -> None:
        """Add a mistake at a node."""
        self.mistakes.append(Mistake(at.line, at.column, message, remedy))

    def add_unreadable(self, at: Node, message: str, remedy: str) -> None:
        """Add the mistake of a scalar that cannot be read."""
        self.add(at, message, remedy)
        self.unreadable[at.line, at.column] = self.mistakes[-1]

    def summary(self) -> list[Mistake]:
        """The mistakes in the order of the file, without duplicates."""
        return sorted({self.unreadable.get((each.line, each.column), each) for each in self.mistakes})


class _TreeError(Exception):
    """The whole document cannot be read, because it is too large or nested too deeply."""


def parse(text: str, report: Report) -> Node | None:
    """Parse one YAML 1.2 document, and add mistakes to the report."""
    if len(text) > MAX_CHARS:
        report.add(Node(1, 1, None), f"the file has {len(text)} characters", f"keep it below {MAX_CHARS}")
        return None
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        return _Builder(report).build(root, 0) if root is not None else Node(1, 1, None)
    except Exception as error:  # the parser raises many types, also RecursionError and IndexError
        report.mistakes.append(_syntax_mistake(error, text))
        return None


def _syntax_mistake(error: Exception, text: str) -> Mistake:
    if isinstance(error, _TreeError):
        line, column, message, remedy = error.args
        return Mistake(line, column, message, remedy)
    if isinstance(error, ReaderError):
        before = text[: error.position]
        column = len(before) - before.rfind("\n")
        message = f"the character U+{ord(text[len(before)]):04X} is not allowed in YAML"
        return Mistake(before.count("\n") + 1, column, message, "remove it")
    if isinstance(error, RecursionError):
        return Mistake(1, 1, "values are nested too deeply", "nest fewer brackets")
    remedy = "check the indentation, colons, quotes and brackets just before it"
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    if not isinstance(error, MarkedYAMLError) or mark is None:
        return Mistake(1, 1, "this is not YAML", remedy)
    return Mistake(mark.line + 1, mark.column + 1, f"this is not YAML: {error.problem or error.context}", remedy)


class _Builder:
    """Converts YAML nodes to ours; expands aliases within a limit."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.count = 0

    def build(self, node: YamlNode, depth: int) -> Node:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_NODES:
            message = "values are nested too deeply" if depth > MAX_DEPTH else "there are too many values"
            raise _TreeError(line, column, message, "shorten the file, and do not use anchors and aliases")
        if isinstance(node, ScalarNode):
            return self.scalar(node, Node(line, column, node.value))
        here = Node(line, column, None)
        if str(node.tag) not in {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}:
            self.report.add(here, f"the tag `{node.tag}` is not allowed", "remove the tag")
        if isinstance(node, MappingNode):
            return Node(line, column, self.mapping(node, depth))
        return Node(line, column, [self.build(item, depth + 1) for item in node.value])

    def mapping(self, node: MappingNode, depth: int) -> dict[Node, Node]:
        entries: dict[Node, Node] = {}
        lines: dict[str, int] = {}
        for yaml_key, yaml_value in node.value:
            key, value = self.build(yaml_key, depth + 1), self.build(yaml_value, depth + 1)
            if not isinstance(yaml_key, ScalarNode):
                self.report.add(key, f"{key} cannot be a name", "put quotes around the name")
                continue
            key = Node(key.line, key.column, yaml_key.value)
            if yaml_key.value in lines:
                message = f"{key} is a duplicate of line {lines[yaml_key.value]}"
                self.report.add(key, message, "keep one of the two")
                continue
            lines[yaml_key.value] = key.line
            entries[key] = value
        return entries

    def scalar(self, node: ScalarNode, raw: Node) -> Node:
        """Build a string, number or boolean. Anything else is reported and becomes its text."""
        if any("\ud800" <= char <= "\udfff" for char in node.value):
            self.report.add_unreadable(raw, "half of a surrogate pair is not a character", "remove it")
            return Node(raw.line, raw.column, "")
        kind = str(node.tag).rpartition(":")[2]
        try:
            return Node(raw.line, raw.column, _scalar(kind, node.value))
        except (KeyError, ValueError):
            message = f"{raw} is not a string, a number, true or false"
            self.report.add_unreadable(raw, message, "put quotes around it if it is text")
            return raw


def _scalar(kind: str, text: str) -> Scalar | None:
    """Convert a scalar according to the last part of its tag (``int`` of ``tag:yaml.org,2002:int``)."""
    if kind in {"str", "merge"}:
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return {"true": True, "false": False}[text.lower()]
    if kind == "int":
        return int(text, 0 if text.lstrip("+-")[:2].lower() in {"0x", "0o", "0b"} else 10)
    number = {"float": float}[kind](text)
    if not math.isfinite(number):
        raise ValueError(text)
    return int(number) if number.is_integer() else number
