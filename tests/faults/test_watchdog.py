"""A worker that is stuck ends itself, so that a new one takes over."""

from __future__ import annotations

import signal

import pytest

from tests.faults.feeding import feed
from tests.faults.rig import Rig, until
from tests.faults.workload import SOURCES, Workload


@pytest.mark.parametrize("topics", [{"lead-events"}, {name for name, _ in SOURCES}], ids=["events", "sources"])
async def test_a_worker_that_fetches_nothing_any_more_ends_itself(
    rig: Rig, workload: Workload, topics: set[str]
) -> None:
    worker = rig.start_worker(module="tests.faults.deaf")
    await feed(rig, workload, 3)
    await rig.settled()
    worker.send(signal.SIGUSR1)

    async def deaf() -> bool:
        return "deaf" in worker.log.splitlines()

    await until("a worker that fetches nothing", deaf, rig.said)
    await rig.send([each for each in workload.take(600) if each.topic in topics])
    assert await worker.ended() == 70, worker.log
    assert "for 3.0 s" in worker.log
    await rig.forget_dead()
    rig.start_worker()
    await rig.promise_kept()
