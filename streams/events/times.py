"""Parses the times that senders write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

FIRST_MS: Final = 1
"""No record is taken to be earlier, not even one without a time: what arrived by 0 was erased, in a lead's state."""
LAST_MS: Final = 2**46
"""Far beyond the year 4000: no record is taken to be later, so that times fit wherever they are kept."""


def parse_ms(text: Any) -> int | None:
    """RFC 3339 to ms since the epoch; None if it cannot be read. A time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    except (TypeError, ValueError, OverflowError):
        return None


def event_time(sent: Mapping[str, Any], arrival: int) -> int:
    """When it happened: ``timestamp`` corrected for the sender's clock by ``sentAt``, never after arrival."""
    said = parse_ms(sent.get("timestamp") or sent.get("originalTimestamp"))
    if said is None:
        return arrival
    sent_at = parse_ms(sent.get("sentAt"))
    at = said if sent_at is None else arrival - (sent_at - said)
    return max(min(at, arrival), 0)
