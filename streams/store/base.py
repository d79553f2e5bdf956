"""The interface of the store. It holds one shard for each partition of ``lead-events``, changed in atomic steps.

There are two implementations, ``memory`` and ``redis``, with a common suite of contract tests. A shard has a control
record, a blob for each lead, a schedule (``due``), a ranking for each scorecard with the history of each score, an
outbox, a set of leads whose changed score is not published yet (``dirty``), counts of the signals by day, and rows for
results. Only ``commit`` writes them: all or none.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams.scoring.packed import NOTHING, Packed


class Verdict(enum.Enum):
    """The result of a commit."""

    OK = "OK"
    DUP = "DUP"
    """The step was applied before; the reply to the first attempt was lost."""
    CONFLICT = "CONFLICT"
    """The last step is not the expected one: another worker has written, or the store has lost recent steps."""


@dataclass(frozen=True, slots=True)
class Control:
    """The control record of a shard. Version 0 means that nothing has been committed yet."""

    version: int = 0
    step: str = ""
    """The id of the last step; a repeated commit of the same step returns DUP."""
    fields: Mapping[str, bytes] = field(default_factory=dict)
    """The fields of the engine: checkpoint, fingerprint, source offsets, …"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record waiting in the outbox. ``seq`` increases by one for each entry of a shard."""

    seq: int
    payload: bytes


@dataclass(slots=True)
class Commit:
    """One atomic step: all changes, and the id of the step before it."""

    version: int
    """The number of earlier steps of the shard; the commit increases it by one."""
    after: str
    """The required id of the last step, empty for none. If it differs, nothing is written."""
    step: str
    """The id of this step, unique among the steps of all workers."""
    fields: dict[str, bytes]
    leads: dict[str, bytes | None] = field(default_factory=dict)
    """Lead id -> blob; None removes the lead from leads, due and every ranking."""
    packed: Packed = NOTHING
    """More leads to write, in packed form; these take precedence over the same leads in ``leads``."""
    due: dict[str, float | None] = field(default_factory=dict)
    """Lead id -> due time in ms since the epoch; None removes the lead."""
    ranks: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """Scorecard -> lead id -> place in the ranking (``rank_of``); None removes the lead."""
    outbox: list[Entry] = field(default_factory=list)
    trim_to: int = 0
    """Outbox entries with seq <= trim_to are acknowledged and removed; 0 removes none."""
    clean: list[str] = field(default_factory=list)
    """Leads whose scores are published; they are removed from the set before ``dirty`` is added."""
    dirty: list[str] = field(default_factory=list)

    second: int = 0
    """The instant of the scores in ``ranks``, in s since the epoch; 0 does not add them to the history."""
    day: int = 0
    """The day since the epoch that ``fired`` counts for."""
    fired: Fired = field(default_factory=dict)
    sales: list[tuple[int, str]] = field(default_factory=list)
    """Rows to add for results, each with its time in ms since the epoch; one that is there already is not repeated."""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """The state of one server of the store."""

    memory_bytes: int
    limit_bytes: int
    """The most that it may use; 0 without a limit."""
    evicts: bool
    """Whether it removes data when that is reached, which loses leads."""
    persists: bool
    """Whether its last writes to disk succeeded."""


Fired = dict[str, tuple[int, float | None]]
"""Signal -> the number of times it counted and the sum of its amounts; the sum is None if each amount is 1."""


class Store(Protocol):
    """All shards of a Leadglow installation.

    Calls that fail with connection errors, LOADING, READONLY, OOM, CLUSTERDOWN or TRYAGAIN are repeated until they
    succeed, with limited backoff; ``healthy`` is False meanwhile.
    """

    @property
    def healthy(self) -> bool:
        """Whether the last attempt to reach the store succeeded."""

    async def verify(self, writes: bool = True) -> None:
        """Refuse a store that could lose leads, or that cannot be used as it is configured, to write or to read.

        Raises:
            StoreRefused: the message has the reason and the remedy.
        """

    async def control(self, partition: int) -> Control:
        """Read the control record."""

    async def load(self, partition: int, lead_ids: Sequence[str]) -> list[bytes | None]:
        """Read the blobs of these leads; None for an unknown lead."""

    async def commit(self, partition: int, commit: Commit) -> Verdict:
        """Apply one step atomically if the last step is the expected one."""

    async def due(self, partition: int, until_ms: float, limit: int) -> list[str]:
        """Leads that are due at or before ``until_ms``, earliest first."""

    async def count_due(self, partition: int, until_ms: float) -> int:
        """The number of leads that are due at or before ``until_ms``."""

    async def next_due(self, partition: int) -> float | None:
        """The earliest due time in the shard, in ms since the epoch."""

    async def outbox(self, partition: int, limit: int = 1000) -> list[Entry]:
        """The first waiting entries, in order."""

    async def dirty(self, partition: int) -> list[str]:
        """Leads whose published score is not yet on lead-scores."""

    async def top(self, partition: int, scorecard: str, limit: int) -> list[tuple[str, float]]:
        """The leads with the highest places in the ranking, highest first, ties by lead id."""

    async def ranked(
        self,
        partition: int,
        scorecard: str,
        after: tuple[float, str] | None,
        limit: int,
        at_most: float | None = None,
    ) -> list[tuple[str, float]]:
        """The next leads after (place, lead id), in the order of ``top``; none above ``at_most``."""

    async def ranking_size(self, partition: int, scorecard: str) -> int:
        """The number of leads in the ranking; ``counts`` also includes their other ids."""

    async def count_ranked(self, partition: int, scorecard: str, bounds: Sequence[float]) -> list[int]:
        """The number of leads in the ranking at or above each of these places."""

    async def pick_ranked(self, partition: int, scorecard: str, positions: Sequence[int]) -> list[tuple[str, float]]:
        """The leads at these positions, 0 for the highest place, in the order of ``top``; none beyond the last."""

    async def history(self, partition: int, scorecard: str, lead_ids: Sequence[str]) -> list[bytes]:
        """The score history of these leads, encoded as in ``streams.store.history``; empty for an unknown lead."""

    async def fired(self, partition: int, days: Iterable[int]) -> Fired:
        """How often each signal counted on these days since the epoch; nine days are kept."""

    async def sales(self, partition: int, since_ms: int, limit: int = -1) -> list[bytes]:
        """The rows for results from an instant on, by time, then by text; all of them if ``limit`` is -1.

        ``checks`` has how many are kept.
        """

    def scan(self, partition: int) -> AsyncIterator[tuple[str, bytes]]:
        """Every lead of the shard; a lead that changes during the scan may be returned twice."""

    async def counts(self, partition: int) -> Mapping[str, int]:
        """The sizes of ``leads``, ``due``, ``outbox`` and ``dirty``."""

    async def wipe(self, partition: int) -> None:
        """Remove all data of the shard."""

    async def meta(self, name: str, value: str = "") -> str:
        """The value stored under ``name``, or an empty string. ``value`` is stored first if there is none yet."""

    async def replace_meta(self, name: str, expected: str, value: str) -> str:
        """Set the value under ``name`` if it is ``expected`` (empty: none); returns the one there afterwards."""

    async def reports(self) -> Mapping[str, ServerReport]:
        """The state of each server of the store, by its address; empty if there is none."""

    async def time_ms(self) -> int:
        """The time of the store, in ms since the epoch, which is the same for all workers."""

    async def close(self) -> None:
        """Close the connections."""
