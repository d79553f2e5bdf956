"""Finds out whether all events that arrived are scored, for commands that print scores."""

import asyncio

from aiokafka.errors import KafkaError

from app.checkup.kafka_status import read_offsets
from app.freshness import Progress, ShardPosition, State
from app.settings import Settings
from streams.clock import now_ms
from streams.store.base import Store

KAFKA_S = 5.0
_UNKNOWN = "Kafka does not respond: it is unknown whether events wait that are not in these scores."


async def find_warning(settings: Settings, store: Store) -> str:
    """A warning that events wait and are not in the scores; empty if nothing is missing."""
    try:
        async with asyncio.timeout(KAFKA_S):
            offsets = await read_offsets(settings)
    except (KafkaError, OSError, TimeoutError):
        return _UNKNOWN
    shards = [ShardPosition.from_fields(p, (await store.control(p)).fields) for p in range(settings.partitions)]
    now = now_ms()
    progress = Progress(0)
    progress.add_look(offsets, shards, None, now)
    fresh = progress.at(now)
    return "" if fresh.state is State.CURRENT else f"{fresh.describe()} The export is incomplete."
