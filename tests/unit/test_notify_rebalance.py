"""A partition that leaves a notifier and comes back: what was not delivered is read again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from aiokafka.structs import TopicPartition

from app.notify.breaker import Gate
from app.notify.dispatcher import Dispatcher, Target
from app.notify.kinds.webhook import Webhook
from app.notify.metrics import Metrics
from app.notify.route_runner import RouteRunner, Source
from app.notify.routes import Destination, Route
from app.notify.sender import make_sender
from app.notify.times_of_day import Digest
from app.notify.waiting import Waiting
from tests.support.receivers import alert_of

pytestmark = pytest.mark.asyncio
HOUR = 3_600_000
PLACE = TopicPartition("handoff", 0)


class Consumer:
    """The alerts of one partition: the second record repeats the first."""

    def __init__(self) -> None:
        self.at = 0
        self.committed: dict[TopicPartition, int] = {}

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 3)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.at = offset

    async def commit(self, offsets: Any) -> None:
        self.committed |= {place: commit.offset for place, commit in offsets.items()}

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


class Working:
    """A route that reads these alerts and cannot send yet."""

    def __init__(self, route: Route) -> None:
        destination = Destination("here", Webhook("http://127.0.0.1:9/", ()), 0, 1)
        self.sender, self.waiting, self.consumer = make_sender(destination), Waiting(1), Consumer()
        target = Target(destination, self.sender, Gate())
        self.dispatcher = Dispatcher(route, target, self.waiting, _bury, "undelivered", Metrics())
        source = Source(cast(Any, self.consumer), "handoff", "group", _none_committed, from_begin=True)
        self.runner = RouteRunner(source, self.dispatcher)

    async def read(self) -> None:
        await self.runner.on_partitions_assigned({PLACE})
        with suppress(TimeoutError):
            await asyncio.wait_for(self.runner._read(), 0.05)


async def _none_committed(group: str) -> dict[Any, Any]:
    return {}


async def _bury(letters: Any) -> None:
    raise AssertionError


async def test_alerts_that_were_not_delivered_are_read_again_after_a_rebalance() -> None:
    working = Working(Route("sales", "here"))
    for _ in range(2):
        await working.read()
        assert working.waiting.count == 2  # the repetition is not sent
        await working.runner.on_partitions_revoked({PLACE})
        assert working.waiting.count == 0
    await working.sender.close()


async def test_a_restart_changes_neither_the_alerts_of_a_digest_nor_its_time() -> None:
    found = []
    for _ in range(2):
        working = Working(Route("sales", "here", digest=Digest(ZoneInfo("UTC"), every_ms=HOUR)))
        await working.read()
        due_ms = working.waiting.next_ms()
        assert due_ms == HOUR  # after the times of the records
        assert working.waiting.take(due_ms - 1) == []
        found.append([entry.alert.alert_id for entry in working.waiting.take(due_ms)])
        await working.runner.commit()
        assert working.consumer.committed == {PLACE: 0}
        await working.sender.close()
    assert found == [["a-1", "a-2"]] * 2
