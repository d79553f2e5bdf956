"""Reads of all shards, each limited in size and time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import reduce
from heapq import merge
from itertools import islice
from math import ceil, inf
from typing import Any, Final, NamedTuple

from app import lead_lookup
from app.freshness import ShardPosition
from app.http.refusals import Refusal
from streams.clock import monotonic_s
from streams.mismatch import Mismatch
from streams.partition_numbers import (
    FORMER,
    REPARTITION,
    explain_to_readers,
    explain_unfinished,
    former_numbers,
    is_switching,
)
from streams.scoring.lead import Erased, Lead, State
from streams.scoring.stored import decode
from streams.shard.alert import rfc3339
from streams.store import history
from streams.store.base import Fired, Store
from streams.store.checks import joined
from streams.store.format import NAME as FORMAT_NAME
from streams.store.format import require_readable
from streams.store.retry import TROUBLE
from streams.transport.topics import Partitioner
from streams.units import DAY_MS

log = logging.getLogger(__name__)

CHECK_S: Final = 10.0
"""The time between two checks of the number of shards and their format: `repartition` and `upgrade` change them."""
QUERY_S: Final = 4.0
"""Time limit of a read."""
LOOK_S: Final = 2.0
AT_ONCE: Final = 32
"""Concurrent reads; more have to wait."""
MAX_WAITING: Final = 256
"""Waiting reads; more are refused."""
AWAY: Final = "Redis does not respond in time: check that it is running, and LEADGLOW_BOARD_REDIS."
BUSY: Final = "The board is overloaded: try again in a moment."
WEEK: Final = 7
Place = tuple[float, str]
"""(``rank_of`` a lead, its id): a place in a ranking."""


class Backlog(NamedTuple):
    """What waits in all shards."""

    leads: int
    """Leads with their other ids."""
    outbox: int
    """Entries that Kafka has not acknowledged."""
    overdue: int
    """Leads whose timer is late."""
    next_due_ms: float
    """When the first lead is due; infinite without any."""


class BoundedStore:
    """Reads leads and rankings of all shards."""

    def __init__(self, store: Store, partitions: int) -> None:
        """``partitions`` is the number of partitions of lead-events."""
        self.store = store
        self.partitions = partitions
        self._home = Partitioner(partitions)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._checked_s = -CHECK_S
        """When the number of shards was right last."""
        self.former: list[int] = []
        """The numbers of partitions before, if there were others."""
        self.healthy = True
        """Whether Redis responded in time at the last read."""
        self.mismatch = ""
        """Why its state is not one that this board can show, as of the last check; empty if it is."""

    @property
    def trouble(self) -> str:
        """Why requests for leads are refused; empty if they are not."""
        return self.mismatch if self.healthy and self.store.healthy else AWAY

    async def watch_redis(self) -> None:
        """Check Redis regularly, for ever."""
        while True:
            await self.check_redis()
            await asyncio.sleep(LOOK_S)

    async def check_redis(self) -> None:
        """Check once whether Redis responds."""
        with suppress(Refusal):
            async with self.bounded():
                pass  # everything is checked before the block

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """Limit the block in time, after waiting for a turn.

        Raises:
            Refusal: too many reads wait, or Redis does not respond.
        """
        if self._waiting >= MAX_WAITING:
            raise Refusal(503, "busy", BUSY, retry_after_s=1)
        self._waiting += 1
        try:
            async with asyncio.timeout(QUERY_S):
                async with self._turns:
                    await self._check_state()
                    yield
            self.healthy = True
        except (TimeoutError, *TROUBLE):
            self.healthy = False
            raise Refusal(503, "store_away", AWAY, retry_after_s=2) from None
        finally:
            self._waiting -= 1

    async def _check_state(self) -> None:
        """Check now and then that the state is one that this board can show.

        Raises:
            Refusal: it is not.
        """
        if monotonic_s() - self._checked_s < CHECK_S:
            return
        agreed = await self.store.meta("partitions")
        refused = await self._find_mismatch(agreed)
        self.healthy = True
        self._note_mismatch("" if refused is None else refused.message)
        if refused is not None:
            raise refused
        self.former = former_numbers(await self.store.meta(FORMER))
        self._checked_s = monotonic_s() if agreed else -CHECK_S

    async def _find_mismatch(self, agreed: str) -> Refusal | None:
        """Why requests for leads are refused.

        The number of shards must be that of the settings, as leads could not be found otherwise, all of them must be
        in their places, and this release must read their format.
        """
        if agreed and int(agreed) != self.partitions:
            return Refusal(503, "wrong_partitions", explain_to_readers(self.partitions, int(agreed)))
        plan = await self.store.meta(REPARTITION)
        if plan and is_switching(plan):
            return Refusal(503, "repartition_unfinished", explain_unfinished(plan))
        try:
            require_readable(await self.store.meta(FORMAT_NAME))
        except Mismatch as mismatch:
            return Refusal(503, "other_format", f"{mismatch}.")
        return None

    def _note_mismatch(self, found: str) -> None:
        """Remember it, with a line in the log when it begins, changes or ends."""
        if found and found != self.mismatch:
            log.warning("requests for leads get 503: %s", found)
        elif self.mismatch and not found:
            log.warning("leads are shown again")
        self.mismatch = found

    async def find_lead(self, lead_id: str) -> tuple[str, Lead | Erased | None]:
        """The lead with an id or e-mail address, and its current id."""
        return await lead_lookup.find_by_id_or_email(self.store, self.partitions, lead_id)

    async def load_ranking(self, scorecard: str, after: Place | None, limit: int, at_most: float | None) -> list[Place]:
        """The next leads after a place in the ranking of all shards."""
        shards = await asyncio.gather(
            *(self.store.ranked(p, scorecard, after, limit, at_most) for p in range(self.partitions))
        )
        turned = ([(score, lead_id) for lead_id, score in shard] for shard in shards)
        return list(islice(merge(*turned, key=lambda row: (-row[0], row[1])), limit))

    async def count_places(self, scorecard: str, bounds: Sequence[float]) -> list[int]:
        """The number of leads in the ranking of all shards at or above each of these places."""
        shards = await asyncio.gather(*(self.store.count_ranked(p, scorecard, bounds) for p in range(self.partitions)))
        return [sum(counts) for counts in zip(*shards, strict=True)]

    async def sample_ranking(self, scorecard: str, most: int) -> list[Place]:
        """About ``most`` leads of the ranking: from each shard its share, evenly spaced from the top down."""
        sizes = await asyncio.gather(*(self.store.ranking_size(p, scorecard) for p in range(self.partitions)))
        total = sum(sizes)
        shards = await asyncio.gather(
            *(
                self.store.pick_ranked(p, scorecard, spread_evenly(size, most * size / total))
                for p, size in enumerate(sizes)
                if size
            )
        )
        return [(place, lead_id) for shard in shards for lead_id, place in shard]

    async def load_states(self, lead_ids: Iterable[str]) -> dict[str, State]:
        """The states of these ids."""
        return {lead_id: decode(blob) for lead_id, blob in (await self.load_blobs(lead_ids)).items()}

    async def load_blobs(self, lead_ids: Iterable[str]) -> dict[str, bytes]:
        """The stored forms of these ids."""
        homes: dict[int, list[str]] = {}
        for lead_id in lead_ids:
            homes.setdefault(self._home(lead_id), []).append(lead_id)
        found = await asyncio.gather(*(self.store.load(partition, ids) for partition, ids in homes.items()))
        shards = (zip(ids, blobs, strict=True) for ids, blobs in zip(homes.values(), found, strict=True))
        return {lead_id: blob for shard in shards for lead_id, blob in shard if blob is not None}

    async def load_history(self, lead_id: str, scorecard: str) -> list[tuple[int, int]]:
        """The scores of a lead before the range clamps them: (ms since the epoch, whole number), oldest first."""
        found = (await self.store.history(self._home(lead_id), scorecard, [lead_id]))[0]
        return [(at_s * 1000, score) for at_s, score in history.points(found)]

    async def load_fired(self, until_ms: int) -> Fired:
        """The count of each signal in the seven days up to that of ``until_ms``, and the sum of its amounts."""
        today = until_ms // DAY_MS
        days = range(today - WEEK + 1, today + 1)
        shards = await asyncio.gather(*(self.store.fired(p, days) for p in range(self.partitions)))
        return reduce(joined, shards, Fired())

    async def load_positions(self) -> list[ShardPosition]:
        """How far each shard is."""
        found = await asyncio.gather(*(self.store.control(p) for p in range(self.partitions)))
        return [ShardPosition.from_fields(p, control.fields) for p, control in enumerate(found)]

    async def load_backlog(self, due_ms: float) -> Backlog:
        """What waits in all shards: leads count as overdue if they were due by ``due_ms``."""
        store, shards = self.store, range(self.partitions)
        counts = await asyncio.gather(*(store.counts(p) for p in shards))
        overdue = await asyncio.gather(*(store.count_due(p, due_ms) for p in shards))
        due = await asyncio.gather(*(store.next_due(p) for p in shards))
        earliest = min((at for at in due if at is not None), default=inf)
        leads, outbox = (sum(each[name] for each in counts) for name in ("leads", "outbox"))
        return Backlog(leads, outbox, sum(overdue), earliest)

    async def load_shards(self, scorecard: str) -> list[dict[str, Any]]:
        """The sizes, owner and checkpoint of each shard; ``scorecard`` is the one whose ranking is counted."""
        return list(await asyncio.gather(*(self._load_shard(p, scorecard) for p in range(self.partitions))))

    async def _load_shard(self, partition: int, scorecard: str) -> dict[str, Any]:
        control, counts, leads = await asyncio.gather(
            self.store.control(partition),
            self.store.counts(partition),
            self.store.ranking_size(partition, scorecard),
        )
        fields = control.fields
        arrived = int(fields.get("arrived", b"0") or 0)
        return {
            "partition": partition,
            "leads": leads,
            "due": counts["due"],
            "outbox": counts["outbox"],
            "owner": bytes(fields.get("owner", b"")).decode("utf-8", "replace"),
            "arrived_at": rfc3339(arrived) if arrived else None,
            "checkpoint": int(fields.get("ckpt", b"0")),
        }


def spread_evenly(size: int, wanted: float) -> list[int]:
    """Positions from the first to the last of ``size``, evenly spaced: the number wanted, at least both ends."""
    count = min(max(ceil(wanted), 2), size)
    return [i * (size - 1) // max(count - 1, 1) for i in range(count)]
