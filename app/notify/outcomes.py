"""What became of an attempt to deliver, and when to try again. Pure: time and chance are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

FIRST_PAUSE_S: Final = 1.0
MAX_PAUSE_S: Final = 300.0
MAX_RETRY_AFTER_S: Final = 3600.0
"""A longer Retry-After is shortened to this."""
_REFUSED: Final = frozenset({400, 413, 414, 415, 422})
"""Statuses about one message, which a repetition would not change."""


class Result(StrEnum):
    """What became of an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    SLOW_DOWN = "slow_down"
    """The receiver named a time; it is not a failure."""
    REFUSED = "refused"
    GONE = "gone"
    """The receiver wants nothing any more."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one alert in an attempt."""

    result: Result
    reason: str = ""
    """In words, without secrets."""
    after_s: float | None = None
    """How long the receiver asked to wait."""


DELIVERED: Final = Outcome(Result.DELIVERED)


def outcome_of_status(status: int, retry_after: str | None, now_ms: int) -> Outcome:
    """The outcome of an HTTP response."""
    if 200 <= status < 300:
        return DELIVERED
    reason = f"status {status}"
    after_s = parse_retry_after(retry_after, now_ms)
    if status == 429 or (status == 503 and after_s is not None):
        return Outcome(Result.SLOW_DOWN, reason, after_s)
    if status == 410:
        return Outcome(Result.GONE, reason)
    if 300 <= status < 400:
        return Outcome(Result.RETRY, f"{reason}: redirects are not followed")
    return Outcome(Result.REFUSED if status in _REFUSED else Result.RETRY, reason)


def parse_retry_after(text: str | None, now_ms: int) -> float | None:
    """The seconds of a Retry-After header, a number or a date, at most an hour; None without a valid one."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max(at.timestamp() - now_ms / 1000, 0.0), MAX_RETRY_AFTER_S)
    except (ValueError, TypeError, OverflowError):
        return None


def pause_s(attempts: int, chance: float) -> float:
    """The pause after an alert failed for the n-th time: it doubles, and ``chance`` (0 to 1) takes up to half away."""
    whole = min(FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 30), MAX_PAUSE_S)
    return whole * (1 - chance / 2)
