"""Stores the alerts of the topic `handoff` in SQLite, each once, and those of a lead in their order.

python handoff_consumer.py localhost:9092 handoff alerts.db
"""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from alert_store import open_store, store
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event


def read_alert(record: ConsumerRecord) -> BaseCloudEvent:
    """The alert in a record."""
    return from_kafka_event(KafkaMessage(dict(record.headers), record.key, record.value))


async def main(servers: str, topic: str, path: str) -> None:
    """Run until interrupted. The partitions of a topic are in order, and all alerts of a lead are in one."""
    db = open_store(path)
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id="alerts-in-sqlite",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer:
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                store(db, map(read_alert, records))
            await consumer.commit()  # after storing, so that an end at any time loses nothing


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
