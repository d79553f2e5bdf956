"""Count limited and distinct signals with the same result for any order of arrival.

A limit counts the earliest N events of a UTC calendar bucket of event time. The entries of a bucket are kept until
it is too old to change (its end plus the allowed lateness has passed); then their sum is folded into ``closed``.
A distinct signal counts each value once, at its earliest time. Only the earliest 64 values of a lead count, so the
result does not depend on the order of arrival.
"""

from __future__ import annotations

import enum
import math
from bisect import bisect_left, insort
from typing import Any

from streams.scoring.buckets import Buckets
from streams.scoring.lead import Lead, Window
from streams.scoring.scorecard import Limit
from streams.units import DAY_MS, HOUR_MS, WEEK_MS

__all__ = ["DAY_MS", "DISTINCT_VALUES", "HOUR_MS", "KEPT", "WEEK_MS", "Counted", "Counter"]
DISTINCT_VALUES = 64
KEPT = 32
"""Entries kept even though their buckets are closed, so that a merge can still count them once."""


class Counted(enum.Enum):
    """How an event of a limited or distinct signal was counted."""

    ADDED = "added"
    MOVED = "moved"
    """It replaced a later event, so the amount may have decreased."""
    LIMITED = "limited"
    LATE = "late"


class Counter:
    """The counting rule of one limited or distinct signal."""

    def __init__(
        self, signal: int, inverse_half_life: float, limit: Limit | None, distinct: bool, lateness_ms: int
    ) -> None:
        """Set the rule up; ``inverse_half_life`` is in 1/ms, 0 for a signal that never fades."""
        self._signal = signal
        self._inverse_half_life = inverse_half_life
        self.distinct = distinct
        self.limited = limit is not None
        self.most = limit.count if limit else DISTINCT_VALUES
        self.buckets = Buckets(limit.period if limit else "ever")
        self.lateness = lateness_ms

    def count(self, lead: Lead, entry: list[Any], arrival: int) -> Counted:
        """Count one event; ``entry`` is [ms after base, message id, amount, value hash]."""
        if self._closed(entry[0] + lead.base, arrival):
            return Counted.LATE
        window = lead.windows.get(self._signal)
        if window is None:
            lead.windows[self._signal] = Window([entry], *self._amount_before_limit(lead))
            lead.add(self._signal, self._inverse_half_life, entry[0], entry[2])
            return Counted.ADDED
        if self.distinct:
            return self._count_distinct(lead, window, entry)
        return self._count_limited(lead, window, entry)

    def _closed(self, at_ms: int, now_ms: int) -> bool:
        """Whether the bucket of an event time can no longer change."""
        buckets = self.buckets
        return not buckets.endless and now_ms > buckets.start_ms(buckets.number(at_ms) + 1) + self.lateness

    def _count_limited(self, lead: Lead, window: Window, entry: list[Any]) -> Counted:
        self._fold(lead, window, lead.clock)
        bucket = self._entries_in_bucket(window.entries, entry[0], lead.base)
        if len(bucket) < self.most:
            insort(window.entries, entry)
            lead.add(self._signal, self._inverse_half_life, entry[0], entry[2])
            return Counted.ADDED
        if entry >= bucket[-1]:
            return Counted.LIMITED
        window.entries.remove(bucket[-1])
        insort(window.entries, entry)
        self.recompute(lead)
        return Counted.MOVED

    def _entries_in_bucket(self, entries: list[list[Any]], at: int, base: int) -> list[list[Any]]:
        """The entries of the bucket that contains ``at``, in order."""
        buckets = self.buckets
        if buckets.endless:
            return entries
        number = buckets.number(at + base)
        start, end = buckets.start_ms(number) - base, buckets.start_ms(number + 1) - base
        return entries[bisect_left(entries, [start]) : bisect_left(entries, [end])]

    def _amount_before_limit(self, lead: Lead) -> tuple[float, int]:
        """Amount and reference time of the signal from before it was limited."""
        if self._signal not in lead.signals:
            return 0.0, 0
        i = lead.signals.index(self._signal)
        return lead.amount[i], lead.ref[i]

    def _count_distinct(self, lead: Lead, window: Window, entry: list[Any]) -> Counted:
        entries = window.entries
        known = next((e for e in entries if e[3] == entry[3]), None)
        if known is not None:
            if entry >= known:
                return Counted.LIMITED
            entries.remove(known)
        elif len(entries) >= DISTINCT_VALUES:
            if entry >= entries[-1]:
                return Counted.LIMITED
            entries.pop()
        elif not self.limited:
            insort(entries, entry)
            lead.add(self._signal, self._inverse_half_life, entry[0], entry[2])
            return Counted.ADDED
        insort(entries, entry)
        self.recompute(lead)
        return Counted.MOVED

    def undo(self, lead: Lead, entry: list[Any], others: list[list[Any]]) -> None:
        """Undo ``count``; of ``others``, the remembered events of the signal, those count that now have room.

        An entry that was folded into ``closed``, or that did not count, changes nothing.
        """
        window = lead.windows.get(self._signal)
        if window is None or entry not in window.entries:
            return
        window.entries.remove(entry)
        present = list(window.entries)
        for other in sorted(others):
            if other in present:
                present.remove(other)  # equal entries are events of the same millisecond; each counts separately
            elif self._has_room(window, entry, other, lead.base):
                insort(window.entries, other)
        lead.count[lead.signals.index(self._signal)] -= 1
        if window.entries or window.closed:
            self.recompute(lead)
        else:
            del lead.windows[self._signal]
            lead.drop(self._signal)

    def _has_room(self, window: Window, gone: list[Any], other: list[Any], base: int) -> bool:
        """Whether an event that did not count can replace a removed one."""
        if self.distinct:
            return other[3] == gone[3] and all(entry[3] != other[3] for entry in window.entries)
        same = self.buckets.number(other[0] + base) == self.buckets.number(gone[0] + base)
        return same and len(self._entries_in_bucket(window.entries, other[0], base)) < self.most

    def _fold(self, lead: Lead, window: Window, now_ms: int) -> None:
        """Move the entries that can no longer change into ``closed``."""
        while len(window.entries) > KEPT and self._closed(window.entries[0][0] + lead.base, now_ms):
            at, _, amount, _ = window.entries.pop(0)
            self._close(window, at, amount)

    def _close(self, window: Window, at: int, amount: float) -> None:
        """Add to ``closed``, decayed to the later of the two times."""
        if not window.closed:
            window.closed, window.closed_ref = float(amount), at
            return
        later = max(at, window.closed_ref)
        fade, fresh = (window.closed_ref - later), (at - later)
        window.closed = window.closed * math.exp2(fade * self._inverse_half_life) + amount * math.exp2(
            fresh * self._inverse_half_life
        )
        window.closed_ref = later

    def recompute(self, lead: Lead) -> None:
        """Recompute the amount from ``closed`` and the entries that count."""
        window = lead.windows[self._signal]
        counting = self._counting(window.entries, lead.base)
        ref = max([e[0] for e in counting] + ([window.closed_ref] if window.closed else []), default=0)
        total = 0.0
        if window.closed:
            total = window.closed * math.exp2((window.closed_ref - ref) * self._inverse_half_life)
        for at, _, amount, _ in counting:
            total += amount * math.exp2((at - ref) * self._inverse_half_life)
        i = lead.signals.index(self._signal) if self._signal in lead.signals else -1
        count = max(lead.count[i], len(counting)) if i >= 0 else len(counting)
        lead.put(self._signal, ref, total, count)

    def _counting(self, entries: list[list[Any]], base: int) -> list[list[Any]]:
        """The earliest N entries of each bucket."""
        kept: list[list[Any]] = []
        room: dict[int, int] = {}
        for entry in entries:
            bucket = self.buckets.number(entry[0] + base)
            room[bucket] = room.get(bucket, self.most) - 1
            if room[bucket] >= 0:
                kept.append(entry)
        return kept

    def merge(self, lead: Lead, other: Window) -> None:
        """Add another lead's window as if its events had happened to this lead."""
        window = lead.windows.setdefault(self._signal, Window([], *self._amount_before_limit(lead)))
        if other.closed:
            self._close(window, other.closed_ref, other.closed)
        for entry in other.entries:
            known = next((e for e in window.entries if self.distinct and e[3] == entry[3]), None)
            if known is None:
                insort(window.entries, entry)
            elif entry < known:
                window.entries.remove(known)
                insort(window.entries, entry)
        window.entries = self._kept(window.entries, lead.base)
        self.recompute(lead)

    def _kept(self, entries: list[list[Any]], base: int) -> list[list[Any]]:
        return entries[:DISTINCT_VALUES] if self.distinct else self._counting(entries, base)
