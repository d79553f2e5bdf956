"""Looks regularly how fresh the scores are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from app.board.bounded_store import BoundedStore
from app.board.topic_tails import TopicTails
from app.freshness import Freshness, PlaceName, Progress, State
from app.http.refusals import Refusal
from streams.clock import now_ms

LOOK_S: Final = 2.0


class FreshnessWatch:
    """How fresh scores are, by the offsets of Kafka and the checkpoints in Redis."""

    def __init__(self, store: BoundedStore, tails: TopicTails) -> None:
        """Nothing is known yet."""
        self._store = store
        self._tails = tails
        self.progress = Progress(now_ms())
        self._arrivals: dict[tuple[PlaceName, int], int] = {}

    @property
    def now(self) -> Freshness:
        """The freshness at the last look, or that it is unknown since."""
        if mismatch := self._store.mismatch:
            return Freshness(State.UNKNOWN, None, 0, mismatch=mismatch)
        return self.progress.at(now_ms())

    @property
    def lag_s(self) -> float:
        """How far scores are behind."""
        return self.progress.lag_ms(now_ms()) / 1000

    async def watch(self) -> None:
        """Look regularly, for ever."""
        while True:
            with suppress(Refusal):
                await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look once.

        Raises:
            Refusal: Redis does not respond.
        """
        offsets = self._tails.offsets
        if offsets is None or self._tails.has_stale_offsets:
            return
        async with self._store.bounded():
            shards = await self._store.load_positions()
        workers = self._tails.workers.value
        waiting_ms = await self._find_arrivals(self.progress.find_unseen(offsets, shards))
        self.progress.add_look(offsets, shards, None if workers is None else workers > 0, now_ms(), waiting_ms)

    async def _find_arrivals(self, unseen: dict[PlaceName, int]) -> dict[PlaceName, int]:
        """When the first events that wait arrived; each is read once, so only after a start of the board."""
        wanted = {name: offset for name, offset in unseen.items() if (name, offset) not in self._arrivals}
        if wanted:
            found = await self._tails.read_arrivals(wanted)
            self._arrivals |= {(name, wanted[name]): at_ms for name, at_ms in found.items()}
        self._arrivals = {key: at_ms for key, at_ms in self._arrivals.items() if unseen.get(key[0]) == key[1]}
        return {name: at_ms for (name, _), at_ms in self._arrivals.items()}
