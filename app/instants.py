"""Times that people ask for: RFC 3339, or so long from now."""

import re
from datetime import UTC, datetime

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_FROM_NOW = re.compile(r"\+(\d{1,12}(?:\.\d{1,12})?)([smhdw])")
_LATEST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last that RFC 3339 can write


def moment_of(text: str, now_ms: int) -> int:
    """Milliseconds since the epoch.

    Raises:
        ValueError: it is no time, or over; as text, what to write instead.
    """
    at_ms = _read(text, now_ms)
    if at_ms is None or at_ms > _LATEST_MS:
        msg = f"{text!r} is not a time: write 2026-12-24T18:00:00Z, 2026-12-24 (UTC), or +7d (s, m, h, d, w)."
        raise ValueError(msg)
    if at_ms < now_ms:
        msg = f"{text} is over: states are kept as they are now, so TIME is now or later."
        raise ValueError(msg)
    return at_ms


def moment_in_query(text: str, now_ms: int) -> int:
    """The same of a query, in which ``+7d`` has become `` 7d``."""
    return moment_of(text.replace(" ", "+", 1) if text.startswith(" ") else text, now_ms)


def _read(text: str, now_ms: int) -> int | None:
    if found := _FROM_NOW.fullmatch(text):
        return now_ms + round(float(found[1]) * _UNITS_MS[found[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
