"""Kinds of many values in a YAML file: lists, mappings of names, and mappings with fixed keys."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from streams.yamlfile.kinds import NAME_PATTERN, Field, Item, Kind, Struct, accepts, free_name, nearest
from streams.yamlfile.source import JOINED, SMART_QUOTES, spell
from streams.yamlfile.tree import Node, Report
from streams.yamlfile.written import fill_remedy

_NONE = ("none", "null", "nil", "unlimited", "no limit", "infinity", "infinite", "inf", ".inf", "-", "n/a")
_MAX_CHARS = 1000
"""Of a text that is searched for pairs, which takes quadratic time."""
_PAIR = re.compile(r"([\w-]+) *(?:=|:|;|\uff1a|->|=>) *([-+]?[\d.]+)")
_BETWEEN_ITEMS = re.compile(r"[,;|]|(?:^|\s)(?:--+|[\u2013\u2014\u2022\u25cf\u25aa\xb7])\s")
"""Signs between several values in one text, or before each."""


def list_of(kind: Kind, or_one: bool = False) -> Kind:
    """A list of at least one value, read as a tuple. With ``or_one`` a single value is allowed, too."""

    def read(node: Node, report: Report) -> tuple[Any, ...] | None:
        items = [node] if or_one and not isinstance(node.value, list) else node.value
        if not isinstance(items, list) or not items:
            empty = isinstance(items, list)
            shown = "this" if report.discreet and not isinstance(node.value, dict) else node
            about = "the list is empty" if empty else f"{shown} is not a list of values"
            report.add(node, about, f"write `[{kind.example}]`" if empty else _list_remedy(kind, node))
            return None
        if split := _split_number(items):
            first, text = split
            remedy = f"write `{text.replace(',', '')}`" if text.replace(",", "").isdigit() else f"write `{spell(text)}`"
            report.add(first, f"`{text}` is two values of a list", remedy)
            return None
        if len(items) > 1 and _is_torn(node, _fields_of(kind)):
            report.add(items[1], "a second item begins here", "keep only the first dash: these are keys of one item")
            return None
        values = tuple(_read_item(kind, item, report) for item in items)
        return None if None in values else values

    many = {"type": "array", "items": kind.schema, "minItems": 1}
    about = f"{kind.about}, or a list of such" if or_one else f"a list, each {kind.about}"
    return Kind(read, {"anyOf": [kind.schema, many]} if or_one else many, kind.example, about)


def _split_number(items: list[Node]) -> tuple[Node, str] | None:
    """A number such as `1,000` without quotes, which is two items of a list."""
    for first, second in pairwise(items):
        beside = first.line == second.line and first.column + len(first.raw) + 1 == second.column
        if beside and re.fullmatch(r"\d{1,3}", first.raw) and re.fullmatch(r"0\d\d\b[^\d]*", second.raw):
            return first, f"{first.raw},{second.raw}"
    return None


def _is_torn(node: Node, fields: Collection[str]) -> bool:
    """Whether each key of one mapping is an item of a list."""
    items = node.value if isinstance(node.value, list) else []
    keys = [key.value for item in items if isinstance(item.value, dict) and len(item.value) == 1 for key in item.value]
    return bool(keys) and len(keys) == len(items) == len(set(keys)) and all(key in fields for key in keys)


def _read_item(kind: Kind, item: Node, report: Report) -> Any:
    if isinstance(item.value, list):
        report.add(item, "a list is inside a list", "take away the inner brackets or dashes")
        return None
    return kind.read(item, report)


def _list_remedy(kind: Kind, node: Node) -> str:
    """How to write as a list what is none."""
    if isinstance(node.value, dict):
        return _items_remedy(kind, node, list(node.value.items()))
    text = node.value if isinstance(node.value, str) else node.raw
    text = text[1:-1] if re.fullmatch(r"\[.*\]|\(.*\)", text or "") else text
    parts = [part.strip().strip(f"'\"{SMART_QUOTES}") for part in _BETWEEN_ITEMS.split(text)] if text else []
    parts = parts[1:] if parts[:1] == [""] else parts
    parts = (
        parts[0].split() if node.folded and parts[1:] == [] and kind.schema.get("pattern") == NAME_PATTERN else parts
    )
    nodes = [Node(node.line, node.column, part, part) for part in parts]
    if isinstance(node.value, str) and parts and all(accepts(kind, part) for part in nodes):
        return f"write `[{', '.join(spell(part) for part in parts)}]`"
    return f"write `[{spell(node.value) if node.value is not None and accepts(kind, node) else kind.example}]`"


def _items_remedy(kind: Kind, node: Node, entries: list[tuple[Node, Node]]) -> str:
    """How to write as a list what is a mapping."""
    if accepts(kind, node):
        return "put a dash before its first key: it is a list, even of one"
    names = [Node(key.line, key.column, key.value, str(key.value)) for key, _ in entries]
    if names and all(isinstance(value.value, dict) for _, value in entries) and kind.example.startswith("{name:"):
        return f"write a list without names as keys: `- {{name: {names[0].value}, …}}`"
    if names and all(accepts(kind, value) for _, value in entries):
        return f"write a list: a dash in place of each name, as `{names[0].value}:`"
    if names and all(accepts(kind, name) for name in names):
        return f"write `[{', '.join(spell(name.value) for name in names)}]`"
    return f"write a list: `- {kind.example}`"


def _fields_of(kind: Kind) -> set[str]:
    """The keys of a mapping, in any of its forms."""
    return {name for each in (kind.schema, *kind.schema.get("anyOf", ())) for name in each.get("properties", ())}


def named(key_kind: Kind, kind: Kind, at_least: int = 0) -> Kind:
    """A mapping whose keys the author of the file chooses, read as ``{name: Item}``."""
    fields = kind.schema.get("properties", {})

    def read(node: Node, report: Report) -> dict[str, Item] | None:
        example = f"{key_kind.example}: {kind.example}"
        if not isinstance(node.value, dict) or len(node.value) < at_least:
            empty = isinstance(node.value, dict)
            about = "there are no names here" if empty else f"{node} is not a mapping of names"
            report.add(node, about, _names_remedy(node, example))
            return None
        above = [key for key, value in node.value.items() if value.value is None and not value.raw]
        known = _fields_of(kind) if above else fields
        misplaced = [key for key, value in node.value.items() if key.value in known and not _has(value, known)]
        if misplaced:
            first = misplaced[0]
            above = [key for key in above if key.line < first.line]
            before = [key for key, value in node.value.items() if key.line < first.line and _has(value, fields)]
            example = free_name(key_kind.example, {key.value for key in node.value})
            remedy = f"put a name above it, such as `{example}:`, and indent it further"
            if before:
                remedy = f"indent it further if it belongs to `{before[-1].value}`, or {remedy}"
            if above:
                remedy = f"indent it further, below `{above[-1].value}:`"
            report.add(first, f"{first} is a key, and a name belongs here", remedy)
            return None
        read_items = [(key_kind.read(k, report), Item(k, kind.read(v, report))) for k, v in node.value.items()]
        for _, value in node.repeated:
            kind.read(value, report)
        return {name: item for name, item in read_items if name is not None}

    schema: dict[str, Any] = {"type": "object", "propertyNames": key_kind.schema, "additionalProperties": kind.schema}
    schema |= {"minProperties": at_least} if at_least else {}
    about = f"a mapping of names, each with {kind.about}"
    return Kind(read, schema, f"{{{key_kind.example}: {kind.example}}}", about)


def _has(node: Node, fields: Collection[str]) -> bool:
    return isinstance(node.value, dict) and any(key.value in fields for key in node.value)


def _names_remedy(node: Node, example: str) -> str:
    """How to write as a mapping what is none."""
    items = node.value if isinstance(node.value, list) else []
    mappings = [item.value for item in items if isinstance(item.value, dict)]
    if items and len(mappings) == len(items):
        keys = [key for mapping in mappings for key in mapping]
        if len(keys) == len(items):
            return f"take away the dashes: `{keys[0].value}: …`, each name once"
        return f"take away the dashes, and write each name as a key: `{example}`"
    pairs = _PAIR.findall(node.value[:_MAX_CHARS]) if isinstance(node.value, str) else []
    if pairs:
        return f"write `{{{', '.join(f'{name}: {number}' for name, number in pairs)}}}`"
    if items and all(isinstance(item.value, str) for item in items):
        return f"write each name as a key with its value: `{{{', '.join(f'{item.value}: …' for item in items)}}}`"
    if isinstance(node.value, str) and re.fullmatch(r"[a-z][a-z0-9_-]*", node.value) and node.raw not in _NONE:
        return f"write the name as a key with its value: `{{{node.value}: …}}`"
    return f"write names, for example `{example}`"


def struct_of(
    about: str, fields: Mapping[str, Field], example: str, synonyms: Mapping[str, str] = MappingProxyType({})
) -> Kind:
    """A mapping with fixed keys, read as a Struct; ``synonyms`` are keys that other tools have in their place."""

    def read(node: Node, report: Report) -> Struct | None:
        if not isinstance(node.value, dict):
            report.add(node, f"{node} is not {about}", _struct_remedy(node, fields, example))
            return None
        needs_some = any(each.required for each in fields.values())
        if node.value and needs_some and not any(key.value in fields for key in node.value):
            remedy = _unknown_remedy(node.value, fields, synonyms, example)
            if remedy:
                report.add(node, f"this is not {about}: its keys are unknown", remedy)
                return None
        struct, before = Struct(node), len(report.mistakes)
        entries = _report_outdented(struct, fields, node.value, report)
        remedies = [_read_field(struct, fields, synonyms, entry, report) for entry in entries]
        _check_repeated(node, fields, report)
        for name, known in fields.items():
            if known.required and name not in struct.nodes:
                inside = any(
                    mistake.remedy.startswith("move") and f"`{name}`" in mistake.message
                    for mistake in report.mistakes[before:]
                )
                written = any(re.search(rf"^write .*[` ]{name}[`:]", remedy) for remedy in remedies)
                if not written and not inside:
                    report.add(node, f"{about} needs `{name}`", f"add `{name}: {known.example or known.kind.example}`")
                struct.broken.add(name)
        return struct

    properties = {name: {**each.kind.schema, "description": each.description} for name, each in fields.items()}
    required = [name for name, each in fields.items() if each.required]
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return Kind(read, schema | ({"required": required} if required else {}), example, about)


def _check_repeated(node: Node, fields: Mapping[str, Field], report: Report) -> None:
    for key, value in node.repeated:
        if key.value in fields:
            fields[str(key.value)].kind.read(value, report)


def _report_outdented(
    struct: Struct, fields: Mapping[str, Field], entries: Mapping[Node, Node], report: Report
) -> list[tuple[Node, Node]]:
    """Report unknown keys after a key without a value, which they belong to; returns the other entries."""
    rest: list[tuple[Node, Node]] = []
    inside = False
    for key, value in entries.items():
        name = str(key.value)
        empty = bool(rest) and rest[-1][0].value in fields and rest[-1][1].value is None and not rest[-1][1].raw
        if name not in fields and isinstance(value.value, dict) and (empty or inside):
            if not inside:
                owner = str(rest.pop()[0].value)
                struct.nodes[owner] = value
                struct.broken.add(owner)
                report.add(key, f"{key} is beside `{owner}`, which is empty", f"indent it further, below `{owner}:`")
            inside = True
        else:
            rest.append((key, value))
            inside = False
    return rest


def _unknown_remedy(
    entries: Mapping[Node, Node], fields: Mapping[str, Field], synonyms: Mapping[str, str], example: str
) -> str:
    """How to write a mapping of which no key is known; empty if the remedies for its keys are enough."""
    if any(not nearest(str(key.value), fields, synonyms).startswith("use one of") for key in entries):
        return ""
    key, inner = next(iter(entries.items()))
    if len(entries) == 1 and isinstance(inner.value, dict) and "name" in fields and _has(inner, fields):
        shown = ", ".join(f"{name.value}: {value.raw or '…'}" for name, value in inner.value.items())
        return f"write `{{name: {key.value}, {shown}}}`"
    return f"write a mapping, for example `{example}`"


def move_out(name: str) -> str:
    """The remedy for a key that belongs to a mapping further out, which then does not lack it."""
    return f"move `{name}` out of these braces"


def _struct_remedy(node: Node, fields: Mapping[str, Field], example: str) -> str:
    """How to write as a mapping what may be the value of its only required key."""
    joined = JOINED.fullmatch(node.value) if isinstance(node.value, str) and not node.quote else None
    if joined and joined[1] in fields:
        if any(word in fields for word in re.split(r"[\s:=]+", joined[3])):
            return "write a colon and a space after each key"
        return f"write `{joined[1]}: {joined[3]}`"
    required = [(name, each.kind) for name, each in fields.items() if each.required]
    if _is_torn(node, fields):
        return "take away the dashes or brackets: these are keys of one mapping"
    items = node.value if isinstance(node.value, list) else [node]
    if len(required) == 1 and all(isinstance(item.value, str) for item in items) and accepts(required[0][1], node):
        values = ", ".join(spell(item.value) for item in items)
        return f"write `{{{required[0][0]}: {f'[{values}]' if isinstance(node.value, list) else values}}}`"
    return f"write a mapping, for example `{example}`"


def _read_field(
    struct: Struct,
    fields: Mapping[str, Field],
    synonyms: Mapping[str, str],
    entry: tuple[Node, Node],
    report: Report,
) -> str:
    """Read one entry; returns the remedy for an unknown key."""
    key, node = entry
    name, before = str(key.value), len(report.mistakes)
    if name not in fields:
        remedy = fill_remedy(nearest(name, fields, synonyms), key, struct.node)
        report.add(key, f"unknown key {key}", remedy)
        return remedy
    struct.nodes[name] = node
    value = fields[name].kind.read(node, report)
    if value is not None:
        struct.values[name] = value
    if len(report.mistakes) > before:
        struct.broken.add(name)
    if len(report.mistakes) == before + 1 and not fields[name].required and _means_none(node):
        mistake = report.mistakes[-1]
        other = mistake.remedy if node.value == [] else "write a value"
        if not node.value or not mistake.remedy.startswith("write `"):
            report.mistakes[-1] = replace(mistake, remedy=f"remove `{name}`, or {other}")
    return ""


def _means_none(node: Node) -> bool:
    return node.value == [] or (node.value is None and not node.raw.startswith("#")) or node.raw.casefold() in _NONE
