"""A Redis that dies, forgets, fills up or is emptied."""

from __future__ import annotations

import os
import signal

from redis.asyncio import Redis

from tests.faults.feeding import feed
from tests.faults.oracle import counted
from tests.faults.rig import Rig, Worker, until
from tests.faults.workload import Workload


async def not_ready(worker: Worker) -> bool:
    return await worker.ready() is False


async def test_a_worker_waits_while_redis_is_away_and_goes_on_by_itself(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 5)
    await rig.send(workload.take(60))
    rig.kill_redis()
    await rig.send(workload.take(300))
    await until("readiness off", lambda: not_ready(worker))
    await rig.start_redis()
    found = await rig.promise_kept()
    await until("readiness on", worker.ready)
    assert worker.status is None
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def test_an_idle_worker_notices_that_redis_is_away(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 2)
    await rig.promise_kept()
    rig.kill_redis()
    await until("readiness off", lambda: not_ready(worker))
    await rig.start_redis()
    await until("readiness on", worker.ready)


async def lose_tail(rig: Rig) -> None:
    """Restart Redis without the last of what it had written."""
    before = await rig.versions()
    rig.kill_redis()
    log = rig.append_only_file
    os.truncate(log, log.stat().st_size * 3 // 4)
    await rig.start_redis()
    now = await rig.versions()
    assert all(b > a > 0 for b, a in zip(before, now, strict=True)), "Redis was to lose something, not all"


async def test_what_redis_forgot_is_scored_again(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 12)
    await rig.settled()
    before = set(rig.alerts())
    await lose_tail(rig)
    await rig.send(workload.take(300))
    found = await rig.promise_kept()
    assert before <= set(found.alerts)
    assert await worker.metric("leadglow_commits_total", verdict="CONFLICT") > 0
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def test_what_redis_forgot_comes_back_without_new_events(rig: Rig, workload: Workload) -> None:
    rig.start_worker()
    await feed(rig, workload, 12)
    await rig.settled()
    await lose_tail(rig)
    found = await rig.promise_kept()
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def test_a_full_redis_stops_the_worker_until_there_is_room(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    async with Redis(port=rig.redis.port) as redis:
        await feed(rig, workload, 3)
        await redis.config_set("maxmemory", "1mb")
        before = await rig.versions()
        await rig.send(workload.take(300))
        await until("readiness off", lambda: not_ready(worker))
        assert await rig.versions() == before
        await redis.config_set("maxmemory", 0)
    found = await rig.promise_kept()
    await until("readiness on", worker.ready)
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def empty(rig: Rig, workload: Workload) -> list[str]:
    """Score something, stop, and remove everything from Redis; returns the alerts on handoff."""
    worker = rig.start_worker()
    await feed(rig, workload, 8)
    found = await rig.promise_kept()
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0, worker.log
    async with Redis(port=rig.redis.port) as redis:
        await redis.flushall()
    return list(found.alerts)


async def test_an_emptied_redis_is_refused_with_the_remedy(rig: Rig, workload: Workload) -> None:
    await empty(rig, workload)
    worker = rig.start_worker()
    assert await worker.ended() == 78
    assert "leadglow rebuild" in worker.log


async def test_an_emptied_redis_is_rebuilt_without_telling_anything_twice(rig: Rig, workload: Workload) -> None:
    told = await empty(rig, workload)
    await rig.send(workload.take(120))
    rig.start_worker(rebuild_when_lost=True)
    found = await rig.promise_kept()
    assert len(found.alerts) == len(set(found.alerts))
    assert set(told) <= set(found.alerts)
    assert counted(rig.rules, found, "email_click") == workload.clicks
