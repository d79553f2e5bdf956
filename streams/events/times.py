"""Parses the times in events, and corrects them for the sender's clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from typing import Any, Final

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)

FIRST_MS: Final = 1
"""The earliest arrival time; earlier or missing ones are raised to it.

In a lead's state, everything that arrived at or before 0 counts as erased.
"""
LAST_MS: Final = 2**46
"""The latest arrival time, far beyond the year 4000; later ones are lowered to it. Every field can hold it."""
_MAX_EPOCH_MS: Final = 253_402_300_799_999
"""The end of the year 9999."""
_MAX_EPOCH_NS: Final = _MAX_EPOCH_MS * 10**6
_MIN_EPOCH_MS: Final = 1e11
"""Smaller numbers are seconds: as ms they would be in the first three years."""
_MAX_CHARS: Final = 100
_BASIC_DATE_CHARS: Final = 8
"""``20260105`` is a date."""
_NUMBER: Final = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,9})?")
_LEAP_SECOND: Final = re.compile(r"(.+[T ][0-9]{2}:[0-9]{2}):60(.*)")
_GO: Final = re.compile(r"([0-9-]{10} [0-9:.]{8,18}) ([+-][0-9]{4}) \S+(?: M=\S+)?")
"""Go's ``time.String``, in capitals: ``2022-07-28 21:43:35.291 +0000 UTC``."""
_ZONE: Final = re.compile(r"(.*[0-9]) ?(?:UTC|GMT)")
"""UTC by its name, as Ruby and BigQuery write it: ``2022-07-28 21:43:35 UTC``."""
_NAMED_MONTH: Final = re.compile(
    r"(?:[A-Z]{3,9},? )?(?:[A-Z]{3} [ 0-9][0-9]?|[0-9]{1,2}[ -][A-Z]{3})[ -].*[0-9]:[0-9].*(?<![AP]M)"
)
"""RFC 2822, JavaScript's ``Date.toString`` and C's ``asctime``, in capitals: ``Thu Jul 28 2022 21:43:35 GMT+0200``."""
_OFFSET_NAME: Final = re.compile(r"(?:GMT|UTC)(?=[+-][0-9])")
_TIMES: Final = ("timestamp", "originalTimestamp")
_FORWARDED: Final = (*_TIMES, "sentAt")


def parse_ms(value: Any) -> int | None:
    """A time as ms since the epoch; None if it cannot be read.

    It is RFC 3339 or 2822 (a time without a zone is UTC), or a number or digits: seconds, ms, µs or ns since 1970.
    """
    if not isinstance(value, str):
        return epoch_ms(value)
    if value[:5].isdigit() and len(value) != _BASIC_DATE_CHARS and _NUMBER.fullmatch(value):
        return epoch_ms(float(value))
    try:
        return _to_ms(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        return _parse_rare(value) if len(value) <= _MAX_CHARS else None


def epoch_ms(value: Any) -> int | None:
    """Unix time as a number or digits, to ms; None if it is neither.

    Its size shows the unit: seconds, ms above 10^11, µs and ns beyond the year 9999 in ms and in µs.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _MAX_EPOCH_NS:
        return None
    time: float = value
    while time > _MAX_EPOCH_MS:
        time /= 1000
    return round(time if time > _MIN_EPOCH_MS else time * 1000)


def event_time(sent: Mapping[str, Any], arrival: int) -> int:
    """When an event happened, never after its arrival.

    ``timestamp``, or ``originalTimestamp`` where that cannot be read, is corrected for the sender's clock by
    ``sentAt``. An event that has ``receivedAt`` besides these was corrected before it was forwarded.
    """
    stated = parse_ms(sent.get("timestamp"))
    if stated is None:
        stated = parse_ms(sent.get("originalTimestamp"))
    if stated is None:
        return arrival
    forwarded = sent.get("receivedAt") and all(map(sent.get, _FORWARDED))
    sent_at = None if forwarded else parse_ms(sent.get("sentAt"))
    at = stated if sent_at is None else arrival - (sent_at - stated)
    return max(min(at, arrival), 0)


def has_unreadable_time(sent: Mapping[str, Any]) -> bool:
    """Whether an event has a time, but none that can be read."""
    times = [sent[name] for name in _TIMES if sent.get(name)]
    return bool(times) and all(parse_ms(time) is None for time in times)


def _parse_rare(text: str) -> int | None:
    """RFC 3339 in small letters, with a leap second or with UTC by its name, Go's own form, and months by name."""
    text = text.strip().upper()
    if _NAMED_MONTH.fullmatch(text):
        return _parse_named_month(text)
    if go := _GO.fullmatch(text):
        text = f"{go[1]}{go[2]}"
    elif named := _ZONE.fullmatch(text):
        text = f"{named[1]}Z"
    leap = _LEAP_SECOND.fullmatch(text)
    try:
        moment = datetime.fromisoformat(f"{leap[1]}:59{leap[2]}" if leap else text)
        if not leap:
            return _to_ms(moment)
        at_ms = _to_ms(moment + _SECOND)
    except (ValueError, OverflowError):
        return None
    following = _EPOCH + timedelta(milliseconds=at_ms)
    is_month = (following.day, following.hour, following.minute, following.second) == (1, 0, 0, 0)
    return at_ms if is_month else None


def _parse_named_month(text: str) -> int | None:
    """A time with the month by name; a zone by another name than in RFC 2822 counts as UTC."""
    try:
        parts = parsedate_tz(_OFFSET_NAME.sub("", text))
        return None if parts is None else _to_ms(datetime(*parts[:6], tzinfo=UTC)) - (parts[9] or 0) * 1000
    except (ValueError, OverflowError, IndexError):
        return None


def _to_ms(moment: datetime) -> int:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
