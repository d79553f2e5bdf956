"""Count limited and distinct signals with the same result for any order of arrival.

A limit counts the earliest N events of a UTC calendar bucket of event time. The entries of a bucket are kept until
it is too old to change (its end plus the allowed lateness has passed); then their sum is folded into ``closed``.
A distinct signal counts each value once, at its earliest time. Only the earliest 64 values of a lead count, so the
result does not depend on the order of arrival.
A signal with a window keeps the latest events that count, one by one; none is ever folded.
"""

from __future__ import annotations

import enum
import math
from bisect import bisect_left, insort
from typing import Any

from streams.scoring.buckets import Buckets
from streams.scoring.lead import Lead, Ledger
from streams.scoring.scorecard import Limit
from streams.units import DAY_MS, HOUR_MS, WEEK_MS

__all__ = ["DAY_MS", "DISTINCT_VALUES", "HOUR_MS", "KEPT", "LATEST", "WEEK_MS", "Counted", "Counter"]
DISTINCT_VALUES = 64
LATEST = 64
"""Number of the latest events that a signal with a window counts."""
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
    """The counting rule of one signal that is limited, distinct or has a window."""

    def __init__(
        self,
        signal: int,
        inverse_half_life: float,
        limit: Limit | None,
        distinct: bool,
        lateness_ms: int,
        latest: int = 0,
    ) -> None:
        """Set the rule up; ``inverse_half_life`` is in 1/ms, 0 for a signal that never fades.

        ``latest``: how many of the latest events that count are kept one by one; 0 if they fade together.
        """
        self._signal = signal
        self._inverse_half_life = inverse_half_life
        self.distinct = distinct
        self.limited = limit is not None
        self.most = limit.count if limit else DISTINCT_VALUES
        self.buckets = Buckets(limit.period if limit else "ever")
        self.lateness = lateness_ms
        self.latest = latest

    def count(self, lead: Lead, entry: list[Any], arrival: int) -> Counted:
        """Count one event; ``entry`` is [ms after base, message id, amount, value hash]."""
        if self._closed(entry[0] + lead.base, arrival):
            return Counted.LATE
        ledger = lead.ledgers.get(self._signal)
        if ledger is None:
            lead.ledgers[self._signal] = Ledger([entry], *self._amount_before_limit(lead))
            return self._add(lead, entry)
        if self.distinct:
            return self._count_distinct(lead, ledger, entry)
        if self.limited:
            return self._count_limited(lead, ledger, entry)
        insort(ledger.entries, entry)
        del ledger.entries[: -self.latest]
        return self._add(lead, entry)

    def _add(self, lead: Lead, entry: list[Any]) -> Counted:
        """Add the amount of an entry."""
        lead.add(self._signal, self._inverse_half_life, entry[0], entry[2])
        if self.latest:
            self.recompute(lead)
        return Counted.ADDED

    def times(self, lead: Lead) -> list[int]:
        """The times, in ms after base, of the latest events that count, earliest first."""
        ledger = lead.ledgers.get(self._signal)
        counting = [] if ledger is None else self._counting(ledger.entries, lead.base)
        return [entry[0] for entry in counting[-self.latest :]]

    def _closed(self, at_ms: int, now_ms: int) -> bool:
        """Whether the bucket of an event time can no longer change."""
        buckets = self.buckets
        return not buckets.endless and now_ms > buckets.start_ms(buckets.number(at_ms) + 1) + self.lateness

    def _count_limited(self, lead: Lead, ledger: Ledger, entry: list[Any]) -> Counted:
        self._fold(lead, ledger, lead.clock)
        bucket = self._entries_in_bucket(ledger.entries, entry[0], lead.base)
        if len(bucket) < self.most:
            insort(ledger.entries, entry)
            return self._add(lead, entry)
        if entry >= bucket[-1]:
            return Counted.LIMITED
        ledger.entries.remove(bucket[-1])
        insort(ledger.entries, entry)
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

    def _count_distinct(self, lead: Lead, ledger: Ledger, entry: list[Any]) -> Counted:
        entries = ledger.entries
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
            return self._add(lead, entry)
        insort(entries, entry)
        self.recompute(lead)
        return Counted.MOVED

    def undo(self, lead: Lead, entry: list[Any], others: list[list[Any]]) -> None:
        """Undo ``count``; of ``others``, the remembered events of the signal, those count that now have room.

        An entry that was folded into ``closed``, or that did not count, changes nothing.
        """
        ledger = lead.ledgers.get(self._signal)
        if ledger is None or entry not in ledger.entries:
            return
        ledger.entries.remove(entry)
        present = list(ledger.entries)
        for other in sorted(others, reverse=self._only_latest):
            if other in present:
                present.remove(other)  # equal entries are events of the same millisecond; each counts separately
            elif self._has_room(ledger, entry, other, lead.base):
                insort(ledger.entries, other)
        lead.count[lead.signals.index(self._signal)] -= 1
        if ledger.entries or ledger.closed:
            self.recompute(lead)
        else:
            del lead.ledgers[self._signal]
            lead.drop(self._signal)

    @property
    def _only_latest(self) -> bool:
        """Whether the latest events count, whatever else happened."""
        return not (self.limited or self.distinct)

    def _has_room(self, ledger: Ledger, gone: list[Any], other: list[Any], base: int) -> bool:
        """Whether an event that did not count can replace a removed one."""
        if self._only_latest:
            return len(ledger.entries) < self.latest
        if self.distinct:
            return other[3] == gone[3] and all(entry[3] != other[3] for entry in ledger.entries)
        same = self.buckets.number(other[0] + base) == self.buckets.number(gone[0] + base)
        return same and len(self._entries_in_bucket(ledger.entries, other[0], base)) < self.most

    def _fold(self, lead: Lead, ledger: Ledger, now_ms: int) -> None:
        """Move the entries that can no longer change into ``closed``; those that no window needs are dropped."""
        while len(ledger.entries) > (self.latest or KEPT) and self._closed(ledger.entries[0][0] + lead.base, now_ms):
            at, _, amount, _ = ledger.entries.pop(0)
            if not self.latest:
                self._close(ledger, at, amount)

    def _close(self, ledger: Ledger, at: int, amount: float) -> None:
        """Add to ``closed``, decayed to the later of the two times."""
        if not ledger.closed:
            ledger.closed, ledger.closed_ref = float(amount), at
            return
        later = max(at, ledger.closed_ref)
        fade, fresh = (ledger.closed_ref - later), (at - later)
        ledger.closed = ledger.closed * math.exp2(fade * self._inverse_half_life) + amount * math.exp2(
            fresh * self._inverse_half_life
        )
        ledger.closed_ref = later

    def recompute(self, lead: Lead) -> None:
        """Recompute the amount from ``closed`` and the entries that count."""
        ledger = lead.ledgers[self._signal]
        counting = self._counting(ledger.entries, lead.base)[-self.latest :]
        ref = max([e[0] for e in counting] + ([ledger.closed_ref] if ledger.closed else []), default=0)
        total = 0.0
        if ledger.closed:
            total = ledger.closed * math.exp2((ledger.closed_ref - ref) * self._inverse_half_life)
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

    def merge(self, lead: Lead, other: Ledger) -> None:
        """Add another lead's ledger as if its events had happened to this lead."""
        ledger = lead.ledgers.setdefault(self._signal, Ledger([], *self._amount_before_limit(lead)))
        if other.closed:
            self._close(ledger, other.closed_ref, other.closed)
        for entry in other.entries:
            known = next((e for e in ledger.entries if self.distinct and e[3] == entry[3]), None)
            if known is None:
                insort(ledger.entries, entry)
            elif entry < known:
                ledger.entries.remove(known)
                insort(ledger.entries, entry)
        ledger.entries = self._kept(ledger.entries, lead.base)
        self.recompute(lead)

    def _kept(self, entries: list[list[Any]], base: int) -> list[list[Any]]:
        if self._only_latest:
            return entries[-self.latest :]
        return entries[:DISTINCT_VALUES] if self.distinct else self._counting(entries, base)
