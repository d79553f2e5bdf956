"""Reads the verdict of sales in an event: its kind, its reason, owner, note or amount, and who gave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streams.events.calls import from_public_key
from streams.scoring.texts import number_of
from streams.scoring.verdicts import (
    LOST,
    MAX_SALES_AMOUNT,
    NOTE,
    OPPORTUNITY,
    OWNER,
    REJECTED,
    VERDICT_EVENTS,
    WON,
    Detail,
    SalesCall,
    cut_text,
)

_DETAILS: Final[Mapping[int, str]] = {
    REJECTED: "reason",
    LOST: "reason",
    OWNER: "owner",
    NOTE: "note",
    OPPORTUNITY: "amount",
    WON: "amount",
}
"""Kind -> the property with its detail."""
AMOUNTS: Final = frozenset(kind for kind, name in _DETAILS.items() if name == "amount")
CODE_LETTERS: Final = 3
"""Of the code of a currency."""


def verdict_of(name: str, sent: Mapping[str, Any]) -> SalesCall | None:
    """The verdict in an event; None if it has none, or came with a public write key, which anybody can use."""
    kind = VERDICT_EVENTS.get(name)
    if kind is None or from_public_key(sent):
        return None
    properties, context = sent.get("properties"), sent.get("context")
    detail = properties.get(_DETAILS[kind]) if isinstance(properties, dict) and kind in _DETAILS else None
    by = context.get("by") if isinstance(context, dict) else None
    currency = properties.get("currency") if isinstance(properties, dict) and kind in AMOUNTS else None
    return SalesCall(kind, _detail(kind, detail), _text(by), _currency(currency))


def _detail(kind: int, value: Any) -> Detail:
    if _DETAILS.get(kind) != "amount":
        return _text(value)
    amount = number_of(value)
    if amount is None:
        return ""
    amount = float(min(max(0.0, amount), MAX_SALES_AMOUNT))
    return int(amount) if amount.is_integer() else amount


def _currency(value: Any) -> str:
    """A code of ISO 4217 in capital letters; empty if it is none."""
    code = value.strip().upper() if isinstance(value, str) else ""
    return code if len(code) == CODE_LETTERS and code.isascii() and code.isalpha() else ""


def _text(value: Any) -> str:
    return cut_text(" ".join(value.split())) if isinstance(value, str) else ""
