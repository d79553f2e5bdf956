"""A worker dies at any step: the next one continues, and each event counts once."""

from __future__ import annotations

import signal

import pytest

from streams.implementation import REFERENCE, Implementation
from tests.faults.feeding import feed
from tests.faults.oracle import counted
from tests.faults.rig import Rig, until
from tests.faults.workload import Workload
from tests.support.redis_proxy import Proxy

STEPS = {
    "fetched": (1, 6),
    "scored": (6,),
    "commit_sent": (7,),
    "committed": (1, 6),
    "trimmed": (4,),
    "produced": (1, 6),
    "acknowledged": (6,),
    "telemetry_committed": (1,),
}

WAYS = [("app", b"EVALSHA"), ("tests.faults.transacting", b"EXEC")]
"""A worker, and the command by which it takes steps."""


@pytest.mark.parametrize("step", STEPS)
async def test_everything_counts_once_when_workers_die_at_a_step(
    rig: Rig, workload: Workload, step: str, implementation: Implementation
) -> None:
    rig.accelerator = "on" if implementation is not REFERENCE else "off"
    for n in STEPS[step]:
        worker = rig.start_worker(f"{step}:{n}")
        await feed(rig, workload, 60, until_dead=worker)
        assert await worker.ended() == -signal.SIGKILL, worker.log
        await rig.forget_dead()
    await rig.send(workload.take(600))
    rig.start_worker()
    found = await rig.promise_kept()
    assert counted(rig.rules, found, "email_click") == workload.clicks


@pytest.mark.parametrize(("module", "command"), WAYS)
async def test_a_step_with_a_lost_reply_is_committed_once(
    rig: Rig, workload: Workload, module: str, command: bytes
) -> None:
    async with Proxy(rig.redis.port) as proxy:
        worker = rig.start_worker(module=module, redis=proxy.url)
        repeated = 0

        async def told() -> bool:
            return await worker.metric("leadglow_commits_total", verdict="DUP") == repeated

        for _ in range(3):
            await feed(rig, workload, 3)
            proxy.lose_reply(command, cut=True)
            await rig.send(workload.take(60))
            await proxy.until_lost()
            repeated += 1
            await until("a step that was repeated", told, rig.said)  # else the next loss may be of the repetition
        found = await rig.promise_kept()
        assert counted(rig.rules, found, "email_click") == workload.clicks
        assert await told()
        assert await worker.metric("leadglow_commits_total", verdict="CONFLICT") == 0


@pytest.mark.parametrize(("module", "command"), WAYS)
async def test_a_worker_may_die_between_a_step_and_its_reply(
    rig: Rig, workload: Workload, module: str, command: bytes
) -> None:
    async with Proxy(rig.redis.port) as proxy:
        for _ in range(2):
            worker = rig.start_worker(module=module, redis=proxy.url)
            await feed(rig, workload, 4)
            proxy.lose_reply(command, cut=False)
            await rig.send(workload.take(60))
            await proxy.until_lost()
            worker.kill()
            await rig.forget_dead()
        rig.start_worker()
        found = await rig.promise_kept()
        assert counted(rig.rules, found, "email_click") == workload.clicks
