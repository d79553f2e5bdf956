"""The floor: raw aiokafka ``getmany`` in a consumer group, no record looked at.

Run as ``python -m tests.benchmarks.floor KAFKA TOPIC EVENTS``.
"""

from __future__ import annotations

import asyncio
import sys
from uuid import uuid4

import aiokafka

from tests.benchmarks.measure import Meter


async def main(kafka: str, topic: str, events: int) -> None:
    """Fetch that many records."""
    meter = Meter(events)
    consumer = aiokafka.AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=f"floor-{uuid4()}", auto_offset_reset="earliest"
    )
    async with consumer:
        finished = False
        while not finished:
            batches = await consumer.getmany(timeout_ms=200, max_records=5000)
            finished = meter.add(sum(map(len, batches.values())))
        meter.report(f"aiokafka {aiokafka.__version__}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
