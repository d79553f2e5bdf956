"""The alerts of one route that wait to be sent, in order for each lead. Pure: time is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from app.notify.alerts import Alert
from app.notify.progress import Progress

MOST_ALERTS: Final = 1000
MOST_BYTES: Final = 16 * 1024 * 1024
"""Above one of these nothing more is read."""


@dataclass(slots=True, eq=False)
class Entry:
    """An alert that waits, with its place in the topic."""

    alert: Alert
    progress: Progress
    offset: int
    timestamp_ms: int
    """Of its record."""
    due_ms: float = 0.0
    group: str = ""
    """Alerts of the same group are sent in one message; empty for one that is sent alone, or in a batch."""
    attempts: int = 0
    first_ms: float = 0.0
    """When it was first tried."""
    alone: bool = False
    """Whether it is sent alone because a batch with it was refused."""


@dataclass(slots=True)
class Waiting:
    """All alerts of a route that are read and not finished."""

    batch: int
    """How many alerts without a group may be in one message, of one lead at most one."""
    group_most: int = 100
    count: int = 0
    bytes: int = 0
    _leads: dict[str, deque[Entry]] = field(default_factory=dict)
    """The first of each lead is due next, or in flight."""
    _due: list[tuple[float, int, str]] = field(default_factory=list)
    """(due, number, lead) of the first of each lead that is not in flight."""
    _number: int = 0
    _claimed: set[str] = field(default_factory=set)
    """Leads whose first alert is scheduled or in flight."""

    @property
    def full(self) -> bool:
        """Whether nothing more should be read."""
        return self.count >= MOST_ALERTS or self.bytes >= MOST_BYTES

    def add(self, entry: Entry) -> None:
        """Add an alert after the others of its lead."""
        self.count += 1
        self.bytes += len(entry.alert.raw)
        lead = self._leads.setdefault(entry.alert.lead_id, deque())
        lead.append(entry)
        if entry.alert.lead_id not in self._claimed:
            self._schedule(entry)

    def next_ms(self) -> float | None:
        """When the next alert is due; None if none waits."""
        return self._due[0][0] if self._due else None

    def late_ms(self, now_ms: float) -> float:
        """How long the first alert waits that is due, in flight or to be tried again; 0 without any."""
        firsts = (lead[0] for lead in self._leads.values())
        since = [each.first_ms or max(each.due_ms, each.timestamp_ms) for each in firsts]
        return max(now_ms - min(since, default=now_ms), 0.0)

    def take(self, now_ms: float) -> list[Entry]:
        """The alerts of the next message, which are in flight from now on; empty if none is due."""
        taken: list[Entry] = []
        passed: list[Entry] = []
        while self._due and self._due[0][0] <= now_ms:
            first = self._leads[self._due[0][2]][0]
            if taken and (len(taken) >= self._most(taken[0]) or taken[0].alone):
                break
            heappop(self._due)
            if taken and (first.group != taken[0].group or first.alone):
                passed.append(first)
                continue
            taken += self._following(first, self._most(first) - len(taken), now_ms)
        for entry in passed:
            self._schedule(entry)
        return taken

    def _most(self, entry: Entry) -> int:
        return self.group_most if entry.group else self.batch

    def _following(self, first: Entry, most: int, now_ms: float) -> list[Entry]:
        """An alert and, in a digest, the next ones of its lead."""
        if not first.group or first.alone:
            return [first]
        found: list[Entry] = []
        for entry in self._leads[first.alert.lead_id]:
            if len(found) >= most or entry.group != first.group or entry.due_ms > now_ms:
                break
            found.append(entry)
        return found

    def finish(self, entry: Entry) -> None:
        """Remove an alert that was in flight: it is delivered, or a dead letter."""
        lead = self._leads[entry.alert.lead_id]
        lead.remove(entry)
        self.count -= 1
        self.bytes -= len(entry.alert.raw)
        entry.progress.finish(entry.offset)
        if not lead:
            del self._leads[entry.alert.lead_id]

    def again(self, entry: Entry, due_ms: float) -> None:
        """Try an alert that was in flight again later."""
        entry.due_ms = due_ms

    def release(self, lead_ids: set[str]) -> None:
        """Let the next alert of each lead be taken, after all that were in flight are finished or due again."""
        for lead_id in lead_ids:
            self._claimed.discard(lead_id)
            if lead := self._leads.get(lead_id):
                self._schedule(lead[0])

    def drop(self, gone: set[int]) -> None:
        """Forget the alerts of partitions that another process reads now; ``gone`` are ids of their progress."""
        kept = [entry for lead in self._leads.values() for entry in lead if id(entry.progress) not in gone]
        self._leads.clear()
        self._due.clear()
        self._claimed.clear()
        self.count = self.bytes = 0
        for entry in kept:
            self.add(entry)

    def _schedule(self, entry: Entry) -> None:
        self._number += 1
        self._claimed.add(entry.alert.lead_id)
        heappush(self._due, (entry.due_ms, self._number, entry.alert.lead_id))
