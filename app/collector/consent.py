"""What a visitor refused: the browser's own signals, and the choice that a consent banner wrote into an event. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.collector.inbound import Call, Inbound

NO = (False, 0, "false", "denied", "no", "0")
"""What consent platforms write for a refusal."""


def browser_refusal(inbound: Inbound) -> str:
    """``gpc`` or ``dnt`` if the browser refuses for its visitor, else empty."""
    if inbound.headers.get("sec-gpc") == "1":
        return "gpc"
    return "dnt" if inbound.headers.get("dnt") == "1" else ""


def calls_with_consent(calls: Sequence[Call], path: Sequence[str]) -> list[Call]:
    """The calls whose visitor did not refuse at ``path``; who did not say anything has not refused."""
    return [call for call in calls if not _has_refused(call, path)]


def _has_refused(call: Call, path: Sequence[str]) -> bool:
    value: Any = call
    for key in path:
        if not isinstance(value, dict):
            return False
        value = value.get(key)
    if isinstance(value, str):
        value = value.lower()
    return bool(path) and isinstance(value, bool | int | str) and value in NO
