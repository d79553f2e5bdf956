"""A repartition that is killed at each of its steps, on a real Redis; what Kafka does is noted in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest

from app.repartition import kafka_side
from app.repartition.run import CopiesMissing, Repartition
from app.repartition.stored_plan import OthersWrite
from app.settings import Settings
from app.settings_source import load_settings
from streams.implementation import REFERENCE
from streams.store.shard_copier import CopyDiffers
from streams.transport.topics import partition_of
from tests.contracts.moved import CARDS, LEADS, NEW, OLD, Moved

STEPS = ("finished", "copied", "verified", "added", "switched", "cleaned", "renamed", "noted")


class Killed(Exception):
    """Stands for the end of the process."""


class Kafka:
    """The topic, and the notes on that of scorecards."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.partitions = OLD
        self.is_late = False
        """Whether it lists the old number."""
        self.noted: list[dict[int, int]] = []
        for name in ("add_partitions", "wait_for_no_workers", "read_forwarded", "read_handoff_ends", "read_topics_of"):
            monkeypatch.setattr(kafka_side, name, getattr(self, name))

    async def add_partitions(self, settings: Settings, total: int) -> None:
        self.partitions = total

    async def wait_for_no_workers(self, settings: Settings) -> list[str]:
        return []

    async def read_forwarded(self, settings: Settings, names: object) -> dict[str, int]:
        return {}

    async def read_handoff_ends(self, settings: Settings) -> list[int]:
        return [0]

    async def read_topics_of(self, settings: Settings) -> dict[str, int]:
        return {settings.lead_events: OLD if self.is_late else self.partitions}


async def die() -> None:
    raise Killed


class Steps(Repartition):
    """Without the steps that only Kafka sees."""

    def __init__(self, moved: Moved, kafka: Kafka, at: str = "", do: Callable[[], Awaitable[object]] = die) -> None:
        """At the step ``at`` it does something."""
        super().__init__(load_settings({}), REFERENCE, moved.copier, lambda *_: None)
        self._kafka = kafka
        self._at = f"repartition_{at}"
        self._do = do
        self._reached: Any = self._reach

    async def _reach(self, step: str) -> None:
        if step == self._at:
            await self._do()

    async def _finish_old_shards(self) -> None:
        pass

    async def _require_no_publication(self, controls: object) -> None:
        pass

    async def _note_on_scorecards_topic(self, plan: Any) -> None:
        self._kafka.noted.append(plan.offsets)


async def has_all_leads(moved: Moved) -> None:
    """All leads are in the shards in force."""
    number = int(await moved.copier.read_meta("partitions"))
    store = {OLD: moved.old, NEW: moved.new}[number]
    for lead_id in LEADS:
        assert await store.load(partition_of(lead_id, number), [lead_id]) == [b"blob of %s" % lead_id.encode()]


@pytest.mark.parametrize("kills", [*((step,) for step in STEPS), STEPS])
async def test_it_goes_on_wherever_it_was_killed(
    moved: Moved, monkeypatch: pytest.MonkeyPatch, kills: tuple[str, ...]
) -> None:
    kafka, leads = Kafka(monkeypatch), await moved.copier.count_leads()
    for kill in kills:
        with pytest.raises(Killed):
            await Steps(moved, kafka, kill).run()
        assert await moved.copier.read_meta("repartition"), "workers refuse to start"
    assert await Steps(moved, kafka).run() == leads

    new = moved.new
    assert (kafka.partitions, await moved.copier.read_meta("partitions")) == (NEW, str(NEW))
    assert await moved.copier.read_meta("repartition") == ""
    assert kafka.noted[-1] == dict.fromkeys(range(OLD), 5)
    await has_all_leads(moved)
    for card in CARDS:
        assert sum([len(await new.top(p, card, 999)) for p in range(NEW)]) == len(LEADS)
    assert [(await new.control(p)).version for p in range(NEW)] == [1] * NEW
    assert not [key async for key in moved.client.scan_iter(f"{moved.namespace}:to-*")]


async def test_a_copy_that_differs_is_made_anew(moved: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka(monkeypatch)
    with pytest.raises(Killed):
        await Steps(moved, kafka, "verified").run()
    leads = await moved.copied("leads")
    await moved.client.hset(leads, (await moved.client.hkeys(leads))[0], b"another")
    with pytest.raises(CopyDiffers):
        await Steps(moved, kafka).run()
    assert kafka.partitions == OLD
    await Steps(moved, kafka).run()
    assert await moved.copier.read_meta("partitions") == str(NEW)


class Waiting:
    """A command that waits at a step until it may go on."""

    def __init__(self, moved: Moved, kafka: Kafka, at: str) -> None:
        self._waits, self._goes_on = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(Steps(moved, kafka, at, self._wait).run())

    async def _wait(self) -> None:
        self._waits.set()
        await self._goes_on.wait()

    async def reach(self) -> None:
        """Return when it waits."""
        async with asyncio.timeout(20):
            await self._waits.wait()

    async def go_on(self) -> BaseException | None:
        """Let it end; returns its error."""
        self._goes_on.set()
        async with asyncio.timeout(20):
            await asyncio.wait([self._task])
        return self._task.exception()


@pytest.mark.parametrize("at", ["copied", "verified", "added"])
async def test_no_lead_is_lost_if_a_command_goes_on_while_its_copies_are_removed(
    at: str, moved: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka, drop = Kafka(monkeypatch), moved.copier.drop_copies
    first = Waiting(moved, kafka, at)
    await first.reach()
    kafka.is_late = at == "added"
    ends: list[BaseException | None] = []

    async def drop_beside() -> None:
        await drop()
        ends.append(await first.go_on())

    monkeypatch.setattr(moved.copier, "drop_copies", drop_beside)
    assert await Steps(moved, kafka).cancel() == OLD

    assert isinstance(ends[0], OthersWrite)
    assert [await moved.copier.read_meta(name) for name in ("repartition", "partitions")] == ["", str(OLD)]
    await has_all_leads(moved)


async def test_a_page_that_is_copied_after_a_cancellation_is_removed(
    moved: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = Kafka(monkeypatch)
    first = Waiting(moved, kafka, "copied")
    await first.reach()
    assert await Steps(moved, kafka).cancel() == OLD
    await moved.copier.copy_shard(0, AsyncMock())

    assert isinstance(await first.go_on(), OthersWrite)
    assert [key async for key in moved.client.scan_iter(f"{moved.namespace}:to-{NEW}:*")] == []


@pytest.mark.parametrize("at", ["finished", "copied", "verified", "added"])
async def test_a_repeated_command_takes_over_from_one_that_still_runs(
    at: str, moved: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = Kafka(monkeypatch)
    first = Waiting(moved, kafka, at)
    await first.reach()
    ends: list[BaseException | None] = []

    async def go_on() -> None:
        ends.append(await first.go_on())

    await Steps(moved, kafka, "finished", go_on).run()

    assert isinstance(ends[0], OthersWrite)
    assert [await moved.copier.read_meta(name) for name in ("repartition", "partitions")] == ["", str(NEW)]
    await has_all_leads(moved)


async def test_old_leads_are_not_removed_without_copies(moved: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka(monkeypatch)
    with pytest.raises(Killed):
        await Steps(moved, kafka, "switched").run()
    await moved.copier.drop_copies()

    with pytest.raises(CopiesMissing, match="new partitions 0, 1, 2, 3, 4, 5: restore the backup"):
        await Steps(moved, kafka).run()

    assert [(await moved.old.control(shard)).version for shard in range(OLD)] == [1] * OLD
