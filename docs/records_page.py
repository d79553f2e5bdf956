"""Writes the tables, the whole examples and the JSON Schemas of docs/records.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs.markers import fill
from docs.record_examples import examples
from streams.schemas import RECORDS
from streams.schemas.fields import table

PAGE = Path(__file__).parent / "records.md"


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
        **{f"fields of {name}": table(record.fields) for name, record in RECORDS.items()},
        "an alert of an entry": _block(found["entered"]),
        "an alert of leaving": _block(left),
        "a score": _block(found["score"]),
        "the headers of a reject": _block(found["reject"]),
    }


def records_page() -> str:
    """The page with its generated parts made anew."""
    return fill(PAGE, parts())


def schema_text(name: str) -> str:
    """One JSON Schema as a file."""
    return json.dumps(RECORDS[name].to_json(), indent=2, ensure_ascii=False) + "\n"
