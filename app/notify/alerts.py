"""An alert as read from handoff, with what routes and messages need of it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

Direction = Literal["entered", "left"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("entered", "left")
_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
"""An id goes into headers."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert."""

    alert_id: str
    lead_id: str
    scorecard: str
    stage: str
    direction: str
    owner: str
    """Empty without one."""
    traits: dict[str, Any] = field(repr=False)
    data: dict[str, Any] = field(repr=False)
    raw: bytes = field(repr=False)
    """The record itself."""

    @property
    def is_about_account(self) -> bool:
        """Whether it is about a company, not about a lead."""
        return "account" in self.data


def read_alert(raw: bytes | None) -> Alert | None:
    """Read a record of handoff; None if it is not an alert."""
    try:
        event = orjson.loads(raw or b"")
        data = event["data"]
        traits = data.get("lead", {}).get("traits", {})
        alert = Alert(
            alert_id=event["id"],
            lead_id=event["subject"],
            scorecard=data["scorecard"]["name"],
            stage=data["stage"]["name"],
            direction=data["stage"]["kind"],
            owner=_owner(data, traits),
            traits=traits,
            data=data,
            raw=raw or b"",
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    texts = (alert.alert_id, alert.lead_id, alert.scorecard, alert.stage, alert.direction)
    readable = all(isinstance(text, str) for text in texts) and isinstance(traits, dict)
    return alert if readable and _ID.fullmatch(alert.alert_id) else None


def _owner(data: dict[str, Any], traits: dict[str, Any]) -> str:
    """The owner whom sales assigned; else the trait ``owner``, also in alerts of older programs."""
    named = data.get("lead", {}).get("owner") or traits.get("owner")
    return named if isinstance(named, str) else ""


def value_at(data: Any, path: str) -> Any:
    """The value at a path with dots; None if there is none."""
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data
