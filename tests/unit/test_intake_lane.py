"""How far intake is: never further than Kafka has acknowledged."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.clock import SharedClock
from streams.intake.adapt import Intake
from streams.intake.lane import IntakeLane
from streams.metrics import Metrics
from streams.transport.channel import Channel
from streams.transport.topics import Partitioner, Topics

PLACE = TP("web-events", 0)


class Held:
    """A producer whose acknowledgements come when the test says so."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.acknowledged = asyncio.Event()

    async def deliver(self, records: list[Any]) -> list[Any]:
        return []

    async def deliver_batches(self, topic: str, rows: dict[int, list[Any]]) -> None:
        self.asked.set()
        await self.acknowledged.wait()


async def never(partition: int, offset: int) -> set[str]:
    return set()


async def nothing(step: str) -> None:
    """Do nothing."""


async def test_a_position_waits_for_the_acknowledgement_and_so_does_giving_up() -> None:
    held: Any = Held()
    channel = Channel(held, Topics(), Metrics(), never, 1, 1, nothing)
    lane = IntakeLane(Intake(Topics(), Partitioner(1)), channel, SimpleNamespace(clock=SharedClock(), tracer=None))  # type: ignore[arg-type]
    lane.start()
    event = SimpleNamespace(offset=7, key=None, value=b'{"type":"page","userId":"ana"}', timestamp=5, headers=())
    lane.enqueue({PLACE: [event]})
    await held.asked.wait()
    giving_up = asyncio.create_task(lane.drain())
    await asyncio.sleep(0)
    assert (lane.positions, lane.is_idle, giving_up.done()) == ({}, False, False)
    held.acknowledged.set()
    await giving_up
    assert lane.positions == {PLACE: 8}
    await lane.stop()
