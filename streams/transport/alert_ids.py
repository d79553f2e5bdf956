"""Reads the ids of alerts that are already on handoff."""

from __future__ import annotations

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams.transport.stopping import stop_consumer


async def read_alert_ids(consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> set[str]:
    """Read the alert ids on a partition of handoff from an offset on; starts and stops ``consumer``."""
    try:
        await consumer.start()
        end = (await consumer.end_offsets([place]))[place]
        if end <= offset:
            return set()
        first = (await consumer.beginning_offsets([place]))[place]
        consumer.assign([place])
        consumer.seek(place, max(first, offset))
        found: set[str] = set()
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(place, timeout_ms=500)).values():
                found.update(alert_id_of(record.value) for record in records)
        return found
    finally:
        await stop_consumer(consumer)


def alert_id_of(value: bytes | None) -> str:
    """The id of an alert; empty if the record is none."""
    try:
        event = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return ""
    return str(event.get("id", "")) if isinstance(event, dict) else ""
