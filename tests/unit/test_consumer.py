"""What the consumer answers at once, and in which order it fetches and seeks."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.transport.consumer import Consumer

PLACE = TP("web-events", 0)


class Thread:
    """The consumer's thread, without one."""

    def __init__(self, subscription: Any) -> None:
        self._consumer = SimpleNamespace(_subscription=subscription)

    def _ensure_consumer(self) -> Any:
        return self._consumer

    async def call_thread(self, method: Any, *args: Any) -> Any:
        return await method(*args)


async def test_a_position_that_is_not_settled_is_not_waited_for() -> None:
    subscription: Any = SubscriptionState()
    consumer: Any = object.__new__(Consumer)
    consumer._thread = Thread(subscription)
    assert await consumer.next_offset(PLACE) is None
    subscription.subscribe({PLACE.topic})
    assert await consumer.next_offset(PLACE) is None
    subscription.assign_from_subscribed({TopicPartition(*PLACE)})
    assert await consumer.next_offset(PLACE) is None
    subscription.seek(TopicPartition(*PLACE), 7)
    assert await consumer.next_offset(PLACE) == 7
    assert await consumer.next_offset(TP("web-events", 1)) is None


async def test_what_is_being_fetched_is_through_before_the_seek_of_a_rebalance() -> None:
    """Fetched after the seek but left aside, because the flow had not resumed, it would never be fetched again."""
    steps: list[Any] = []
    fetching, fetched = asyncio.Event(), asyncio.Event()

    class Handler:
        async def assigned(self, *_: Any) -> dict[TP, int]:
            return {PLACE: 51}

        def full(self, _: TP) -> bool:
            return False

        def offer(self, records: Any, _: Any) -> None:
            steps.append(records)

    async def getmany(*_: Any) -> dict[TP, list[str]]:
        fetching.set()
        await fetched.wait()
        steps.append("fetched")
        return {PLACE: ["a record"]}

    async def seek_wait(positions: Any) -> None:
        steps.append(positions)

    class Fetching(Consumer):
        app: Any = SimpleNamespace(handler=Handler(), consumer_generation_id=1)
        flow_active = True

    consumer: Any = object.__new__(Fetching)
    consumer._getmany, consumer.seek_wait = getmany, seek_wait
    consumer.assignment = consumer._get_active_partitions = lambda: {PLACE}
    draining = asyncio.create_task(consumer._drain_once())
    await fetching.wait()
    consumer.flow_active = False
    seeking = asyncio.create_task(consumer.seek_to_committed())
    for _ in range(10):
        await asyncio.sleep(0)
    assert steps == []
    fetched.set()
    await asyncio.gather(draining, seeking)
    assert steps == ["fetched", {PLACE: 51}]
