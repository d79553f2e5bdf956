"""Waits for workers to share the shards, and sends traffic at their pace, so that there are many small steps."""

from __future__ import annotations

from tests.faults.rig import Rig, Worker, until
from tests.faults.workload import Workload


async def sharing(rig: Rig, *workers: Worker) -> None:
    """Wait until these workers, and no others, own all shards."""

    async def shared() -> bool:
        shards = [await worker.metric("leadglow_shards") for worker in workers]
        return min(shards) > 0 and sum(shards) == rig.partitions

    await until(f"{len(workers)} workers that share", shared, rig.said)


async def feed(rig: Rig, workload: Workload, rounds: int, until_dead: Worker | None = None) -> None:
    """Send a few events at a time, and wait for progress before the next ones."""
    for _ in range(rounds):
        await _feed_once(rig, workload)
        if until_dead is not None and until_dead.status is not None:
            return


async def _feed_once(rig: Rig, workload: Workload) -> None:
    before = await rig.versions()
    await rig.send(workload.take(60))

    async def moved() -> bool:
        return before != await rig.versions() or all(worker.status is not None for worker in rig.workers)

    await until("progress", moved, rig.said)
