"""A repartition that is killed at each of its steps, on a real Redis; what Kafka does is noted in memory."""

from __future__ import annotations

from typing import Any

import pytest

from app.repartition import kafka_side
from app.repartition.run import Repartition
from app.settings import Settings
from app.settings_source import load_settings
from streams.implementation import REFERENCE
from streams.store.move import MovedWrong
from streams.transport.topics import partition_of
from tests.contracts.moved import CARDS, LEADS, NEW, OLD, Moved

STEPS = ("finished", "copied", "verified", "added", "switched", "cleaned", "renamed", "noted")


class Killed(Exception):
    """Stands for the end of the process."""


class Kafka:
    """The topic, and the notes on that of scorecards."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.partitions = OLD
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
        return {settings.lead_events: self.partitions}


class Steps(Repartition):
    """Without the steps that only Kafka sees."""

    def __init__(self, moved: Moved, kafka: Kafka, kill: str = "") -> None:
        super().__init__(load_settings({}), REFERENCE, moved.move, lambda *_: None)
        self._kafka = kafka
        self._kill = f"repartition_{kill}"
        self._reached: Any = self._die

    async def _die(self, step: str) -> None:
        if step == self._kill:
            raise Killed

    async def _finish_old_shards(self) -> None:
        pass

    async def _require_no_publication(self, controls: object) -> None:
        pass

    async def _note(self, plan: Any) -> None:
        self._kafka.noted.append(plan.offsets)


@pytest.mark.parametrize("kills", [*((step,) for step in STEPS), STEPS])
async def test_it_goes_on_wherever_it_was_killed(
    moved: Moved, monkeypatch: pytest.MonkeyPatch, kills: tuple[str, ...]
) -> None:
    kafka = Kafka(monkeypatch)
    for kill in kills:
        with pytest.raises(Killed):
            await Steps(moved, kafka, kill).run()
        assert await moved.move.read_meta("repartition"), "workers refuse to start"
    await Steps(moved, kafka).run()

    new = moved.new
    assert (kafka.partitions, await moved.move.read_meta("partitions")) == (NEW, str(NEW))
    assert await moved.move.read_meta("repartition") == ""
    assert kafka.noted[-1] == dict.fromkeys(range(OLD), 5)
    for lead_id in LEADS:
        assert await new.load(partition_of(lead_id, NEW), [lead_id]) == [b"blob of %s" % lead_id.encode()]
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
    with pytest.raises(MovedWrong):
        await Steps(moved, kafka).run()
    assert kafka.partitions == OLD
    await Steps(moved, kafka).run()
    assert await moved.move.read_meta("partitions") == str(NEW)
