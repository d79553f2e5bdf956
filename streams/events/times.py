"""Parses the times in events, and corrects them for the sender's clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

FIRST_MS: Final = 1
"""The earliest arrival time; earlier or missing ones are raised to it.

In a lead's state, everything that arrived at or before 0 counts as erased.
"""
LAST_MS: Final = 2**46
"""The latest arrival time, far beyond the year 4000; later ones are lowered to it. Every field can hold it."""


def parse_ms(text: Any) -> int | None:
    """Convert an RFC 3339 time to ms since the epoch; None if it is invalid. A time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    except (TypeError, ValueError, OverflowError):
        return None


def event_time(sent: Mapping[str, Any], arrival: int) -> int:
    """The time of the event: ``timestamp``, corrected for the sender's clock by ``sentAt``, and never after arrival."""
    said = parse_ms(sent.get("timestamp") or sent.get("originalTimestamp"))
    if said is None:
        return arrival
    sent_at = parse_ms(sent.get("sentAt"))
    at = said if sent_at is None else arrival - (sent_at - said)
    return max(min(at, arrival), 0)
