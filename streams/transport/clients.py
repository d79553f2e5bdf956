"""Makes the clients of Kafka that a worker has beside its consumer group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.transport.batches import BATCH_BYTES
from streams.transport.reconnects import Reconnects

REQUEST_BYTES = 4 * 1024 * 1024


def make_producer(bootstrap: str, options: Mapping[str, Any], *, idempotent: bool) -> AIOKafkaProducer:
    """A producer that waits for all replicas; not started."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=idempotent,
        acks="all",
        linger_ms=0,
        max_batch_size=BATCH_BYTES,
        max_request_size=REQUEST_BYTES,
        **options,
    )
    Reconnects(producer.client)
    return producer


def make_consumer(bootstrap: str, options: Mapping[str, Any]) -> AIOKafkaConsumer:
    """A consumer without a group; not started."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, **options)
    Reconnects(consumer._client)
    return consumer
