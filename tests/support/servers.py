"""Starts or finds servers for tests and benchmarks, from the best source available."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.embedded.redis import start_redis as start_embedded

REDIS_IMAGE = "valkey/valkey:9.0-alpine"


@dataclass(frozen=True)
class Running:
    """A running server."""

    address: str
    where_from: str
    stop: Callable[[], object]
    idempotent: bool = True
    """Whether it is a real Kafka; the embedded broker does not support idempotent producers."""


@cache
def docker_answers() -> bool:
    """Whether Docker is running."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0


def start_redis(directory: Path) -> Running:
    """The server in LEADGLOW_TEST_REDIS, else a container, else the embedded server."""
    if named := os.environ.get("LEADGLOW_TEST_REDIS"):
        return Running(named, "named in LEADGLOW_TEST_REDIS", lambda: None)
    if docker_answers():
        return _redis_container()
    server = start_embedded(directory)
    server.wait_ready()
    return Running(f"redis://{server.address}", "embedded Valkey", server.stop)


def _redis_container() -> Running:
    from testcontainers.community.valkey import ValkeyContainer

    container = ValkeyContainer(REDIS_IMAGE)
    container.start()
    address = f"{container.get_host()}:{container.get_exposed_port()}"
    return Running(f"redis://{address}", f"container {REDIS_IMAGE}", container.stop)
