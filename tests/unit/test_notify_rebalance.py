"""A partition that leaves a notifier and comes back: what was not delivered is read again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.structs import TopicPartition

from app.notify.breaker import Gate
from app.notify.dispatcher import Dispatcher, Target
from app.notify.kinds.webhook import Webhook
from app.notify.metrics import Metrics
from app.notify.route_runner import RouteRunner, Source
from app.notify.routes import Destination, Route
from app.notify.sender import make_sender
from app.notify.waiting import Waiting
from tests.support.receivers import alert_of

pytestmark = pytest.mark.asyncio
PLACE = TopicPartition("handoff", 0)


class Consumer:
    """The alerts of one partition: the second record repeats the first."""

    def __init__(self) -> None:
        self.at = 0

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 3)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.at = offset

    async def commit(self, offsets: Any) -> None:
        """Nothing is finished."""

    def assignment(self) -> set[TopicPartition]:
        return {PLACE}

    def paused(self) -> set[TopicPartition]:
        return set()

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        if self.at == 3:
            await asyncio.Event().wait()
        ids = enumerate(("a-1", "a-1", "a-2"))
        found = [SimpleNamespace(partition=0, offset=i, value=alert_of(each).raw, timestamp=i) for i, each in ids]
        first, self.at = self.at, 3
        return {PLACE: found[first:]}


async def test_alerts_that_were_not_delivered_are_read_again_after_a_rebalance() -> None:
    async def none_committed(group: str) -> dict[Any, Any]:
        return {}

    async def bury(letters: Any) -> None:
        raise AssertionError

    destination = Destination("here", Webhook("http://127.0.0.1:9/", ()), 0, 1)
    target, waiting = Target(destination, make_sender(destination), Gate()), Waiting(1)
    dispatcher = Dispatcher(Route("sales", "here"), target, waiting, bury, "undelivered", Metrics())
    source = Source(cast(Any, Consumer()), "handoff", "group", none_committed, from_begin=True)
    runner = RouteRunner(source, dispatcher)
    for _ in range(2):
        await runner.on_partitions_assigned({PLACE})
        with suppress(TimeoutError):
            await asyncio.wait_for(runner._read(), 0.05)
        assert waiting.count == 2  # the repetition is not sent
        await runner.on_partitions_revoked({PLACE})
        assert waiting.count == 0
    await target.sender.close()
