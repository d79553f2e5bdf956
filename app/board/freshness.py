"""Looks regularly how fresh the scores are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from app.board.bounded_store import BoundedStore
from app.board.topic_tails import TopicTails
from app.freshness import Freshness, Progress
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

    @property
    def now(self) -> Freshness:
        """The freshness at the last look, or that it is unknown since."""
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
        self.progress.add_look(offsets, shards, None if workers is None else workers > 0, now_ms())
