"""A producer that is replaced while others wait for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import InvalidTimestampError

from streams.events.outgoing import Outgoing
from streams.transport import producer as module
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
