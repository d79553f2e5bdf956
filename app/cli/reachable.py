"""Waiting until Redis and Kafka answer, and checking that they are set up for Leadglow."""

import asyncio
import logging

from aiokafka.errors import KafkaError

from app.cli.errors import CommandError
from app.cli.topics import partition_counts, topic_specs
from app.cli.unreachable import KafkaErrorCapture, explain_kafka_failure
from app.settings import Settings
from app.wiring import make_admin
from streams.exits import Exit
from streams.store.base import Store
from streams.store.checks import StoreRefused
from streams.store.redis import RedisStore

log = logging.getLogger(__name__)
AGAIN_S = 2.0
"""Pause between attempts to reach Kafka at the start."""


async def check_store(store: Store) -> None:
    """Wait for Redis, and refuse one with settings that lose leads."""
    assert isinstance(store, RedisStore)
    try:
        await store.verify()
    except StoreRefused as refused:
        raise CommandError(Exit.REFUSED, str(refused)) from None


async def check_topics(settings: Settings) -> None:
    """Refuse to start a worker without its topics: a broker that creates them itself uses the wrong settings."""
    existing = {*await wait_for_topics(settings), settings.undelivered}  # only the notifier writes it
    missing = [topic.name for topic in topic_specs(settings) if topic.name not in existing]
    if missing:
        names = ", ".join(missing)
        raise CommandError(Exit.REFUSED, f"Kafka has no topic {names}: run `leadglow topics create` first.")


async def wait_for_topics(settings: Settings) -> dict[str, int]:
    """Every topic with its number of partitions; tries again until Kafka answers."""
    while True:
        admin = make_admin(settings)
        with KafkaErrorCapture() as ear:
            try:
                await admin.start()
                return await partition_counts(admin)
            except (KafkaError, TimeoutError) as error:
                log.warning("%s Trying again.", explain_kafka_failure(settings, ear.reason or error))
            finally:
                await admin.close()
        await asyncio.sleep(AGAIN_S)
