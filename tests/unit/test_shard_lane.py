"""When a lane gives up, and where it begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from app.cli.rebuild import empty_shard
from streams.environment import Environment
from streams.metrics import Metrics
from streams.mismatch import Mismatch
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model
from streams.shard.conflict import Conflict
from streams.shard.lane import OwnershipLost, ShardLane
from streams.shard.position import Position
from streams.shard.shard import Shard
from streams.shard.turns import TIMER_S
from streams.store.base import Commit
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics
from tests.support.implementations import in_use

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


@pytest.fixture
def lane() -> Lane:
    shard: Any = SimpleNamespace(version=0, fresh=False, outbox=[], relay=None)
    clock: Any = None
    return Lane(shard, SimpleNamespace(metrics=None), clock, AsyncMock(**{"first_offset.return_value": 0}))  # type: ignore[arg-type]


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


# Where it begins ----------------------------------------------------------------------------------------------


class Opened:
    """A lane on a store, and the log that it reads."""

    def __init__(self, store: MemoryStore) -> None:
        env = Environment(store, Topics(), Partitioner(1), Metrics(), "worker", implementation=in_use())
        shard = Shard(0, Rules(Model((), ())), env)
        self.cursor = AsyncMock(**{"first_offset.return_value": 0})
        channel: Any = SimpleNamespace(metrics=env.metrics)
        clock: Any = None
        self.lane = ShardLane(shard, channel, clock, self.cursor)


async def stored(checkpoint: int) -> MemoryStore:
    """A store with a shard that has scored up to this offset."""
    store, position = MemoryStore(), Position(checkpoint, fingerprint=b"print" * bool(checkpoint))
    await store.commit(0, Commit(0, "", f"s{checkpoint}", position.to_fields()))
    return store


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("checkpoint", [0, 7])
async def test_records_that_are_gone_are_a_gap_for_every_shard_with_state(checkpoint: int) -> None:
    with pytest.raises(Mismatch, match="begins at 40"):
        await Opened(await stored(checkpoint)).lane.open(40, 90)


@pytest.mark.usefixtures("implementation")
async def test_a_shard_without_state_begins_at_the_first_record() -> None:
    assert await Opened(MemoryStore()).lane.open(40, 90) == 40


@pytest.mark.usefixtures("implementation")
async def test_a_rebuilt_shard_begins_where_the_rebuild_began() -> None:
    store = MemoryStore()
    await empty_shard(store, 0, 40)

    assert await Opened(store).lane.open(40, 90) == 40
    with pytest.raises(Mismatch, match="begins at 60"):
        await Opened(store).lane.open(60, 90)


@pytest.mark.usefixtures("implementation")
async def test_a_running_worker_goes_to_the_first_record_of_a_rebuild() -> None:
    store = await stored(90)
    worker = Opened(store)
    await worker.lane.open(0, 90)
    await empty_shard(store, 0, 40)

    await worker.lane._reopen(Conflict(0))

    worker.cursor.seek.assert_awaited_once_with(40)
    assert worker.lane._expected_offset is None  # the record before it is gone


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize(("first", "later"), [(40, 0), (0, 40)])
async def test_a_running_worker_refuses_a_state_that_goes_back_before_its_log(first: int, later: int) -> None:
    worker = Opened(await stored(90))
    await worker.lane.open(first, 90)
    worker.lane.shard.env.store = await stored(0)
    worker.cursor.first_offset.return_value = later  # 0 while Kafka cannot be reached

    with pytest.raises(Mismatch, match="begins at 40"):
        await worker.lane._reopen(Conflict(0))
