"""How many alerts an owner gets one by one in a period; the rest wait for a digest at its end. Pure.

An alert counts in the period of its record's timestamp, so a restart counts the same ones again from the log.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """So many alerts in a period; periods follow each other from the epoch on."""

    alerts: int
    period_ms: int

    def begin_ms(self, at_ms: float) -> float:
        """The beginning of the period that includes an instant."""
        return at_ms - at_ms % self.period_ms


class Counts:
    """The alerts of each owner in the current period."""

    def __init__(self, limit: Limit) -> None:
        """Nobody has got any alert yet."""
        self._limit = limit
        self._begin_ms = 0.0
        self._counts: Counter[str] = Counter()

    def note(self, owner: str, at_ms: float) -> None:
        """Count an alert that was sent earlier."""
        self._turn_to(at_ms)
        if self._limit.begin_ms(at_ms) == self._begin_ms:
            self._counts[owner] += 1

    def held_until_ms(self, owner: str, at_ms: float) -> float | None:
        """Count an alert; if it is above the limit, return when it is sent with the others."""
        self._turn_to(at_ms)
        begin_ms = self._limit.begin_ms(at_ms)
        if begin_ms < self._begin_ms:  # of an earlier period, so it is late already
            return None
        if self._counts[owner] >= self._limit.alerts:
            return begin_ms + self._limit.period_ms
        self._counts[owner] += 1
        return None

    def _turn_to(self, at_ms: float) -> None:
        begin_ms = self._limit.begin_ms(at_ms)
        if begin_ms > self._begin_ms:
            self._begin_ms = begin_ms
            self._counts.clear()
