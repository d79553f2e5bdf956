"""Starts the embedded Kafka and Redis of a demo, unless others are given, and builds the settings for them."""

from __future__ import annotations

import contextlib
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from app.embedded.broker import embedded_broker
from app.embedded.child import temporary_folder
from app.embedded.redis import embedded_redis
from app.embedded.server import free_port
from app.private_files import write_private
from app.settings import Settings
from streams.transport.topics import Topics

SCORECARD = Path(__file__).with_name("scorecard.yaml")
KEYS = Path(__file__).with_name("keys.yaml")
COSTS = Path(__file__).with_name("costs.yaml")
BOARD_PORT = 8090
"""The port of the demo's board, unless another program uses it."""
PARTITIONS = 2


@asynccontextmanager
async def servers(
    base: Settings, kafka: str | None, redis: str | None, scorecards: Path | None = None
) -> AsyncIterator[Settings]:
    """The settings of a demo: unique names on the given servers, or on embedded ones.

    ``base`` contains the credentials for a given Kafka.
    """
    name = f"leadglow-demo-{uuid.uuid4().hex[:8]}"
    plain = Topics()
    async with AsyncExitStack() as stack:
        address = kafka or await stack.enter_async_context(embedded_broker())
        url = redis or await stack.enter_async_context(embedded_redis())
        keys = stack.enter_context(temporary_folder("leadglow-keys-")) / KEYS.name
        write_private(keys, KEYS.read_text("utf-8"))
        yield (base if kafka else Settings()).model_copy(
            update={
                "kafka": address,
                "kafka_idempotence": kafka is not None and base.kafka_idempotence,
                "redis": url,
                "namespace": name,
                "scorecards": (scorecards or SCORECARD).resolve(),
                "partitions": PARTITIONS,
                "sources": tuple(f"{name}.{source}" for source in plain.sources),
                "lead_events": f"{name}.{plain.lead_events}",
                "handoff": f"{name}.{plain.handoff}",
                "lead_scores": f"{name}.{plain.lead_scores}",
                "rejected": f"{name}.{plain.rejected}",
                "scorecards_topic": f"{name}.{plain.scorecards}",
                "metrics_host": "127.0.0.1",
                "metrics_port": free_port(),
                "collector_host": "127.0.0.1",
                "collector_port": free_port(),
                "collector_metrics_port": free_port(),
                "collector_keys": keys,
                "collector_web_topic": f"{name}.{plain.sources[0]}",
                "collector_mail_topic": f"{name}.{plain.sources[1]}",
                "board_host": "127.0.0.1",
                "board_port": _wanted_port(BOARD_PORT),
                "board_metrics_port": free_port(),
                "board_redis": "",
                "board_access": None,
                "board_costs": COSTS,
                "log": "text",
            }
        )


def _wanted_port(port: int) -> int:
    """This port, or a free one if it is in use."""
    with contextlib.closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port
