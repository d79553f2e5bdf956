"""Describes the fields of a record once, as JSON Schema (draft 2020-12) for programs and for docs/records.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Schema = dict[str, Any]
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_TYPE: Final = "application/schema+json"
TIME: Final = "date-time"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record."""

    name: str
    schema: Schema
    """Without description and example; of a group, without its fields."""
    meaning: str
    """In Markdown; words in italics are in the glossary."""
    example: Any = None
    unit: str = ""
    absent: str = ""
    """When it is absent; empty if it never is."""
    fields: tuple[Field, ...] = ()
    """The fields of an object, or of each object in a list."""
    below: str = ""
    """Between its name and theirs: ``[]`` for a list, ``.STAGE[]`` for lists by stage."""

    @property
    def absence(self) -> str:
        """The sentence about when it is absent, after a space; empty if it never is."""
        return f" Absent {self.absent}." if self.absent else ""


def text(name: str, meaning: str, example: Any, *, choices: Sequence[str] = (), **more: Any) -> Field:
    """A text; ``choices`` are all that it can be."""
    return Field(name, {"enum": list(choices)} if choices else {"type": "string"}, meaning, example, **more)


def points(name: str, meaning: str, example: float, **more: Any) -> Field:
    """A number of points, with at most nine decimals."""
    return Field(name, {"type": "number"}, meaning, example, unit="points", **more)


def whole(name: str, meaning: str, example: int, least: int = 0, **more: Any) -> Field:
    """A whole number, ``least`` or more."""
    return Field(name, {"type": "integer", "minimum": least}, meaning, example, **more)


def time(name: str, meaning: str, example: str, **more: Any) -> Field:
    """An instant."""
    return Field(name, {"type": "string", "format": TIME}, meaning, example, **more)


def group(name: str, meaning: str, *fields: Field, **more: Any) -> Field:
    """An object with fields."""
    return Field(name, {"type": "object"}, meaning, fields=fields, **more)


def rows(name: str, meaning: str, *fields: Field, most: int) -> Field:
    """A list of objects, ``most`` at most."""
    return Field(name, {"type": "array", "maxItems": most}, meaning, fields=fields, below="[]")


def rows_by(key: str, name: str, meaning: str, *fields: Field) -> Field:
    """An object with one list of objects for each ``key``."""
    return Field(name, {"type": "object"}, meaning, fields=fields, below=f".{key}[]")


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """The schema of a record, or of its ``data``."""

    name: str
    urn: str
    title: str
    fields: tuple[Field, ...]
    parts: Mapping[str, RecordSchema]
    """Field -> the schema of its value, with its own ``$id``."""

    def to_json(self) -> Schema:
        """The whole document."""
        document: Schema = {"$schema": DRAFT, "$id": self.urn, "title": self.title, **object_schema(self.fields)}
        for name, part in self.parts.items():
            document["properties"][name] = {"$ref": part.urn}
            document.setdefault("$defs", {})[part.name] = part.to_json()
        return document

    def example(self) -> dict[str, Any]:
        """A record with the example of every field."""
        return {each.name: example_of(each) for each in self.fields} | {
            name: part.example() for name, part in self.parts.items()
        }


def object_schema(fields: Sequence[Field]) -> Schema:
    """The schema of an object; it may have further fields, which later versions add."""
    return {
        "type": "object",
        "properties": {each.name: field_schema(each) for each in fields},
        "required": [each.name for each in fields if not each.absent],
    }


def field_schema(field: Field) -> Schema:
    """The schema of a field's value."""
    schema: Schema = {**field.schema, "description": field.meaning.replace("*", "") + field.absence}
    if not field.fields:
        return schema | {"examples": [field.example]}
    inner = object_schema(field.fields)
    if field.below == "[]":
        return schema | {"items": inner}
    if field.below:
        return schema | {"additionalProperties": {"type": "array", "items": inner}}
    return schema | inner


def example_of(field: Field) -> Any:
    """A value with the example of every field below."""
    if not field.fields:
        return field.example
    inner = {each.name: example_of(each) for each in field.fields}
    if field.below == "[]":
        return [inner]
    return {field.below[1:-2].lower(): [inner]} if field.below else inner
