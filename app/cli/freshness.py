"""Finds out whether all events that arrived are scored, for commands that print scores."""

import asyncio
from typing import Any

from aiokafka.errors import KafkaError

from app.freshness import Offsets, Progress, ShardPosition, Source, State
from app.settings import Settings
from app.wiring import make_tail_consumer
from streams.clock import now_ms
from streams.store.base import Store

KAFKA_S = 5.0
_UNKNOWN = "Kafka does not respond: it is unknown whether events wait that are not in these scores."


async def find_warning(settings: Settings, store: Store) -> str:
    """A sentence for somebody who reads scores while events wait; empty if nothing is missing."""
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
        places = list(consumer.assignment())
        consumer.pause(*places)
        await member.start()
        at_ms = now_ms()
        committed = {p: await member.committed(p) or 0 for p in places if p.topic != settings.lead_events}
        ends, firsts = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
        sources = [
            Source(place.topic, place.partition, ends[place], max(done, firsts[place]), at_ms)
            for place, done in committed.items()
        ]
        ours = {each.partition: end for each, end in ends.items() if each.topic == settings.lead_events}
        return Offsets(ours, sources, at_ms)
    finally:
        await consumer.stop()
        await member.stop()
