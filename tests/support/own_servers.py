"""Kafka and Redis of its own for a script that runs outside of pytest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.embedded.child import temporary_folder
from tests.support.kafka import start_kafka
from tests.support.servers import Running, start_redis


@contextmanager
def own_servers(prefix: str) -> Iterator[tuple[Running, Running, Path]]:
    """Kafka, Redis and a folder that is named by the prefix, for the time of one run."""
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder(prefix))
        servers = []
        for start in (start_kafka, start_redis):
            directory = folder / start.__name__
            directory.mkdir()
            servers.append(start(directory))
            stack.callback(servers[-1].stop)
        yield servers[0], servers[1], folder
