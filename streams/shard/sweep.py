"""Settles all leads of a shard after a change of the scorecards, some at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from streams.shard.shard import Shard

PORTION: Final = 500
"""The number of leads settled at a time."""


class Sweep:
    """Goes through the leads of one shard."""

    def __init__(self, shard: Shard) -> None:
        """Begin at the first lead."""
        self._shard = shard
        self._leads: AsyncIterator[tuple[str, bytes]] | None = None

    @property
    def is_needed(self) -> bool:
        """Whether there may be leads that are not settled, or not in the ranking."""
        return self._shard.scorer.change is not None or not self._shard.position.ranked

    @property
    def comes_first(self) -> bool:
        """Whether it must end before anything else happens to the leads: a rollback asks for their present stages."""
        change = self._shard.scorer.change
        return change is not None and change.undo is not None

    def restart(self) -> None:
        """Begin again at the first lead."""
        self._leads = None

    async def settle_some(self, now_ms: int) -> None:
        """Settle the next leads and advance them to ``now_ms``; after the last one, note that all are settled."""
        shard = self._shard
        if self._leads is None:
            self._leads = shard.env.store.scan(shard.partition)
        lead_ids = []
        async for lead_id, _ in self._leads:
            lead_ids.append(lead_id)
            if len(lead_ids) >= PORTION:
                break
        if lead_ids:
            change = shard.scorer.change
            at_ms = change.at_ms if change is not None else 0
            await shard.advance_leads(lead_ids, at_ms if self.comes_first else max(now_ms, at_ms))
        else:
            self._leads = None
            await shard.finish_rescoring()
