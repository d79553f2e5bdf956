"""The interface of the store, and the contract of a step: one shard per partition of ``lead-events``.

Two implementations, ``memory`` and ``redis``, pass one suite of contract
tests. A shard has one control record, one blob per lead, a schedule (``due``),
a ranking per scorecard with the history of each score, an outbox, a set of leads whose published score
has changed (``dirty``), and counts of the signals by day. Only ``commit`` writes, and it writes all of them or none.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams.scoring.packed import NOTHING, Packed


class Verdict(enum.Enum):
    """What became of a commit."""

    OK = "OK"
    DUP = "DUP"
    """Applied before: the reply to the first attempt was lost."""
    CONFLICT = "CONFLICT"
    """The last step is another one than expected: another writer, or a store that rolled back."""


@dataclass(frozen=True, slots=True)
class Control:
    """The control record of a shard. Version 0 means that nothing was ever committed."""

    version: int = 0
    step: str = ""
    """The id of the last step taken; a repeated commit of the same step is a DUP."""
    fields: Mapping[str, bytes] = field(default_factory=dict)
    """Whatever the engine keeps there: checkpoint, fingerprint, source offsets, …"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record waiting in the outbox. ``seq`` grows by one per entry within a shard."""

    seq: int
    payload: bytes


@dataclass(slots=True)
class Commit:
    """One atomic step: everything that changes, and the step that it follows."""

    version: int
    """How many steps the shard has taken; one more afterwards."""
    after: str
    """The id of the step that the shard must have taken last, empty for none: the guard."""
    step: str
    """An id that no other step has, whoever takes it."""
    fields: dict[str, bytes]
    leads: dict[str, bytes | None] = field(default_factory=dict)
    """Lead id -> blob; None removes the lead from leads, due and every ranking."""
    packed: Packed = NOTHING
    """More of them, none of which is removed; of a lead that is in both, this one counts."""
    due: dict[str, float | None] = field(default_factory=dict)
    """Lead id -> due time in ms since the epoch; None removes it."""
    ranks: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """Scorecard -> lead id -> published score; None removes it."""
    outbox: list[Entry] = field(default_factory=list)
    trim_to: int = 0
    """Remove outbox entries with seq <= trim_to (they were acknowledged); 0 removes none."""
    clean: list[str] = field(default_factory=list)
    """Leads whose scores were published: taken out of dirty before `dirty` is put in."""
    dirty: list[str] = field(default_factory=list)

    second: int = 0
    """When scores came to be what ``ranks`` say, in s since the epoch; 0 keeps no history of them."""
    day: int = 0
    """The day since the epoch that ``fired`` counts for."""
    fired: Fired = field(default_factory=dict)


Fired = dict[str, tuple[int, float | None]]
"""Signal -> how often it counted, and the sum of its amounts; None where each is 1."""


class Store(Protocol):
    """All shards of one Leadglow.

    Errors of the connection (and LOADING, READONLY, OOM, CLUSTERDOWN, TRYAGAIN) are retried inside,
    with capped backoff, for ever; ``healthy`` is False meanwhile.
    """

    @property
    def healthy(self) -> bool:
        """Whether the last attempt to reach the store worked."""

    async def control(self, partition: int) -> Control:
        """Read the control record."""

    async def load(self, partition: int, lead_ids: Sequence[str]) -> list[bytes | None]:
        """Read the blobs of these leads, None for an unknown one."""

    async def commit(self, partition: int, commit: Commit) -> Verdict:
        """Take one step, atomically, if the last one is the one that it follows."""

    async def due(self, partition: int, until_ms: float, limit: int) -> list[str]:
        """Leads that are due at or before ``until_ms``, earliest first."""

    async def next_due(self, partition: int) -> float | None:
        """The earliest due time in the shard, in ms since the epoch."""

    async def outbox(self, partition: int, limit: int = 1000) -> list[Entry]:
        """The first entries still waiting, in order."""

    async def dirty(self, partition: int) -> list[str]:
        """Leads whose published score is not yet on lead-scores."""

    async def top(self, partition: int, scorecard: str, limit: int) -> list[tuple[str, float]]:
        """The highest published scores, highest first, ties by lead id."""

    async def ranked(
        self,
        partition: int,
        scorecard: str,
        after: tuple[float, str] | None,
        limit: int,
        at_most: float | None = None,
    ) -> list[tuple[str, float]]:
        """The next published scores after (score, lead id), in the order of ``top``; none above ``at_most``."""

    async def ranking_size(self, partition: int, scorecard: str) -> int:
        """How many leads have a published score; ``counts`` has their other ids among them."""

    async def history(self, partition: int, scorecard: str, lead_ids: Sequence[str]) -> list[bytes]:
        """The scores that these leads had, in the form of ``scoring.history``; empty for an unknown one."""

    async def fired(self, partition: int, days: Iterable[int]) -> Fired:
        """How often each signal counted on these days since the epoch; nine are kept."""

    def scan(self, partition: int) -> AsyncIterator[tuple[str, bytes]]:
        """Every lead of the shard; one that changes meanwhile may come twice."""

    async def counts(self, partition: int) -> Mapping[str, int]:
        """Sizes: ``leads``, ``due``, ``outbox``, ``dirty``."""

    async def wipe(self, partition: int) -> None:
        """Remove everything of the shard."""

    async def meta(self, name: str, value: str = "") -> str:
        """The value under ``name``, set to ``value`` first if there was none; empty where nothing was set."""

    async def replace_meta(self, name: str, prefix: str, value: str) -> str:
        """Set the value under ``name`` if the one there begins with ``prefix``; returns the one there afterwards."""

    async def time_ms(self) -> int:
        """The time of the store, in ms since the epoch, which is the same for all workers."""

    async def close(self) -> None:
        """Let the connections go."""
