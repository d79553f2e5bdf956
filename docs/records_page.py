"""Writes the tables, the whole examples and the JSON Schemas of docs/records.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docs.markdown import fill, table
from docs.record_examples import examples
from streams.schemas import RECORDS
from streams.schemas.fields import TIME, Field

PAGE = Path(__file__).parent / "records.md"
TYPES = {"string": "text", "integer": "whole number", "number": "number", "object": "object", "null": "null",
         "boolean": "true or false"}  # fmt: skip


def fields_table(fields: Sequence[Field]) -> str:
    """All fields of a record."""
    return table(("Field", "Type", "Meaning", "Example"), (row for each in fields for row in _rows(each, "")))


def _rows(field: Field, prefix: str) -> Iterator[tuple[str, ...]]:
    example = "" if field.fields else f"`{json.dumps(field.example, ensure_ascii=False)}`"
    path = prefix + field.name
    yield f"`{path}`", _type_of(field), field.meaning + field.absence, example
    for each in field.fields:
        yield from _rows(each, f"{path}{field.below}.")


def _type_of(field: Field) -> str:
    schema = field.schema
    unit = f", {field.unit}" if field.unit else ""
    if "enum" in schema:
        return "text: " + ", ".join(f"`{each}`" for each in schema["enum"])
    if schema["type"] == "array":
        return f"list of at most {schema['maxItems']}"
    if schema.get("format") == TIME:
        return "time"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(TYPES[kind] for kind in kinds) + unit


def _short(data: dict[str, Any], *kept: str) -> dict[str, Any]:
    """Some fields of an alert; the others are like those of the alert above."""
    return {**{name: data[name] for name in kept}, "…": "as above"}


def _block(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=1, ensure_ascii=False)}\n```\n"


def parts() -> dict[str, str]:
    """Name of a marker in the page -> what follows it."""
    found = examples()
    left = {**found["left"], "data": _short(found["left"]["data"], "score", "stage", "threshold", "cause")}
    return {
        **{f"fields of {name}": fields_table(record.fields) for name, record in RECORDS.items()},
        "an alert of an entry": _block(found["entered"]),
        "an alert of leaving": _block(left),
        "an alert about an account": _block(found["account"]),
        "a score": _block(found["score"]),
        "the headers of a reject": _block(found["reject"]),
    }


def records_page() -> str:
    """The page with its generated parts made anew."""
    return fill(PAGE, parts())


def schema_text(name: str) -> str:
    """One JSON Schema as a file."""
    return json.dumps(RECORDS[name].to_json(), indent=2, ensure_ascii=False) + "\n"
