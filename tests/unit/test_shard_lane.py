"""When a lane gives up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streams.shard.conflict import Conflict
from streams.shard.lane import OwnershipLost, ShardLane


class Lane(ShardLane):
    """A lane whose steps a test writes: ``!`` is a conflict, ``+`` a step, ``.`` none."""

    async def turn(self, script: str) -> None:
        """Play them."""
        for self.now in script:
            self._wake.set()
            self._queue = [[]]
            await self._run_once()

    async def open(self, first_offset: int, end_offset: int | None) -> int:
        """The shard is ours, whatever was written."""
        return 0

    async def _score_next_batch(self) -> None:
        self._queue.clear()

    async def _do_timed_work(self) -> None:
        if self.now == "!":
            raise Conflict(0)
        self.shard.version += self.now == "+"


async def nowhere(offset: int) -> None:
    """Nothing is read anyway."""


@pytest.fixture
def lane() -> Lane:
    shard: Any = SimpleNamespace(version=0, fresh=False, outbox=[], relay=None, catching_up=False)
    clock: Any = None
    return Lane(shard, SimpleNamespace(metrics=None), clock, nowhere)  # type: ignore[arg-type]


async def test_three_conflicts_in_a_row_are_another_owner(lane: Lane) -> None:
    with pytest.raises(OwnershipLost):
        await lane.turn("+!.!.!")


async def test_conflicts_between_steps_are_none_in_a_row(lane: Lane) -> None:
    await lane.turn("!+!+!!+!!+")
