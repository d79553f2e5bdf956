"""What the consumer answers at once, because a question that waits would hold up everything else."""

from __future__ import annotations

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
