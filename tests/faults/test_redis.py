"""Redis dies, loses recent writes, runs out of memory or is emptied."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.embedded.redis import start_redis
from tests.faults.feeding import feed
from tests.faults.oracle import counted
from tests.faults.rig import Rig, Worker, until
from tests.faults.workload import Workload
from tests.support.redis_proxy import Proxy


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
    """Restart Redis without its last writes."""
    before = await rig.versions()
    rig.kill_redis()
    log = rig.append_only_file
    os.truncate(log, log.stat().st_size * 3 // 4)
    await rig.start_redis()
    now = await rig.versions()
    assert all(b > a > 0 for b, a in zip(before, now, strict=True)), "Redis was to lose something, not all"


async def test_events_that_redis_lost_are_scored_again(rig: Rig, workload: Workload) -> None:
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


async def test_state_that_redis_lost_returns_without_new_events(rig: Rig, workload: Workload) -> None:
    rig.start_worker()
    await feed(rig, workload, 12)
    await rig.settled()
    await lose_tail(rig)
    found = await rig.promise_kept()
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def save(rig: Rig) -> None:
    """Take a snapshot, as docs/backup.md describes it."""
    async with Redis(port=rig.redis.port) as redis:
        await redis.bgsave()

        async def saved() -> bool:
            return rig.snapshot.exists() and not (await redis.info("persistence"))["rdb_bgsave_in_progress"]

        await until("a snapshot", saved)


async def put_back(rig: Rig, backup: Path) -> None:
    """Start Redis anew with a snapshot, as docs/backup.md describes it."""
    rig.kill_redis()
    shutil.rmtree(rig.append_only_file.parent)
    shutil.copy(backup, rig.snapshot)
    await rig.start_redis(appendonly="no")
    async with Redis(port=rig.redis.port) as redis:
        await redis.config_set("appendonly", "yes")


async def test_a_snapshot_that_an_operator_puts_back_catches_up_from_the_log(
    rig: Rig, workload: Workload, tmp_path: Path
) -> None:
    worker, backup = rig.start_worker(), tmp_path / "backup.rdb"
    await feed(rig, workload, 6)
    assert (await rig.settled()).alerts, "a state that knows of no alert reads all of handoff"
    await save(rig)
    shutil.copy(rig.snapshot, backup)
    await feed(rig, workload, 12)
    before = sorted((await rig.settled()).alerts)
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0, worker.log

    await put_back(rig, backup)
    status, said = await rig.command("restore", "--json")
    assert status == 0, said
    assert sum(place["waiting"] for place in json.loads(said)["partitions"]) > 0

    rig.start_worker()
    found = await rig.promise_kept()
    assert before == sorted(found.alerts), "an alert was sent again"
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def spoil_snapshots(rig: Rig, redis: Redis) -> None:
    """Let Redis fail to write its snapshot, as it does when its disk is full."""
    rig.snapshot.mkdir()
    (rig.snapshot / "in the way").touch()
    await redis.config_set("save", "3600 1")
    await redis.bgsave()

    async def failed() -> bool:
        return bool((await redis.info("persistence"))["rdb_last_bgsave_status"] == "err")

    await until("a snapshot that fails", failed)


async def mend_snapshots(rig: Rig, redis: Redis) -> None:
    (rig.snapshot / "in the way").unlink()
    rig.snapshot.rmdir()
    await redis.bgsave()


async def fill_up(rig: Rig, redis: Redis) -> None:
    await redis.config_set("maxmemory", "1mb")


async def make_room(rig: Rig, redis: Redis) -> None:
    await redis.config_set("maxmemory", 0)


async def lose_replicas(rig: Rig, redis: Redis) -> None:
    await redis.config_set("min-replicas-to-write", 1)


async def need_no_replicas(rig: Rig, redis: Redis) -> None:
    await redis.config_set("min-replicas-to-write", 0)


Change = Callable[[Rig, Redis], Awaitable[None]]
TROUBLES = {
    "memory is full": (fill_up, make_room),
    "the disk is full": (spoil_snapshots, mend_snapshots),
    "no replica follows": (lose_replicas, need_no_replicas),
}


@pytest.mark.parametrize(("spoil", "mend"), TROUBLES.values(), ids=TROUBLES.keys())
async def test_a_redis_that_takes_no_writes_stops_the_worker_until_it_does(
    rig: Rig, workload: Workload, spoil: Change, mend: Change
) -> None:
    worker = rig.start_worker()
    async with Redis(port=rig.redis.port) as redis:
        await feed(rig, workload, 3)
        await spoil(rig, redis)
        before = await rig.versions()
        await rig.send(workload.take(300))
        await until("readiness off", lambda: not_ready(worker))
        assert await rig.versions() == before
        await mend(rig, redis)
    found = await rig.promise_kept()
    await until("readiness on", worker.ready)
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def test_a_failover_that_loses_the_last_steps_costs_nothing(rig: Rig, workload: Workload, tmp_path: Path) -> None:
    directory = tmp_path / "replica"
    directory.mkdir()
    async with Proxy(rig.redis.port) as link, Proxy(rig.redis.port) as proxy:
        replica = start_redis(directory, "--replicaof", "127.0.0.1", str(link.port))
        await asyncio.to_thread(replica.wait_ready)
        worker = rig.start_worker(redis=proxy.url)
        await feed(rig, workload, 5)
        async with Redis(port=replica.port) as redis:

            async def follows() -> bool:
                return bool((await redis.info("replication"))["master_link_status"] == "up")

            await until("a replica that follows", follows)
            link.lead_to(1)  # a port without a listener
            await feed(rig, workload, 3)
            await rig.fail_over(replica)
            await redis.replicaof("NO", "ONE")
            proxy.lead_to(replica.port)
            found = await rig.promise_kept()
        assert await worker.metric("leadglow_commits_total", verdict="CONFLICT") > 0
        assert counted(rig.rules, found, "email_click") == workload.clicks


async def test_a_slow_redis_changes_nothing(rig: Rig, workload: Workload) -> None:
    async with Proxy(rig.redis.port) as proxy:
        proxy.delay_s = 0.02
        worker = rig.start_worker(redis=proxy.url)
        await rig.send(workload.take(3000))
        found = await rig.promise_kept()
        await until("a worker that is ready", worker.ready, rig.said)
        assert counted(rig.rules, found, "email_click") == workload.clicks


async def empty(rig: Rig, workload: Workload) -> list[str]:
    """Score something, stop, and remove everything from Redis; returns the alerts on handoff."""
    worker = rig.start_worker()
    await feed(rig, workload, 8)
    found = await rig.promise_kept()
    await rig.stop_and_empty(worker)
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


async def test_a_rebuild_under_load_gives_the_alert_ids_of_a_sequential_replay(rig: Rig) -> None:
    """Leads are joined all the time, count from their arrival, and fade within seconds."""
    rig.scorecards.write_text(re.sub(r"half_life: \d+d", "half_life: 2s", rig.scorecards.read_text()))
    workload = Workload(7, datetime.now(UTC) + timedelta(hours=10), leads=1000)
    worker = rig.start_worker()
    await feed(rig, workload, 20)
    await rig.stop_and_empty(worker)
    await rig.read()
    told = rig.alerts()
    await rig.send(workload.take(600))
    for _ in range(2):
        rig.start_worker(rebuild_when_lost=True)
    await feed(rig, workload, 8)
    found = await rig.promise_kept()
    assert set(told) <= set(found.alerts)
