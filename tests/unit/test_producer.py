"""A producer that is replaced while others wait for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import InvalidTimestampError

from streams.events.outgoing import Outgoing
from streams.transport import producer as module
from streams.transport.batches import PreparedBatch, RecordBatch
from streams.transport.producer import Producer


class Client:
    """One of aiokafka's: it refuses alerts, never answers for events, and does not stop; or takes everything."""

    def __init__(self, well: bool) -> None:
        self.well = well
        self.sent: list[str] = []

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        if not self.well:
            await asyncio.Event().wait()

    async def send(self, topic: str, value: bytes, **_: Any) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent.append(topic)
        if self.well:
            answer.set_result(SimpleNamespace(offset=0))
        elif topic == "handoff":
            answer.set_exception(InvalidTimestampError())
        return answer


async def test_a_send_on_a_replaced_producer_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_S", 0.01)
    clients = [Client(well=False), Client(well=True)]
    made = iter(clients)
    producer = Producer(lambda: next(made))
    event, alert = (Outgoing(topic, b"key", b"value", 0, []) for topic in ("lead-events", "handoff"))
    async with asyncio.timeout(5):
        await asyncio.gather(producer.deliver([event]), producer.deliver([alert]))
    assert sorted(clients[1].sent) == ["handoff", "lead-events"]


class Failing:
    """A client that fails at its second batch, or takes everything."""

    def __init__(self, well: bool) -> None:
        self.well = well
        self.sent: list[tuple[int, int]] = []
        self.batches: list[PreparedBatch] = []

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""

    async def send_batch(self, batch: PreparedBatch, topic: str, partition: int) -> asyncio.Future[Any]:
        batch._set_producer_state(len(self.batches), 0, 0)
        batch._build()
        self.sent.append((partition, batch.record_count()))
        self.batches.append(batch)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.well or len(self.sent) != 2:
            answer.set_result(None)
        else:
            answer.set_exception(InvalidTimestampError())
        return answer


async def test_prepared_batches_are_sent_in_order_and_again_by_the_next_producer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    failing, well = Failing(well=False), Failing(well=True)
    made = iter((failing, well))
    batches = {part: [RecordBatch(n, (5, 6), memoryview(b"..")) for n in (1, 2, 3)][part:] for part in range(3)}
    async with asyncio.timeout(5):
        await Producer(lambda: next(made)).deliver_batches("lead-events", batches)
    assert {p: [n for q, n in well.sent if q == p] for p in range(3)} == {0: [1, 2, 3], 1: [2, 3], 2: [3]}
    assert {id(batch) for batch in well.batches}.isdisjoint(map(id, failing.batches))
