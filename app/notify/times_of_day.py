"""Quiet hours and the times of digests, in a time zone. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which nothing is sent: from a time of day to another, maybe of the next day, and whole days."""

    zone: ZoneInfo
    begin: time | None = None
    end: time | None = None
    """Both or none; the same time for both is no hours at all."""
    days: frozenset[int] = frozenset()
    """0 is Monday."""

    def until_ms(self, now_ms: float) -> float | None:
        """The end of the quiet time that includes an instant; None if it is not quiet."""
        at_ms, found = now_ms, None
        for _ in range(2 * len(DAYS) + 2):  # one time after another, at most a week of whole days
            end_ms = self._end_of_one_ms(at_ms)
            if end_ms is None:
                return found
            at_ms = found = end_ms
        return found

    def _end_of_one_ms(self, now_ms: float) -> float | None:
        """The end of the day, or of the hours, that include an instant."""
        local = datetime.fromtimestamp(now_ms / 1000, self.zone)
        if local.weekday() in self.days:
            return _instant_ms(local.date() + _DAY, time(), self.zone)
        if self.begin is None or self.end is None:
            return None
        for day in (local.date() - _DAY, local.date()):
            last = day if self.begin < self.end else day + _DAY
            begin_ms, end_ms = _instant_ms(day, self.begin, self.zone), _instant_ms(last, self.end, self.zone)
            if self.begin != self.end and begin_ms <= now_ms < end_ms:
                return end_ms
        return None


@dataclass(frozen=True, slots=True)
class Digest:
    """When collected alerts are sent: at times of day, or at the end of each period since midnight."""

    zone: ZoneInfo
    times: tuple[time, ...] = ()
    every_ms: int = 0

    def next_ms(self, now_ms: float) -> float:
        """The first instant after ``now_ms`` at which a digest is sent."""
        local = datetime.fromtimestamp(now_ms / 1000, self.zone)
        if self.every_ms:
            midnight_ms = _instant_ms(local.date(), time(), self.zone)
            tomorrow_ms = _instant_ms(local.date() + _DAY, time(), self.zone)
            periods = (now_ms - midnight_ms) // self.every_ms + 1
            return min(midnight_ms + periods * self.every_ms, tomorrow_ms)
        days = (local.date(), local.date() + _DAY, local.date() + 2 * _DAY)
        instants = (_instant_ms(day, at, self.zone) for day in days for at in sorted(self.times))
        return next(at_ms for at_ms in instants if at_ms > now_ms)


def _instant_ms(day: date, at: time, zone: ZoneInfo) -> float:
    """A local time in ms since the epoch; one that the clocks skip is the instant an hour later on the clock."""
    return datetime.combine(day, at, zone).astimezone(UTC).timestamp() * 1000
