"""The AsyncAPI document follows the official JSON Schema of AsyncAPI 3."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft7Validator

from docs.asyncapi_document import document


def test_the_document_follows_asyncapi_3(sdks: Path) -> None:
    schema = json.loads((sdks / "node_modules/@asyncapi/specs/schemas/3.0.0.json").read_text())
    validator = Draft7Validator(schema)
    assert not validator.is_valid({**document(), "channels": {"handoff": {"messages": []}}})
    assert [f"{list(e.absolute_path)}: {e.message[:300]}" for e in validator.iter_errors(document())] == []
