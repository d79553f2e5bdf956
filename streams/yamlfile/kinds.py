"""The value types of a YAML file, each with a reader and a JSON Schema.

Reading continues after a mistake: the mistake is reported, and the value is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from streams.units import DAY_MS, parse_duration_ms
from streams.yamlfile.tree import Node, Report

MAX_NUMBER = 1_000_000_000
NAME_PATTERN = r"^[a-z0-9_-]{1,64}$"
_PATH = r"^[^.]{1,64}(\.[^.]{1,64}){0,15}$"
DURATION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?[smhdw]$"


@dataclass(frozen=True, slots=True)
class Kind:
    """A value type: a reader, a JSON Schema and an example. The reader reports a mistake and returns None for it."""

    read: Callable[[Node, Report], Any]
    schema: Mapping[str, Any]
    example: str


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a mapping."""

    kind: Kind
    about: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A value with its place in the file."""

    node: Node
    value: Any


@dataclass(slots=True)
class Struct:
    """A mapping with fixed keys, as far as it could be read."""

    node: Node
    values: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Keys with a mistake, at any depth."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default if the file leaves it out."""
        return self.values.get(key, default)


def nearest(name: str, known: Collection[str]) -> str:
    """The remedy for an unknown name: the known name most like it."""
    close = get_close_matches(name[:64], known, n=1)
    if close:
        return f"write `{close[0]}`"
    return f"use one of {', '.join(f'`{each}`' for each in list(known)[:20])}" if known else "remove it"


def report_repeated(items: Iterable[Item | None], describe: Callable[[Any], str], remedy: str, report: Report) -> None:
    """Report each value that occurs again; values that could not be read are skipped."""
    seen: dict[Any, Node] = {}
    for item in items:
        if item is None or item.value is None:
            continue
        first = seen.setdefault(item.value, item.node)
        if first is not item.node:
            report.add(item.node, f"{describe(item.value)} is a duplicate of line {first.line}", remedy)


# Single values.


def scalar_of(about: str, example: str, schema: Mapping[str, Any], convert: Callable[[Any], Any]) -> Kind:
    """A scalar; ``convert`` raises ValueError for one that is not ``about``."""

    def read(node: Node, report: Report) -> Any:
        try:
            return convert(node.value)
        except ValueError:
            report.add(node, f"{node} is not {about}", f"write one such as `{example}`")
            return None

    return Kind(read, schema, example)


def text_of(about: str, example: str, pattern: str, convert: Callable[[str], Any] = str) -> Kind:
    """A text that matches a pattern; ``convert`` raises ValueError for one that is invalid all the same."""
    compiled = re.compile(pattern.replace("$", r"\Z"), re.DOTALL)

    def checked(value: Any) -> Any:
        require(isinstance(value, str) and bool(compiled.search(value)))
        return convert(value)

    return scalar_of(about, example, {"type": "string", "pattern": pattern}, checked)


def private(about: str, remedy: str, convert: Callable[[Any], Any]) -> Kind:
    """A scalar that messages do not quote, because it may be a secret. ``convert`` returns None for an invalid one."""

    def read(node: Node, report: Report) -> Any:
        value = None if isinstance(node.value, list | dict) else convert(node.value)
        if value is None:
            report.add(node, f"this is not {about}", f"write {remedy}")
        return value

    return Kind(read, {}, remedy)


def matching(pattern: str) -> Callable[[Any], str | None]:
    """A ``convert`` function for ``private``: the whole text must match a pattern."""
    compiled = re.compile(pattern)
    return lambda value: value if isinstance(value, str) and compiled.fullmatch(value) else None


def require(condition: bool) -> None:
    """Check a condition in the ``convert`` function of a scalar.

    Raises:
        ValueError: the condition does not hold.
    """
    if not condition:
        raise ValueError


def number_from(least: float, example: str) -> Kind:
    """A number that is at least ``least``."""

    def checked(value: Any) -> float:
        require(isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= MAX_NUMBER)
        return float(value) + 0.0  # -0.0 is 0.0

    about = "a number" if least < 0 else f"a number from {least:g}"
    return scalar_of(about, example, {"type": "number", "minimum": least, "maximum": MAX_NUMBER}, checked)


def _checked_bool(value: Any) -> bool:
    require(isinstance(value, bool))
    return bool(value)


