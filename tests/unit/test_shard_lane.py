"""When a lane gives up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streams.shard.conflict import Conflict
from streams.shard.lane import OwnershipLost, ShardLane
from streams.shard.position import Position
from streams.shard.turns import TIMER_S

NOW_MS = 1_000_000


class Lane(ShardLane):
    """A lane whose steps a test writes: ``!`` is a conflict, ``+`` a step, ``.`` none."""

    async def turn(self, script: str) -> None:
        """Play them."""
        for self.now in script:
            self._wake.set()
            self.queue = [[]]
            await self._run_once()

    async def open(self, first_offset: int, end_offset: int | None) -> int:
        """The shard is ours, whatever was written."""
        return 0

    async def _score_next_batch(self) -> None:
        self.queue.clear()

    async def _do_timed_work(self) -> None:
        if self.now == "!":
            raise Conflict(0)
        self.shard.version += self.now == "+"


async def nowhere(offset: int) -> None:
    """Nothing is read anyway."""


@pytest.fixture
def lane() -> Lane:
    shard: Any = SimpleNamespace(version=0, fresh=False, outbox=[], relay=None)
    clock: Any = None
    return Lane(shard, SimpleNamespace(metrics=None), clock, nowhere)  # type: ignore[arg-type]


async def test_three_conflicts_in_a_row_are_another_owner(lane: Lane) -> None:
    with pytest.raises(OwnershipLost):
        await lane.turn("+!.!.!")


async def test_conflicts_between_steps_are_none_in_a_row(lane: Lane) -> None:
    await lane.turn("!+!+!!+!!+")


class Schedule:
    """A shard in which leads fall due, 500 of which are advanced in one step."""

    def __init__(self) -> None:
        self.next_due, self.waiting, self.readings = 0, 0, 0
        self.env = SimpleNamespace(clock=SimpleNamespace(now_ms=lambda: NOW_MS))
        self.position = Position()

    def fall_due(self, leads: int) -> None:
        """So many leads are due now."""
        self.waiting, self.next_due = leads, NOW_MS

    async def advance_due(self, clock: int) -> None:
        """Advance some of them."""
        self.readings += 1
        self.waiting = max(self.waiting - 500, 0)
        self.next_due = clock if self.waiting else clock + 60_000


@pytest.fixture
def schedule(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> Schedule:
    lane.shard = schedule = Schedule()  # type: ignore[assignment]
    lane._metrics = SimpleNamespace(timer_lateness_seconds=SimpleNamespace(observe=lambda _: None))  # type: ignore[assignment]
    monkeypatch.setattr("streams.shard.lane.monotonic_s", lambda: 1000.0)
    return schedule


async def test_leads_that_fall_due_soon_after_each_other_are_advanced_together(
    lane: Lane, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule.fall_due(1)
    await lane._advance_due(NOW_MS)
    schedule.fall_due(1)
    await lane._advance_due(NOW_MS)
    assert schedule.readings == 1
    monkeypatch.setattr("streams.shard.lane.monotonic_s", lambda: 1000.0 + TIMER_S)
    await lane._advance_due(NOW_MS)
    assert schedule.readings == 2


async def test_more_leads_than_one_step_advances_do_not_wait(lane: Lane, schedule: Schedule) -> None:
    schedule.fall_due(1200)
    for _ in range(4):
        await lane._advance_due(NOW_MS)
    assert (schedule.waiting, schedule.readings) == (0, 3)
