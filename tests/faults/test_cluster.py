"""A Redis Cluster whose slots move and whose nodes die, while workers score on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from streams.store.keys import slot, tag
from tests.faults.feeding import feed
from tests.faults.oracle import counted
from tests.faults.rig import Rig, Worker, until
from tests.faults.workload import Workload
from tests.support.redis_servers import Cluster, running_cluster
from tests.support.servers import Running


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three primaries that persist their data."""
    with running_cluster(tmp_path / "cluster", "--appendonly", "yes") as running:
        yield running


@pytest_asyncio.fixture
async def rig(kafka: Running, cluster: Cluster, tmp_path: Path, unique: str) -> AsyncIterator[Rig]:
    """Topics and that cluster, no worker yet."""
    made = Rig(kafka, tmp_path, unique, redis_url=cluster.url)
    await made.open()
    yield made
    await made.close()


async def ask(cluster: Cluster, node: int, *command: Any) -> Any:
    return await asyncio.to_thread(cluster.clients[node].execute_command, *command)


async def move_key_by_key(rig: Rig, worker: Worker, workload: Workload, cluster: Cluster, number: int) -> None:
    """Move a slot key by key; a step is committed while its keys are on both nodes."""
    source = cluster.owner(number)
    target = (source + 1) % 3
    await ask(cluster, target, "CLUSTER", "SETSLOT", number, "IMPORTING", cluster.ids[source])
    await ask(cluster, source, "CLUSTER", "SETSLOT", number, "MIGRATING", cluster.ids[target])
    keys = await ask(cluster, source, "CLUSTER", "GETKEYSINSLOT", number, 100)
    assert len(keys) > 3
    keys.sort(key=lambda key: ":rank:" not in key)  # rankings first: a step must not find out about them half way
    before = await worker.metric("leadglow_store_errors_total")

    async def met() -> bool:
        return await worker.metric("leadglow_store_errors_total") > before

    for key in keys:
        await ask(cluster, source, "MIGRATE", "127.0.0.1", cluster.port(target), key, 0, 5000)
        await rig.send(workload.take(60))
        await until("a step that meets the move", met, rig.said)
    for node in (target, source, (target + 1) % 3):
        await ask(cluster, node, "CLUSTER", "SETSLOT", number, "NODE", cluster.ids[target])


async def move_at_once(cluster: Cluster, number: int) -> None:
    """Move a slot as Valkey 9 does."""
    source = cluster.owner(number)
    target = (source + 1) % 3
    await ask(cluster, source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", number, number, "NODE", cluster.ids[target])

    async def moved() -> bool:
        return cluster.owner(number) == target

    await until("the move of a slot", moved)


async def test_everything_counts_once_while_slots_move(rig: Rig, workload: Workload, cluster: Cluster) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 3)
    slots = [slot(tag(partition, rig.partitions)) for partition in range(rig.partitions)]
    assert {cluster.owner(number) for number in slots} == {0, 1, 2}
    for number in slots[:2]:
        await move_key_by_key(rig, worker, workload, cluster, number)
        await feed(rig, workload, 2)
    for number in slots[2:]:
        await rig.send(workload.take(300))
        await move_at_once(cluster, number)
        await feed(rig, workload, 2)
    found = await rig.promise_kept()
    assert worker.status is None
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def test_a_worker_waits_for_a_node_of_the_cluster_that_is_away(
    rig: Rig, workload: Workload, cluster: Cluster
) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 4)
    cluster.processes[1].kill()
    cluster.processes[1].wait()
    await rig.send(workload.take(600))

    async def not_ready() -> bool:
        return await worker.ready() is False

    await until("readiness off", not_ready)
    await asyncio.to_thread(cluster.start, 1)
    found = await rig.promise_kept()
    await until("readiness on", worker.ready)
    assert worker.status is None
    assert counted(rig.rules, found, "email_click") == workload.clicks
