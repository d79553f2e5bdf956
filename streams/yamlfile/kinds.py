"""Kinds of values in a scorecard file: each knows how it is read and what its JSON Schema is.

Reading never stops at a mistake: it goes to the report, and the value is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, get_args

from streams.scoring.scorecard import Limit, Period
from streams.yamlfile.tree import Node, Report

MAX_NUMBER = 1_000_000_000
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_NAME = r"^[a-z0-9_-]{1,64}$"
_PATH = r"^[^.]{1,64}(\.[^.]{1,64}){0,15}$"
_DURATION = r"^[0-9]{1,9}(\.[0-9]{1,9})?[smhdw]$"
_LIMIT = rf"^[0-9]{{1,4}}/({'|'.join(get_args(Period))})$"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: how it is read (None: a mistake, reported), its JSON Schema, an example of it."""

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
    """A name or a value, with the place where the file gives its name."""

    node: Node
    value: Any


@dataclass(slots=True)
class Struct:
    """What was read of a mapping with fixed keys."""

    node: Node
    values: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """The keys that have a mistake, at any depth."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default for one that the file leaves out."""
        return self.values.get(key, default)


def nearest(name: str, known: Collection[str]) -> str:
    """The remedy for an unknown name."""
    close = get_close_matches(name[:64], known, n=1)
    if close:
        return f"write `{close[0]}`"
    return f"use one of {', '.join(f'`{each}`' for each in list(known)[:20])}" if known else "remove it"


def report_repeated(items: Iterable[Item | None], what: Callable[[Any], str], remedy: str, report: Report) -> None:
    """Report each value that stood before; ``what`` names it. What could not be read is passed over."""
    seen: dict[Any, Node] = {}
    for item in items:
        if item is None or item.value is None:
            continue
        first = seen.setdefault(item.value, item.node)
        if first is not item.node:
            report.add(item.node, f"{what(item.value)} is here for the second time, after line {first.line}", remedy)


# Kinds of one value.


def _scalar(what: str, example: str, schema: Mapping[str, Any], convert: Callable[[Any], Any]) -> Kind:
    """A scalar that ``convert`` takes; it raises ValueError for one that is not ``what``."""

    def read(node: Node, report: Report) -> Any:
        try:
            return convert(node.value)
        except ValueError:
            report.add(node, f"{node} is not {what}", f"write one such as `{example}`")
            return None

    return Kind(read, schema, example)


def _only(condition: bool) -> None:
    if not condition:
        raise ValueError


def _text(what: str, example: str, pattern: str, convert: Callable[[str], Any] = str) -> Kind:
    compiled = re.compile(pattern.replace("$", r"\Z"), re.DOTALL)

    def checked(value: Any) -> Any:
        _only(isinstance(value, str) and bool(compiled.search(value)))
        return convert(value)

    return _scalar(what, example, {"type": "string", "pattern": pattern}, checked)


def _number(least: float, example: str) -> Kind:
    def checked(value: Any) -> float:
        _only(isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= MAX_NUMBER)
        return float(value) + 0.0  # -0.0 is 0.0

    what = "a number" if least < 0 else f"a number from {least:g}"
    return _scalar(what, example, {"type": "number", "minimum": least, "maximum": MAX_NUMBER}, checked)


def _same(types: Any) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        _only(isinstance(value, types))
        return value

    return checked


def _comparable(value: Any) -> Any:
    _only(isinstance(value, int | float) and not isinstance(value, bool))
    return value


def _version(value: Any) -> int:
    _only(value == 1 and not isinstance(value, bool))
    return 1


def _duration_ms(text: str) -> float:
    milliseconds = float(text[:-1]) * _UNIT_MS[text[-1]]
    _only(1 <= milliseconds <= 36_500 * _UNIT_MS["d"])
    return milliseconds


def _limit(text: str) -> Limit:
    count, _, period = text.partition("/")
    _only(1 <= int(count) <= 1000)
    return Limit(int(count), next(known for known in get_args(Period) if known == period))


NAME = _text("a name of 1 to 64 of a-z, 0-9, _ and -", "pricing_visit", _NAME)
CATEGORY_NAME = _text(
    "a name of 1 to 64 of a-z, 0-9, _ and -, and not `other`", "intent", _NAME.replace("^", "^(?!other$)")
)
TEXT = _text("a text of 1 to 1000 characters", "/pricing", r"^[\s\S]{1,1000}$")
LABEL = _text("a text of 1 to 200 characters", "Whole company", r"^[\s\S]{1,200}$")
GRADE = _text("a grade of 1 to 16 characters", "A", r"^[\s\S]{1,16}$")
PATH = _text("a path of names with dots between them", "properties.url", _PATH)
EVENT = _text(
    "a call type (page, screen, identify, group, alias) or the name of a track call",
    "Demo Requested",
    r"^(?!track$)[\s\S]{1,200}$",
)
COOLDOWN = _text("a duration above 0 and up to 36500d", "7d", _DURATION, lambda text: round(_duration_ms(text)))
HALF_LIFE = _text(
    "a duration above 0 and up to 36500d (a number with s, m, h, d or w), or `never`",
    "14d",
    rf"^never$|{_DURATION}",
    lambda text: float("inf") if text == "never" else _duration_ms(text),
)
LIMIT = _text("a limit of 1 to 1000 per hour, day, week or ever", "1/day", _LIMIT, _limit)
NUMBER = _number(-MAX_NUMBER, "10")
CAP = _number(0, "15")
BOOLEAN = _scalar("true or false", "true", {"type": "boolean"}, _same(bool))
OPERAND = _scalar(
    "one text, number, true or false",
    "true",
    {"type": ["string", "number", "boolean"]},
    _same(int | float | str),
)
COMPARABLE = _scalar("a number", "200", {"type": "number"}, _comparable)
VERSION = _scalar("the version of this format", "1", {"const": 1}, _version)


# Kinds of many values.


def list_of(kind: Kind, or_one: bool = False) -> Kind:
    """A list of at least one value, or a single one in its place if ``or_one``; read as a tuple."""

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
    """A mapping from names that the writer chooses, read as ``{name: Item}``."""

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


def struct_of(what: str, fields: Mapping[str, Field], example: str) -> Kind:
    """A mapping with fixed keys, read as a Struct."""

    def read(node: Node, report: Report) -> Struct | None:
        if not isinstance(node.value, dict):
            report.add(node, f"{node} is not {what}", f"write a mapping, for example `{example}`")
            return None
        struct = Struct(node)
        for key, value in node.value.items():
            _read_field(struct, fields, (key, value), report)
        for name, known in fields.items():
            if known.required and name not in struct.nodes:
                report.add(node, f"{what} needs `{name}`", f"add `{name}: {known.kind.example}`")
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
    """The same, with its place: a name that must exist elsewhere in the file."""
    return Kind(lambda node, report: Item(node, kind.read(node, report)), kind.schema, kind.example)
