"""Times as senders write them -> ms since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MOST_MINUTES = 100_000


class _Minutes(dict[str, int]):
    """``2026-11-22T01:02`` -> ms since the epoch, for the times that browsers send: parsed once a minute."""

    def __missing__(self, text: str) -> int:
        at_ms = _parse(text + ":00Z")
        if len(self) >= _MOST_MINUTES:
            self.clear()
        self[text] = at_ms
        return at_ms


FIRST_MS: Final = 1
"""No record is taken to be earlier, not even one without a time: what arrived by 0 was erased, in a lead's state."""
LAST_MS: Final = 2**46
"""Far beyond the year 4000: no record is taken to be later, so that times fit wherever they are kept."""
minutes: Final = _Minutes()
seconds: Final = {f":{s:02d}.": 1000 * s for s in range(60)}
millis: Final = {f"{ms:03d}Z": ms for ms in range(1000)}
"""The three parts of ``2026-11-22T01:02:03.004Z`` as tables; their sum is the time."""


def _parse(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND


def parse_ms(text: Any) -> int | None:
    """RFC 3339 to ms since the epoch; None if it cannot be read. A time without a zone is UTC."""
    try:
        return _parse(text)
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
