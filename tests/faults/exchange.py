"""Workers of two releases take over from one another, with traffic all the time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable

from tests.faults.feeding import feed
from tests.faults.rig import Rig, Worker, until
from tests.faults.workload import Workload

Start = Callable[[], Worker]


async def sharing(rig: Rig, *workers: Worker) -> None:
    """Wait until these workers, and no others, own all shards."""

    async def shared() -> bool:
        shards = [await worker.metric("leadglow_shards") for worker in workers]
        return min(shards) > 0 and sum(shards) == rig.partitions

    await until(f"{len(workers)} workers that share", shared, rig.said)


async def exchange(rig: Rig, workload: Workload, running: Worker, starts: Iterable[Start], kill_every: int = 0) -> None:
    """Let each worker share with the one before it and then take over from it, which is killed now and then."""
    for turn, start in enumerate(starts, 1):
        await rig.send(workload.take(200))
        following = start()
        await sharing(rig, running, following)
        await feed(rig, workload, 3)
        await rig.send(workload.take(200))
        if kill_every and turn % kill_every == 0:
            running.kill()
            await rig.forget_dead()
        else:
            running.send(signal.SIGTERM)
            assert await running.ended() == 0, running.log
        running = following
