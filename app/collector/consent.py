"""Consent of visitors: signals of the browser, and the choice that a consent banner writes into an event. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.collector.inbound import Call, Inbound

NO = (False, 0, "false", "denied", "no", "0")
"""Values by which consent platforms mark a refusal."""


def browser_refusal(inbound: Inbound) -> str:
    """``gpc`` or ``dnt`` if the browser sends a refusal, else empty."""
    if inbound.headers.get("sec-gpc") == "1":
        return "gpc"
    return "dnt" if inbound.headers.get("dnt") == "1" else ""


def calls_with_consent(calls: Sequence[Call], path: Sequence[str]) -> list[Call]:
    """The calls without a refusal at ``path``; a missing value is not a refusal."""
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
