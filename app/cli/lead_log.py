"""What Kafka has of lead-events, and how far shards are in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from app.cli.common import open_store
from app.cli.published import read_divided
from app.cli.topics import require_lead_events
from app.cli.unreachable import kafka_fault
from app.log_gaps import LogState, ShardPlace
from app.settings import Settings
from app.wiring import make_consumer, make_group_consumer
from streams.transport.stopping import stop_consumer


class LogEnds(NamedTuple):
    """Offsets by partition."""

    first: dict[int, int]
    """Of the first record that is left."""
    end: dict[int, int]
    """After the last record."""
    first_ms: dict[int, int]
    """The arrival of the first record that is left, where there is one."""


async def read_ends(settings: Settings) -> LogEnds:
    """Read what is left of each partition.

    Raises:
        CommandError: Kafka does not respond, or the topic does not match the settings.
    """
    await require_lead_events(settings)
    places = [TopicPartition(settings.lead_events, p) for p in range(settings.partitions)]
    async with _started(settings, make_consumer(settings)) as consumer:
        first, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        left = [at for at in places if first[at] < ends[at]]
        found = await consumer.offsets_for_times(dict.fromkeys(left, 0)) if left else {}
    return LogEnds(
        {at.partition: first[at] for at in places},
        {at.partition: ends[at] for at in places},
        {at.partition: answer.timestamp for at, answer in found.items() if answer is not None},
    )


async def read_places(settings: Settings) -> list[ShardPlace]:
    """Read how far all shards are, and then what is left of their logs: workers may go on meanwhile.

    Raises:
        CommandError: Kafka or Redis does not respond, or the topic does not match the settings.
    """
    async with open_store(settings) as store:
        controls = [await store.control(partition) for partition in range(settings.partitions)]
    log = await read_ends(settings)
    fresh = [p for p, control in enumerate(controls) if not control.version and log.end[p]]
    lost = await _read_scored(settings, fresh) if fresh and not settings.rebuild_when_lost else set[int]()
    places = [
        ShardPlace(p, control, log.first[p], log.end[p], log.first_ms.get(p), was_scored=p in lost)
        for p, control in enumerate(controls)
    ]
    if all(each.control.version and each.state is LogState.CONTINUES for each in places):
        return places
    divided = await read_divided(settings)
    return [replace(each, divided=divided.get(each.partition, 0)) for each in places]


async def _read_scored(settings: Settings, partitions: Iterable[int]) -> set[int]:
    """Those partitions of which the workers' group has scored records, according to Kafka."""
    async with _started(settings, make_group_consumer(settings)) as member:
        return {p for p in partitions if await member.committed(TopicPartition(settings.lead_events, p))}


@asynccontextmanager
async def _started(settings: Settings, consumer: Any) -> AsyncIterator[Any]:
    try:
        await consumer.start()
        yield consumer
    except (KafkaError, TimeoutError) as error:
        raise kafka_fault(settings, error) from None
    finally:
        await stop_consumer(consumer)
