"""Times on the command line: RFC 3339, or so long from now."""

import re
from datetime import UTC, datetime

import typer

from streams.clock import now_ms

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_FROM_NOW = re.compile(r"\+(\d+(?:\.\d+)?)([smhdw])")
_LATEST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last that RFC 3339 can write

AT_HELP = (
    "Now or later: 2026-12-24T18:00:00Z, 2026-12-24, or +7d (s, m, h, d, w). "
    "Shows what will be if nothing else arrives."
)


def parse_time(text: str | None) -> int:
    """Milliseconds since the epoch; now without a text."""
    now = now_ms()
    if text is None:
        return now
    at_ms = _read(text, now)
    if at_ms is None or at_ms > _LATEST_MS:
        message = f"{text!r} is not a time: write 2026-12-24T18:00:00Z, 2026-12-24 (UTC), or +7d (s, m, h, d, w)."
        raise typer.BadParameter(message, param_hint="--at")
    if at_ms < now:
        message = f"{text} is over: states are kept as they are now, so TIME is now or later."
        raise typer.BadParameter(message, param_hint="--at")
    return at_ms


def _read(text: str, now: int) -> int | None:
    if found := _FROM_NOW.fullmatch(text):
        return now + round(float(found[1]) * _UNITS_MS[found[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
