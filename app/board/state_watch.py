"""Looks regularly at the state of Redis, for metrics: what waits in it, how late its timers are, its memory."""

from __future__ import annotations

import asyncio
from math import nan
from typing import Final

from app.board.bounded_store import BoundedStore
from app.board.metrics import Metrics
from app.http.refusals import Refusal
from streams.clock import now_ms

LOOK_S: Final = 5.0
LATE_MS: Final = 10_000
"""Leads that are due for longer are overdue."""


class StateWatch:
    """What Redis holds; everything is NaN while it does not respond."""

    def __init__(self, store: BoundedStore, metrics: Metrics) -> None:
        """Nothing is known yet."""
        self._store = store
        self._metrics = metrics
        self._forget()

    async def watch(self) -> None:
        """Look regularly, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look once."""
        metrics, now = self._metrics, now_ms()
        try:
            async with self._store.bounded():
                backlog = await self._store.load_backlog(now - LATE_MS)
                servers = await self._store.store.reports()
        except Refusal:
            self._forget()
            return
        metrics.leads.set(backlog.leads)
        metrics.outbox.set(backlog.outbox)
        metrics.overdue.set(backlog.overdue)
        metrics.overdue_s.set(max(now - backlog.next_due_ms, 0) / 1000)
        for gauge in metrics.of_servers:
            gauge.clear()  # a server may be gone
        for name, server in servers.items():
            values = (server.memory_bytes, server.limit_bytes, server.evicts, server.persists)
            for gauge, value in zip(metrics.of_servers, values, strict=True):
                gauge.labels(name).set(value)

    def _forget(self) -> None:
        metrics = self._metrics
        for gauge in (metrics.leads, metrics.outbox, metrics.overdue, metrics.overdue_s):
            gauge.set(nan)
        for gauge in metrics.of_servers:
            gauge.clear()
