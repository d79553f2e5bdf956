"""One store fixture over all kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from streams.store.base import Store
from streams.store.memory import MemoryStore
from streams.store.redis import RedisStore
from tests.contracts.moved import Moved
from tests.support.redis_servers import running_cluster

PARTITIONS = 8


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three primaries that share the slots evenly."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster.url


@pytest_asyncio.fixture(params=["memory", "redis", "redis by transactions", "cluster"])
async def store(request: pytest.FixtureRequest, unique: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "redis by transactions":
        monkeypatch.setattr("streams.store.redis.MANY", 1)
    url = request.getfixturevalue("cluster_url" if request.param == "cluster" else "redis_url")
    redis_store = RedisStore(url, unique, partitions=PARTITIONS)
    yield redis_store
    for partition in range(PARTITIONS):
        await redis_store.wipe(partition)
    await redis_store.close()


@pytest_asyncio.fixture
async def moved(redis_url: str, unique: str) -> AsyncIterator[Moved]:
    made = Moved(redis_url, unique)
    await made.fill()
    yield made
    for closing in (made.client.aclose, made.old.close, made.new.close):
        await closing()
