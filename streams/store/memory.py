"""The store in memory, for tests and as the model of the Redis store."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.clock import now_ms
from streams.store import history
from streams.store.base import Commit, Control, Entry, Fired, ServerReport, Verdict
from streams.store.checks import (
    DAYS_KEPT,
    SALES_DAYS,
    SALES_ROWS,
    joined,
    require_finite,
    require_sound,
    require_unused,
    split,
)
from streams.units import DAY_MS


class _Due:
    """Due times with lazy deletion: an entry of the heap is valid only if it matches ``times``."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def put(self, times: Mapping[str, float]) -> None:
        for lead_id, due_ms in times.items():
            if self.times.get(lead_id) != due_ms:
                self.times[lead_id] = due_ms
                heapq.heappush(self._heap, (due_ms, lead_id))

    def first(self, until_ms: float, limit: int) -> list[tuple[float, str]]:
        found: dict[tuple[float, str], None] = {}
        while self._heap and self._heap[0][0] <= until_ms and len(found) < limit:
            due_ms, lead_id = heapq.heappop(self._heap)
            if self.times.get(lead_id) == due_ms:
                found[due_ms, lead_id] = None
        for entry in found:
            heapq.heappush(self._heap, entry)
        return list(found)


@dataclass(slots=True)
class _Shard:
    version: int = 0
    step: str = ""
    fields: dict[str, bytes] = field(default_factory=dict)
    leads: dict[str, bytes] = field(default_factory=dict)
    due: _Due = field(default_factory=_Due)
    ranks: defaultdict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    outbox: list[Entry] = field(default_factory=list)
    last_seq: int = 0
    dirty: set[str] = field(default_factory=set)
    histories: defaultdict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    fired: dict[int, Fired] = field(default_factory=dict)
    sales: list[tuple[int, str]] = field(default_factory=list)

    def apply(self, commit: Commit) -> None:
        leads, removed = split(commit.packed.over(commit.leads))
        due, not_due = split(commit.due)
        ranks = {scorecard: split(scores) for scorecard, scores in commit.ranks.items()}
        self._refuse(commit, due, [scores for scores, _ in ranks.values()])

        self._move_outbox(commit)
        self.dirty = self.dirty.difference(commit.clean).union(commit.dirty)
        self.leads.update(leads)
        self.due.put(due)
        _drop(self.due.times, not_due)
        for scorecard, (scores, unranked) in ranks.items():
            self.ranks[scorecard].update(scores)
            self._lengthen(self.histories[scorecard], scores, commit.second)
            _drop(self.ranks[scorecard], unranked)
            _drop(self.histories[scorecard], unranked)
        tables: list[dict[str, Any]] = [self.leads, self.due.times, *self.ranks.values(), *self.histories.values()]
        for table in tables:
            _drop(table, removed)
        self._count(commit)
        self._add_sales(commit)
        self.fields.update(commit.fields)
        self.version, self.step = commit.version + 1, commit.step

    def _lengthen(self, histories: dict[str, bytes], scores: Mapping[str, float], second: int) -> None:
        if second:
            for lead_id, score in scores.items():
                histories[lead_id] = history.add(histories.get(lead_id, b""), second, score)

    def _count(self, commit: Commit) -> None:
        latest = max([*self.fired, commit.day])
        if commit.fired and commit.day > latest - DAYS_KEPT:
            self.fired[commit.day] = joined(self.fired.get(commit.day, {}), commit.fired)
            self.fired = {day: fired for day, fired in self.fired.items() if day > latest - DAYS_KEPT}

    def _add_sales(self, commit: Commit) -> None:
        if commit.sales:
            first_ms = (commit.day - SALES_DAYS) * DAY_MS
            rows = sorted(
                {text: at_ms for at_ms, text in [*self.sales, *commit.sales]}.items(), key=lambda row: row[::-1]
            )
            self.sales = [(at_ms, text) for text, at_ms in rows if at_ms >= first_ms][-SALES_ROWS:]

    def _refuse(self, commit: Commit, due: dict[str, float], ranks: list[dict[str, float]]) -> None:
        for scores in (due, *ranks):
            require_finite(scores.values())
        require_unused(commit, self.last_seq)

    def _move_outbox(self, commit: Commit) -> None:
        self.outbox = [entry for entry in self.outbox if entry.seq > commit.trim_to] + commit.outbox
        if commit.outbox:
            self.last_seq = commit.outbox[-1].seq


def _drop(table: dict[str, Any], lead_ids: Sequence[str]) -> None:
    for lead_id in lead_ids:
        table.pop(lead_id, None)


