"""Workers that agree on their scorecards in a store."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from streams.agreement import AgreedScorecards, Scorecards, publish
from streams.mismatch import Mismatch
from streams.scoring.rules import LATENESS_MS, Rules
from streams.store.memory import MemoryStore
from streams.yamlfile.watched import Watched

pytestmark = pytest.mark.asyncio
TEXT = """
leadglow: 1
signals: {view: {event: page, half_life: 1d}}
scorecards: {default: {points: {view: %d}}}
"""


class Worker:
    """A worker's part in the agreement, with a file of its own."""

    def __init__(self, store: MemoryStore, path: Path, points: int = 1) -> None:
        self.path = path
        self.write(points)
        self.errors = 0
        file = Watched(path, lambda p: Scorecards.read_file(p, LATENESS_MS), "scorecard file", self._count)
        self.agreed = AgreedScorecards(store, file, LATENESS_MS, self._use)
        self.used = file.value.rules
        self.changes = 0

    def write(self, points: int) -> None:
        self.path.write_text(TEXT % points)
        os.utime(self.path, ns=(points, points))

    @property
    def points(self) -> float:
        return self.used.model.scorecards[0].points["view"].points

    def _count(self) -> None:
        self.errors += 1

    def _use(self, old: Rules, new: Rules) -> None:
        assert old.version == self.used.version != new.version
        self.used = new
        self.changes += 1


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def test_a_worker_with_the_same_file_joins_and_one_with_another_does_not(
    store: MemoryStore, tmp_path: Path
) -> None:
    await Worker(store, tmp_path / "a").agreed.join()
    await Worker(store, tmp_path / "b").agreed.join()
    with pytest.raises(Mismatch, match="leadglow scorecards publish FILE"):
        await Worker(store, tmp_path / "c", 2).agreed.join()


async def test_a_changed_file_changes_all_workers_once(store: MemoryStore, tmp_path: Path) -> None:
    first, second = Worker(store, tmp_path / "a"), Worker(store, tmp_path / "b")
    for worker in (first, second):
        await worker.agreed.join()
    first.write(2)
    for worker in (first, second, first, second):
        await worker.agreed.check()
    assert (first.points, second.points) == (2, 2)
    second.write(2)  # the others' file arrives later
    await second.agreed.check()
    assert (first.changes, second.changes, second.errors) == (1, 1, 0)


async def test_a_file_that_was_not_in_use_changes_no_lead(
    store: MemoryStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Worker(store, tmp_path / "a"), Worker(store, tmp_path / "b")
    for worker in (first, second):
        await worker.agreed.join()
    first.write(2)
    await first.agreed.check()
    await second.agreed.check()
    second.write(3)  # changed from 1, which nobody uses any more
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            await second.agreed.check()
            await first.agreed.check()
    assert (first.points, second.points, second.errors) == (2, 2, 1)
    assert "leadglow scorecards publish FILE" in caplog.text


async def test_a_published_file_changes_all_workers_and_an_emptied_store_none(
    store: MemoryStore, tmp_path: Path
) -> None:
    first, other = Worker(store, tmp_path / "a"), Worker(store, tmp_path / "b", 5)
    await first.agreed.join()
    await publish(store, Scorecards.read_file(other.path, LATENESS_MS))
    await first.agreed.check()
    assert first.points == 5
    await other.agreed.join()
    store._meta.clear()
    await first.agreed.check()
    await other.agreed.join()
    assert first.changes == 1
