"""Reads the published scorecards, and opens what is needed to publish others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaError

from app.cli.common import open_admin
from app.cli.errors import CommandError
from app.cli.unreachable import KafkaErrorCapture, kafka_fault
from app.settings import Settings
from app.topic_settings import read_topics
from app.wiring import find_crash_point, make_consumer, make_producer, make_topics
from streams.exits import Exit
from streams.mismatch import NO_SCORECARDS_TOPIC, Mismatch
from streams.publishing import sessions
from streams.publishing.sessions import open_topic
from streams.publishing.topic import ScorecardsTopic
from streams.publishing.writer import ScorecardsWriter
from streams.scorefile import YamlFileError, load_file
from streams.scoring.rules import Rules
from streams.store.base import Store


async def load_rules(settings: Settings, on_unpublished: Callable[[], None] = lambda: None) -> Rules:
    """The published scorecards; while none are published, those of the file, after a call of ``on_unpublished``.

    Raises:
        CommandError: they cannot be read.
    """
    published = await _load_published_rules(settings)
    if published is None:
        on_unpublished()
    return published or load_file_rules(settings)


def load_file_rules(settings: Settings) -> Rules:
    """The scorecards of the file.

    Raises:
        CommandError: the file has mistakes.
    """
    try:
        return Rules(load_file(settings.scorecards), settings.lateness_ms)
    except YamlFileError as error:
        message = f"{error}\nCorrect the file, or name another one in LEADGLOW_SCORECARDS."
        raise CommandError(Exit.REFUSED, message) from None


async def _load_published_rules(settings: Settings) -> Rules | None:
    """The scorecards published last; None while there are none."""
    if not await has_topic(settings):
        return None
    async with open_scorecards(settings) as topic:
        latest = topic.catalog.latest
        return None if latest is None else topic.catalog.rules(latest.place)


async def read_divided(settings: Settings) -> dict[int, int]:
    """Partition of lead-events -> its first record since the last repartition; empty if there was none."""
    if not await has_topic(settings):
        return {}
    async with open_scorecards(settings) as topic:
        return topic.catalog.divided


async def has_topic(settings: Settings) -> bool:
    """Whether the topic of scorecards is there."""
    async with open_admin(settings) as admin:
        return bool(await read_topics(admin, [settings.scorecards_topic], configs=False))


async def require_topic(settings: Settings) -> None:
    """See that the topic of scorecards is there: asking for its records would create it on some brokers.

    Raises:
        CommandError: it is not.
    """
    if not await has_topic(settings):
        message = NO_SCORECARDS_TOPIC.format(topic=settings.scorecards_topic)
        raise CommandError(Exit.REFUSED, f"{message}.")


@asynccontextmanager
async def open_scorecards(settings: Settings) -> AsyncIterator[ScorecardsTopic]:
    """The topic of scorecards, which must exist, read to its end.

    Raises:
        CommandError: Kafka does not respond, or the scorecards cannot be read.
    """
    topics = open_topic(settings.scorecards_topic, settings.lateness_ms, lambda: make_consumer(settings))
    with KafkaErrorCapture() as capture:
        try:
            async with topics as topic:
                yield topic
        except (KafkaError, TimeoutError) as error:
            raise kafka_fault(settings, capture.cause_of(error)) from None
        except Mismatch as mismatch:
            raise CommandError(Exit.REFUSED, f"{mismatch}.") from None


@asynccontextmanager
async def open_writer(settings: Settings, topic: ScorecardsTopic, store: Store) -> AsyncIterator[ScorecardsWriter]:
    """A writer of publications."""
    topics, partitions = make_topics(settings), settings.partitions
    async with sessions.open_writer(
        topic, topics, partitions, lambda: make_producer(settings), store.time_ms, find_crash_point()
    ) as writer:
        yield writer
