"""Loads the scorecards in use, and measures what other ones would do to the stored leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from app.scorecards.report import report_change
from streams.agreement import NAME, Scorecards, version_of
from streams.clock import now_ms
from streams.live_effect import measure_store
from streams.scoring.rules import Rules
from streams.store.base import Store


async def load_text_in_use(store: Store) -> str | None:
    """The text of the scorecards that the workers agreed on; None before there is a worker."""
    agreed = await store.meta(NAME)
    return agreed.partition("\n")[2] if version_of(agreed) else None


def parse_text_in_use(text: str, lateness_ms: int) -> Rules:
    """The rules of ``load_text_in_use``."""
    return Scorecards.parse_text(text, "the scorecards in use", lateness_ms).rules


async def measure_change(
    store: Store, partitions: int, old: Rules, new: Rules, on_progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """The whole report about a change now; ``on_progress`` is called as by ``measure_store``."""
    now = now_ms()
    effect = await measure_store(store, partitions, old, new, now, on_progress)
    return await asyncio.to_thread(report_change, old, new, effect, now)
