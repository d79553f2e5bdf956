"""Workers of two releases take over from one another, with traffic all the time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable

from tests.faults.feeding import feed, sharing
from tests.faults.rig import Rig, Worker
from tests.faults.workload import Workload

Start = Callable[[], Worker]
TIMES_OF_JOINED = ("memory",)
"""The last release did not note when joined ids were used; their time starts when this one sees them first."""


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
