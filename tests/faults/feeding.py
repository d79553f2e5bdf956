"""Traffic at the pace of the workers, so that steps stay many and small."""

from __future__ import annotations

from tests.faults.rig import Rig, Worker, until
from tests.faults.workload import Workload


async def feed(rig: Rig, workload: Workload, rounds: int, until_dead: Worker | None = None) -> None:
    """Send a few events at a time, each time once something was done with those before."""
    for _ in range(rounds):
        before = await rig.versions()
        await rig.send(workload.take(60))

        async def moved() -> bool:
            return _dead(until_dead) or before != await rig.versions()

        await until(f"progress; workers said\n{rig.said()}", moved)
        if _dead(until_dead):
            return


def _dead(worker: Worker | None) -> bool:
    return worker is not None and worker.status is not None
