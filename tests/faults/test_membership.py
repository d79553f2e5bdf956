"""Workers join, leave, die and resume late."""

from __future__ import annotations

import signal

import pytest

from tests.faults.feeding import feed, sharing
from tests.faults.oracle import counted
from tests.faults.rig import Rig, until
from tests.faults.workload import Workload


@pytest.mark.usefixtures("_apache_kafka")
async def test_workers_come_and_go_under_load(rig: Rig, workload: Workload) -> None:
    first = rig.start_worker()
    await feed(rig, workload, 3)
    for _ in range(2):
        await rig.send(workload.take(400))
        second = rig.start_worker()
        await sharing(rig, first, second)
        await feed(rig, workload, 4)
        await rig.send(workload.take(400))
        first.send(signal.SIGTERM)
        await feed(rig, workload, 4)
        assert await first.ended() == 0, first.log
        first = second
    assert not [worker.log for worker in rig.workers if "somebody else" in worker.log]
    second = rig.start_worker()
    await sharing(rig, first, second)
    await rig.send(workload.take(400))
    await feed(rig, workload, 2)
    first.kill()
    await rig.forget_dead()
    await feed(rig, workload, 4)
    rig.start_worker()
    await feed(rig, workload, 4)
    found = await rig.promise_kept()
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def test_a_worker_that_wakes_in_a_step_after_losing_its_partitions_changes_nothing(
    rig: Rig, workload: Workload
) -> None:
    sleeper = rig.start_worker("commit_sent:9:STOP")

    async def asleep() -> bool:
        await rig.send(workload.take(30))
        return sleeper.asleep

    await until("a worker that sleeps in the middle of a step", asleep)
    other = rig.start_worker()
    await sharing(rig, other)
    await feed(rig, workload, 5)
    await rig.send(workload.take(900))
    sleeper.send(signal.SIGCONT)
    await feed(rig, workload, 5)
    found = await rig.promise_kept()
    assert "another worker has written partition" in sleeper.log
    assert counted(rig.rules, found, "email_click") == workload.clicks
    assert sleeper.status in {None, 70, 75}


async def test_a_worker_that_gets_many_signals_to_stop_loses_nothing(rig: Rig, workload: Workload) -> None:
    for _ in range(5):
        worker = rig.start_worker()
        await feed(rig, workload, 2)
        await rig.send(workload.take(400))
        worker.send(signal.SIGTERM)
        assert await worker.ended() == 0, worker.log
    rig.start_worker()
    found = await rig.promise_kept()
    assert counted(rig.rules, found, "email_click") == workload.clicks
