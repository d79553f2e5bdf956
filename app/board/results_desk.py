"""Loads the results of a scorecard: the rows of all shards, and a sample of the leads by channel."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from app.board.bounded_store import BoundedStore
from app.board.costs import Cost
from app.board.results import Asked, Seen, build_results, first_needed_ms
from streams.clock import now_ms
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.sales_rows import Channel, SalesRow, channels_of, decode_rows
from streams.store.checks import SALES_DAYS, SALES_ROWS
from streams.units import DAY_MS

SAMPLED: Final = 2000
"""Leads that are read to find where leads come from."""
CHUNK: Final = 100
MAX_DAYS: Final = SALES_DAYS - 35
"""A target by quarter needs rows from before."""


class Results:
    """Answers questions about results."""

    def __init__(self, store: BoundedStore, costs: Callable[[], Sequence[Cost]]) -> None:
        """``costs`` returns the current contents of the costs file."""
        self._store = store
        self._costs = costs

    async def load(self, card: CardRule, rules: Rules, touch: str, days: int) -> dict[str, Any]:
        """What became of the leads that were handed over in the last ``days``.

        Raises:
            Refusal: too many reads wait, or Redis does not respond.
        """
        until_ms = now_ms() + 1
        async with self._store.bounded():
            asked = Asked(card.name, touch, until_ms - days * DAY_MS, until_ms, await self._first_row_ms(until_ms))
            rows, is_full = await self._load_rows(first_needed_ms(card.card, asked))
            seen = await self._count_seen(card, asked)
        found = build_results([each.card for each in rules.cards], asked, rows, self._costs(), seen)
        return {**found, "days": days, "version": rules.version, "truncated": is_full}

    async def _first_row_ms(self, until_ms: int) -> int:
        """The time of the first row of all shards; ``until_ms`` if there is none."""
        firsts = [await self._store.store.sales(partition, 0, 1) for partition in range(self._store.partitions)]
        return min((row.at_ms for texts in firsts for row in decode_rows(texts)), default=until_ms)

    async def _load_rows(self, since_ms: int) -> tuple[list[SalesRow], bool]:
        """The rows of all shards, and whether a shard may have dropped some."""
        rows, is_full = [], False
        for partition in range(self._store.partitions):
            texts = await self._store.store.sales(partition, since_ms)
            is_full = is_full or len(texts) >= SALES_ROWS
            rows += decode_rows(texts)
            await asyncio.sleep(0)  # let other requests run
        return rows, is_full

    async def _count_seen(self, card: CardRule, asked: Asked) -> Seen:
        """The leads of the ranking that were seen in the time, by channel; estimated if there are many."""
        places = await self._store.sample_ranking(card.name, SAMPLED)
        (total,) = await self._store.count_places(card.name, [float("-inf")])
        counts: Counter[Channel] = Counter()
        for first in range(0, len(places), CHUNK):
            states = await self._store.load_states([lead_id for _, lead_id in places[first : first + CHUNK]])
            for lead in states.values():
                if isinstance(lead, Lead) and lead.last_seen >= asked.since_ms:
                    counts[channels_of(lead)[asked.touch == "last"]] += 1
            await asyncio.sleep(0)
        scale = total / len(places) if places else 1.0
        return Seen({channel: count * scale for channel, count in counts.items()}, scale > 1)