def _checked_version(value: Any) -> int:
    require(value == 1 and not isinstance(value, bool))
    return 1


def duration_ms(text: str) -> float:
    """Convert a duration from 1 ms to 36,500 days to milliseconds.

    Raises:
        ValueError: the duration is out of bounds.
    """
    milliseconds = parse_duration_ms(text)
    require(1 <= milliseconds <= 36_500 * DAY_MS)
    return milliseconds


NAME = text_of("a name of 1 to 64 of a-z, 0-9, _ and -", "pricing_visit", NAME_PATTERN)
TEXT = text_of("a text of 1 to 1000 characters", "/pricing", r"^[\s\S]{1,1000}$")
PATH = text_of("a path of names with dots between them", "properties.url", _PATH)
NUMBER = number_from(-MAX_NUMBER, "10")
CAP = number_from(0, "15")
BOOLEAN = scalar_of("true or false", "true", {"type": "boolean"}, _checked_bool)
VERSION = scalar_of("the version of this format", "1", {"const": 1}, _checked_version)


# Lists and mappings.


def list_of(kind: Kind, or_one: bool = False) -> Kind:
    """A list of at least one value, read as a tuple. With ``or_one`` a single value is allowed, too."""

    def read(node: Node, report: Report) -> tuple[Any, ...] | None:
        items = [node] if or_one and not isinstance(node.value, list) else node.value
        if not isinstance(items, list) or not items:
            report.add(node, f"{node} is not a list of values", f"write `[{kind.example}]`")
            return None
        values = tuple(kind.read(item, report) for item in items)
        return None if None in values else values

    many = {"type": "array", "items": kind.schema, "minItems": 1}
    return Kind(read, {"anyOf": [kind.schema, many]} if or_one else many, kind.example)


def named(key_kind: Kind, kind: Kind, at_least: int = 0) -> Kind:
    """A mapping whose keys the author of the file chooses, read as ``{name: Item}``."""

    def read(node: Node, report: Report) -> dict[str, Item] | None:
        example = f"{key_kind.example}: {kind.example}"
        if not isinstance(node.value, dict) or len(node.value) < at_least:
            report.add(node, f"{node} is not a mapping of names", f"write names, for example `{example}`")
            return None
        read_items = [(key_kind.read(k, report), Item(k, kind.read(v, report))) for k, v in node.value.items()]
        return {name: item for name, item in read_items if name is not None}

    schema: dict[str, Any] = {"type": "object", "propertyNames": key_kind.schema, "additionalProperties": kind.schema}
    schema |= {"minProperties": at_least} if at_least else {}
    return Kind(read, schema, f"{{{key_kind.example}: {kind.example}}}")


def struct_of(about: str, fields: Mapping[str, Field], example: str) -> Kind:
    """A mapping with fixed keys, read as a Struct."""

    def read(node: Node, report: Report) -> Struct | None:
        if not isinstance(node.value, dict):
            report.add(node, f"{node} is not {about}", f"write a mapping, for example `{example}`")
            return None
        struct = Struct(node)
        for key, value in node.value.items():
            _read_field(struct, fields, (key, value), report)
        for name, known in fields.items():
            if known.required and name not in struct.nodes:
                report.add(node, f"{about} needs `{name}`", f"add `{name}: {known.kind.example}`")
                struct.broken.add(name)
        return struct

    properties = {name: {**each.kind.schema, "description": each.about} for name, each in fields.items()}
    required = [name for name, each in fields.items() if each.required]
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return Kind(read, schema | ({"required": required} if required else {}), example)


def _read_field(struct: Struct, fields: Mapping[str, Field], entry: tuple[Node, Node], report: Report) -> None:
    key, node = entry
    name, before = str(key.value), len(report.mistakes)
    if name not in fields:
        report.add(key, f"unknown key {key}", nearest(name, fields))
        return
    struct.nodes[name] = node
    value = fields[name].kind.read(node, report)
    if value is not None:
        struct.values[name] = value
    if len(report.mistakes) > before:
        struct.broken.add(name)


def placed(kind: Kind) -> Kind:
    """The same value type, read as an Item, for names that must exist elsewhere in the file."""
    return Kind(lambda node, report: Item(node, kind.read(node, report)), kind.schema, kind.example)
