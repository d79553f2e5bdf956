"""Finds out whether all events that arrived are scored, for commands that print scores."""

import asyncio
from typing import Any

from aiokafka.errors import KafkaError

from app.freshness import Offsets, Progress, ShardPosition, Source, State
from app.group_offsets import read_group_offsets
from app.settings import Settings
from app.wiring import make_tail_consumer
from streams.clock import now_ms
from streams.store.base import Store
from streams.transport.stopping import stop_consumer

KAFKA_S = 5.0
_UNKNOWN = "Kafka does not respond: it is unknown whether events wait that are not in these scores."


async def find_warning(settings: Settings, store: Store) -> str:
    """A warning that events wait and are not in the scores; empty if nothing is missing."""
    try:
        async with asyncio.timeout(KAFKA_S):
            offsets = await _read_offsets(settings)
    except (KafkaError, OSError, TimeoutError):
        return _UNKNOWN
    shards = [ShardPosition.from_fields(p, (await store.control(p)).fields) for p in range(settings.partitions)]
    now = now_ms()
    progress = Progress(0)
    progress.add_look(offsets, shards, None, now)
    fresh = progress.at(now)
    return "" if fresh.state is State.CURRENT else f"{fresh.describe()} The export is incomplete."


async def _read_offsets(settings: Settings) -> Offsets:
    """Read the ends of the topics, and the offsets of the workers' group without joining it."""
    consumer: Any = make_tail_consumer(settings, (*settings.sources, settings.lead_events), None)
    member: Any = make_tail_consumer(settings, (), settings.namespace)
    try:
        await consumer.start()
        consumer.pause(*consumer.assignment())
        await member.start()
        done, ends, _, read_ms = await read_group_offsets(consumer, member, settings.sources)
        sources = [Source(place.topic, place.partition, ends[place], at, read_ms) for place, at in done.items()]
        ours = {each.partition: end for each, end in ends.items() if each.topic == settings.lead_events}
        return Offsets(ours, sources, read_ms)
    finally:
        await stop_consumer(consumer)
        await member.stop()
