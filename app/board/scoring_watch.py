"""Counts regularly, for metrics, the leads of each scorecard by score and how often each signal counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from app.board.bounded_store import BoundedStore
from app.board.distribution import Distribution
from app.board.metrics import Metrics
from app.http.refusals import Refusal
from streams.clock import now_ms
from streams.scoring.rules import Rules

COUNT_S: Final = 15.0
RANGE: Final = (0, 100)
"""Scores that get rows of their own if the range of a scorecard is wide."""


class ScoringWatch:
    """What the scorecards make of the leads."""

    def __init__(self, store: BoundedStore, rules: Callable[[], Rules], metrics: Metrics) -> None:
        """``rules`` returns the scorecards in use."""
        self._store = store
        self._rules = rules
        self._metrics = metrics

    async def watch(self) -> None:
        """Count regularly, for ever."""
        while True:
            with suppress(Refusal):
                await self.count()
            await asyncio.sleep(COUNT_S)

    async def count(self) -> None:
        """Count once.

        Raises:
            Refusal: Redis does not respond.
        """
        rules = self._rules()
        rows = {card.name: Distribution(card.card, *RANGE) for card in rules.cards}
        async with self._store.bounded():
            found = {name: await self._store.count_places(name, each.bounds) for name, each in rows.items()}
            fired = await self._store.load_fired(now_ms())
        metrics = self._metrics
        for gauge in (metrics.by_score, metrics.above, metrics.fired):
            gauge.clear()  # scorecards and signals come and go
        for name, each in rows.items():
            view = each.describe(found[name])
            for row in view["bins"]:
                metrics.by_score.labels(name, row["from"]).set(row["leads"])
            for stage in view["stages"]:
                metrics.above.labels(name, stage["name"]).set(stage["leads_from_enter"])
        for signal in rules.model.signals:
            metrics.fired.labels(signal.name).set(fired.get(signal.name, (0, None))[0])
