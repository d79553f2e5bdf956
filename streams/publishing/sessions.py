"""Opens the topic of scorecards, and what is needed to publish others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from streams.mismatch import Mismatch
from streams.publishing.topic import ScorecardsTopic
from streams.publishing.writer import ScorecardsWriter, ignore_step
from streams.transport.producer import Producer
from streams.transport.topics import Topics

KAFKA_S: Final = 60.0
"""How long publishing may wait for Kafka."""
NOTED_S: Final = 5.0
TROUBLE: Final = (KafkaError, OSError, TimeoutError)
"""What is raised while Kafka cannot be reached."""


@asynccontextmanager
async def open_topic(
    name: str, lateness_ms: int, create: Callable[[], AIOKafkaConsumer]
) -> AsyncIterator[ScorecardsTopic]:
    """The topic of scorecards, which must exist, read to its end.

    Raises:
        KafkaError: Kafka cannot be reached.
        Mismatch: a record cannot be read.
    """
    topic = ScorecardsTopic(name, lateness_ms, create)
    try:
        await topic.start()
        yield topic
    finally:
        await topic.stop()


async def ask_noted(name: str, lateness_ms: int, create: Callable[[], AIOKafkaConsumer]) -> int | None:
    """The number of partitions among which leads were divided last; None if they never were, or Kafka does not say."""
    with suppress(*TROUBLE, Mismatch):
        async with asyncio.timeout(NOTED_S), open_topic(name, lateness_ms, create) as topic:
            return topic.catalog.partitions
    return None


@asynccontextmanager
async def open_writer(
    topic: ScorecardsTopic,
    topics: Topics,
    partitions: int,
    create: Callable[[], Any],
    now_ms: Callable[[], Awaitable[int]],
    reached: Callable[[str], Awaitable[None]] = ignore_step,
) -> AsyncIterator[ScorecardsWriter]:
    """A writer of publications; ``create`` makes a producer, ``reached`` is called when a named step is reached."""
    producer = Producer(create)
    try:
        async with asyncio.timeout(KAFKA_S):
            await producer.start()
            yield ScorecardsWriter(topic, topics, partitions, producer.deliver, now_ms, reached)
    finally:
        await producer.stop()
