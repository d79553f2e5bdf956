"""One store fixture over all kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from streams.store.base import Store
from streams.store.memory import MemoryStore
from streams.store.redis import RedisStore
from tests.cluster import running_cluster

PARTITIONS = 8


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three primaries that share the slots evenly."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster.url


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
