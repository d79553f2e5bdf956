"""Instants that people ask for: RFC 3339, or a duration from now."""

import re

from streams.events.times import parse_ms
from streams.units import parse_duration_ms

_FROM_NOW = re.compile(r"\+(\d{1,12}(?:\.\d{1,12})?[smhdw])")
_MAX_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last that RFC 3339 can express


def parse_instant(text: str, now_ms: int) -> int:
    """Milliseconds since the epoch.

    Raises:
        ValueError: it is not a time, or is in the past; the message names valid forms.
    """
    found = _FROM_NOW.fullmatch(text)
    at_ms = now_ms + round(parse_duration_ms(found[1])) if found else parse_ms(text)
    if at_ms is None or at_ms > _MAX_MS:
        msg = f"{text!r} is not a time: write 2026-12-24T18:00:00Z, 2026-12-24 (UTC), or +7d (s, m, h, d, w)."
        raise ValueError(msg)
    if at_ms < now_ms:
        msg = f"{text} is in the past: only current states are kept, so TIME is now or later."
        raise ValueError(msg)
    return at_ms


def parse_instant_in_query(text: str, now_ms: int) -> int:
    """As ``parse_instant``, for a query string, in which ``+7d`` has become `` 7d``."""
    return parse_instant(text.replace(" ", "+", 1) if text.startswith(" ") else text, now_ms)
