"""Counts the leads of a scorecard by score, and samples them to find signals and fit lines without effect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import floor
from typing import Any, Final

from app.board.bounded_store import BoundedStore, Place
from app.board.distribution import Distribution
from app.board.lead_sample import LeadSample
from streams.clock import monotonic_s, now_ms
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.shard.alert import rfc3339
from streams.store.base import Fired

View = dict[str, Any]
SAMPLED: Final = 2000
"""Leads that are read: about a tenth of a second of work."""
CHUNK: Final = 100
"""Leads that are read at a time."""
FRESH_S: Final = 15.0
"""How long requests share a count."""


@dataclass(frozen=True, slots=True)
class _Counted:
    as_of_ms: int
    distribution: View
    sample: LeadSample
    fired: Fired


class Usage:
    """Counts the leads of scorecards; identical requests within a moment share a count."""

    def __init__(self, store: BoundedStore) -> None:
        """Reads nothing yet."""
        self._store = store
        self._counts: dict[tuple[str, str], tuple[float, asyncio.Future[_Counted]]] = {}

    async def load(self, card: CardRule, rules: Rules, has_traits: bool) -> View:
        """The leads by score, and how many of a sample have each signal and each fit line.

        Names and values of traits are included only with ``has_traits``.

        Raises:
            Refusal: too many reads wait, or Redis does not respond.
        """
        counted = await self._count(card, rules)
        return {
            "scorecard": card.name,
            "version": rules.version,
            "as_of": rfc3339(counted.as_of_ms),
            "range": [card.card.minimum, card.card.maximum],
            **counted.distribution,
            **counted.sample.describe(counted.fired, has_traits),
        }

    async def _count(self, card: CardRule, rules: Rules) -> _Counted:
        key, now_s = (card.name, rules.version), monotonic_s()
        made_s, count = self._counts.get(key, (0.0, None))
        if count is None or now_s - made_s > FRESH_S or (count.done() and count.exception() is not None):
            count = asyncio.ensure_future(self._count_leads(card, rules))
            count.add_done_callback(lambda done: done.cancelled() or done.exception())  # all may have left
            self._counts = {k: v for k, v in self._counts.items() if now_s - v[0] <= FRESH_S} | {key: (now_s, count)}
        return await asyncio.shield(count)

    async def _count_leads(self, card: CardRule, rules: Rules) -> _Counted:
        at_ms = now_ms()
        async with self._store.bounded():
            places = await self._store.sample_ranking(card.name, SAMPLED)
            scores = [floor(place) for place, _ in places] or [0]
            rows = Distribution(card.card, min(scores), max(scores))
            counts = await self._store.count_places(card.name, rows.bounds)
            fired = await self._store.load_fired(at_ms)
            sample = await self._read_sample(LeadSample(card, rules), places)
        return _Counted(at_ms, rows.describe(counts), sample, fired)

    async def _read_sample(self, sample: LeadSample, places: list[Place]) -> LeadSample:
        for first in range(0, len(places), CHUNK):
            states = await self._store.load_states([lead_id for _, lead_id in places[first : first + CHUNK]])
            for state in states.values():
                if isinstance(state, Lead):
                    sample.add_lead(state)
            await asyncio.sleep(0)  # let other requests run
        return sample
