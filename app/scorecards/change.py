"""Measures what a change of the scorecards would do to the stored leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from app.scorecards.report import report_change
from streams.clock import now_ms
from streams.live_effect import measure_store
from streams.scoring.rules import Rules
from streams.scoring.rules_change import Undo
from streams.store.base import Store


async def measure_change(
    store: Store,
    partitions: int,
    old: Rules,
    new: Rules,
    on_progress: Callable[[int, int], None],
    undo: Undo | None = None,
) -> dict[str, Any]:
    """The whole report about a change now; ``on_progress`` is called as by ``measure_store``."""
    now = now_ms()
    effect = await measure_store(store, partitions, old, new, now, on_progress, undo)
    return await asyncio.to_thread(report_change, old, new, effect, now)