class MemoryStore:
    """Implements the store interface with dictionaries."""

    def __init__(self) -> None:
        self._shards: defaultdict[int, _Shard] = defaultdict(_Shard)
        self._meta: dict[str, str] = {}

    @property
    def healthy(self) -> bool:
        """Always True: memory is always available."""
        return True

    async def verify(self, writes: bool = True) -> None:
        """Nothing can be wrong with it."""

    async def control(self, partition: int) -> Control:
        """Read the control record."""
        shard = self._shards[partition]
        return Control(shard.version, shard.step, dict(shard.fields))

    async def load(self, partition: int, lead_ids: Sequence[str]) -> list[bytes | None]:
        """Read the blobs of these leads; None for an unknown lead."""
        leads = self._shards[partition].leads
        return [leads.get(lead_id) for lead_id in lead_ids]

    async def commit(self, partition: int, commit: Commit) -> Verdict:
        """Apply one step if the last step is the expected one."""
        require_sound(commit)
        shard = self._shards[partition]
        if shard.step != commit.after:
            return Verdict.DUP if shard.step == commit.step else Verdict.CONFLICT
        shard.apply(commit)
        return Verdict.OK

    async def due(self, partition: int, until_ms: float, limit: int) -> list[str]:
        """Leads that are due at or before ``until_ms``, earliest first, ties by lead id."""
        return [lead_id for _, lead_id in self._shards[partition].due.first(until_ms, limit)]

    async def count_due(self, partition: int, until_ms: float) -> int:
        """The number of leads that are due at or before ``until_ms``."""
        return len(await self.due(partition, until_ms, len(self._shards[partition].due.times)))

    async def next_due(self, partition: int) -> float | None:
        """The earliest due time in the shard, in ms since the epoch."""
        first = self._shards[partition].due.first(float("inf"), 1)
        return first[0][0] if first else None

    async def outbox(self, partition: int, limit: int = 1000) -> list[Entry]:
        """The first waiting entries, in order."""
        return self._shards[partition].outbox[:limit]

    async def dirty(self, partition: int) -> list[str]:
        """Leads whose published score is not yet on lead-scores."""
        return list(self._shards[partition].dirty)

    async def top(self, partition: int, scorecard: str, limit: int) -> list[tuple[str, float]]:
        """The leads with the highest places in the ranking, highest first, ties by lead id."""
        scores = self._shards[partition].ranks[scorecard]
        return heapq.nsmallest(limit, scores.items(), key=lambda item: (-item[1], item[0]))

    async def ranking_size(self, partition: int, scorecard: str) -> int:
        """The number of leads in the ranking."""
        return len(self._shards[partition].ranks[scorecard])

    async def count_ranked(self, partition: int, scorecard: str, bounds: Sequence[float]) -> list[int]:
        """The number of leads in the ranking at or above each of these places."""
        places = self._shards[partition].ranks[scorecard].values()
        return [sum(place >= bound for place in places) for bound in bounds]

    async def pick_ranked(self, partition: int, scorecard: str, positions: Sequence[int]) -> list[tuple[str, float]]:
        """The leads at these positions, 0 for the highest place; none beyond the last."""
        everybody = await self.top(partition, scorecard, len(self._shards[partition].ranks[scorecard]))
        return [everybody[i] for i in positions if i < len(everybody)]

    async def ranked(
        self,
        partition: int,
        scorecard: str,
        after: tuple[float, str] | None,
        limit: int,
        at_most: float | None = None,
    ) -> list[tuple[str, float]]:
        """The next leads after (place, lead id), in the order of ``top``; none above ``at_most``."""
        scores = self._shards[partition].ranks[scorecard]
        place = None if after is None else (-after[0], after[1])
        found = {
            lead_id: score
            for lead_id, score in scores.items()
            if (place is None or (-score, lead_id) > place) and (at_most is None or score <= at_most)
        }
        return heapq.nsmallest(limit, found.items(), key=lambda item: (-item[1], item[0]))

    async def history(self, partition: int, scorecard: str, lead_ids: Sequence[str]) -> list[bytes]:
        """The score history of these leads; empty for an unknown lead."""
        histories = self._shards[partition].histories[scorecard]
        return [histories.get(lead_id, b"") for lead_id in lead_ids]

    async def fired(self, partition: int, days: Iterable[int]) -> Fired:
        """How often each signal counted on these days."""
        shard, found = self._shards[partition], Fired()
        for day in days:
            found = joined(found, shard.fired.get(day, {}))
        return found

    async def sales(self, partition: int, since_ms: int, limit: int = -1) -> list[bytes]:
        """The rows for results from an instant on, by time, then by text; all of them if ``limit`` is -1."""
        found = [text.encode() for at_ms, text in self._shards[partition].sales if at_ms >= since_ms]
        return found if limit < 0 else found[:limit]

    async def scan(self, partition: int) -> AsyncIterator[tuple[str, bytes]]:
        """Every lead of the shard."""
        for item in list(self._shards[partition].leads.items()):
            yield item

    async def counts(self, partition: int) -> Mapping[str, int]:
        """The sizes of ``leads``, ``due``, ``outbox`` and ``dirty``."""
        shard = self._shards[partition]
        return {
            "leads": len(shard.leads),
            "due": len(shard.due.times),
            "outbox": len(shard.outbox),
            "dirty": len(shard.dirty),
        }

    async def wipe(self, partition: int) -> None:
        """Remove all data of the shard."""
        self._shards.pop(partition, None)

    async def meta(self, name: str, value: str = "") -> str:
        """The value stored under ``name``, or an empty string. ``value`` is stored first if there is none yet."""
        return self._meta.setdefault(name, value) if value else self._meta.get(name, "")

    async def replace_meta(self, name: str, expected: str, value: str) -> str:
        """Set the value under ``name`` if it is ``expected`` (empty: none); returns the one there afterwards."""
        if self._meta.get(name, "") == expected:
            self._meta[name] = value
        return self._meta.get(name, "")

    async def reports(self) -> Mapping[str, ServerReport]:
        """Nothing: there is no server."""
        return {}

    async def time_ms(self) -> int:
        """The time of this machine, in ms since the epoch."""
        return now_ms()

    async def close(self) -> None:
        """Do nothing: there are no connections."""
