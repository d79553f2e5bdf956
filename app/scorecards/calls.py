"""The events of cases as calls of the Segment spec. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from streams.scoring.scorecard import CALL_TYPES
from streams.shard.alert import rfc3339

SITE = "https://www.example.com"
LEAD = "lead"
"""The id of the lead of a case."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event of a case."""

    at_ms: int
    arrival_ms: int
    name: str
    """As it is written: `page /pricing`, or the name of a track call; empty for traits alone."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    message_id: str = ""

    def encode(self, message_id: str) -> bytes:
        """The call as JSON; ``message_id`` is that of an event without one."""
        call, _, rest = self.name.partition(" ")
        known = call in CALL_TYPES
        row: dict[str, Any] = {"type": call if known else "track", "userId": LEAD}
        row |= {} if known else {"event": self.name}
        row["properties"] = {**(_described(call, rest) if known else {}), **self.properties}
        row["context"] = dict(self.context)
        if self.traits:
            row["context"]["traits"] = {**self.context.get("traits", {}), **self.traits}
        if not self.name:
            row = {"type": "identify", "userId": LEAD, "traits": dict(self.traits)}
        row["messageId"] = self.message_id or message_id
        row["timestamp"] = rfc3339(self.at_ms)
        return json.dumps(row).encode()


def _described(call: str, rest: str) -> dict[str, Any]:
    """The properties of a page or a screen: `page /pricing`, `page https://acme.example/pricing`, `screen Home`."""
    if not rest:
        return {}
    if call != "page":
        return {"name": rest}
    parts = urlsplit(rest if "://" in rest else f"{SITE}/{rest.removeprefix('/')}")
    return {"url": parts.geturl(), "path": parts.path or "/"}
