"""The contract with those who write and read the topics: its document, and that a change of a schema breaks nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app.settings import Settings
from app.topic_settings import topic_specs
from docs.asyncapi_document import call_schema, document
from streams.events.calls import check_call
from streams.events.rejects import Refused
from streams.schemas import RECORDS

BASELINE = Path(__file__).parents[1] / "data" / "schemas"
"""The schemas that receivers have been written for. A change is copied here once it is known to be compatible."""


def parts(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A schema and all schemas below it, by path."""
    yield path, schema
    for name, below in {**schema.get("properties", {}), **schema.get("$defs", {})}.items():
        yield from parts(below, f"{path}.{name}")
    for name in {"items", "additionalProperties"} & schema.keys():
        yield from parts(schema[name], f"{path}[]")


def incompatibilities(old: Any, new: Any) -> Iterator[str]:
    """What a program that was written for the old schema may stumble over in records of the new one."""
    found = dict(parts(new))
    for path, before in parts(old):
        after = found.get(path, {})
        for name in ("$id", "type", "format", "const"):
            if before.get(name) != after.get(name):
                yield f"{path}: {name} was {before.get(name)!r}, and is {after.get(name)!r}"
        if more := set(after.get("enum", ())) - set(before.get("enum", ())):
            yield f"{path}: may be {sorted(more)}"
        if gone := set(before.get("required", ())) - set(after.get("required", ())):
            yield f"{path}: {sorted(gone)} may be absent"


@pytest.mark.parametrize("name", RECORDS)
def test_a_schema_is_compatible_with_the_one_before(name: str) -> None:
    old = json.loads((BASELINE / f"{name}.json").read_text())
    assert list(incompatibilities(old, RECORDS[name].to_json())) == []


def test_incompatible_changes_are_found() -> None:
    old = RECORDS["lead-scores"].to_json()
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda new: new["properties"].pop("grade"),
        lambda new: new["required"].remove("at"),
        lambda new: new["properties"]["score"].update(type="number"),
        lambda new: new.update({"$id": "urn:leadglow:schema:lead-scores:2"}),
    )
    for change in changes:
        new = deepcopy(old)
        change(new)
        assert list(incompatibilities(old, new))
    reject = RECORDS["rejected-events"].to_json()
    wider = deepcopy(reject)
    wider["properties"]["reason"]["enum"].append("odd")
    assert list(incompatibilities(reject, wider)) == [".reason: may be ['odd']"]
    assert list(incompatibilities(wider, reject)) == []


def test_the_document_describes_every_topic_for_others_with_valid_examples() -> None:
    ours = {topic.name for topic in topic_specs(Settings())}
    assert set(document()["channels"]) == ours - {"lead-events", "scorecards", "undelivered"}
    for name, message in document()["components"]["messages"].items():
        for part in {"payload", "headers"} & message.keys():
            validator = Draft202012Validator(message[part]["schema"])
            examples = [each[part] for each in message["examples"]]
            assert examples, name
            assert [error.message for each in examples for error in validator.iter_errors(each)] == []


@pytest.mark.parametrize(
    "call", [{}, {"type": "track"}, {"type": "purchase"}, {"type": "page"}, {"type": "track", "event": "Seen"}]
)
def test_the_schema_of_calls_agrees_with_what_is_read(call: dict[str, Any]) -> None:
    try:
        check_call(call)
        is_read = True
    except Refused:
        is_read = False
    assert Draft202012Validator(call_schema()).is_valid(call) is is_read
