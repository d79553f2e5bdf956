"""Recreated or truncated topics are refused, with the remedy."""

from __future__ import annotations

import signal

import pytest

from tests.faults.feeding import feed
from tests.faults.rig import Rig
from tests.faults.workload import Sent, Workload

REFUSED = 78


async def stopped(rig: Rig, workload: Workload) -> None:
    """Score something and stop."""
    worker = rig.start_worker()
    await feed(rig, workload, 2)
    await rig.promise_kept()
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0, worker.log


async def test_a_recreated_topic_is_refused(rig: Rig, workload: Workload) -> None:
    await stopped(rig, workload)
    await rig.recreate("lead-events")
    worker = rig.start_worker()
    assert await worker.ended() == REFUSED, worker.log
    assert "leadglow rebuild" in worker.log


async def test_a_recreated_topic_with_other_events_is_refused(rig: Rig, workload: Workload) -> None:
    await stopped(rig, workload)
    before = {p: len(records) for p, records in rig.of("lead-events").items()}
    await rig.recreate("lead-events")
    await rig.send(rig.filler(before))
    worker = rig.start_worker()
    assert await worker.ended() == REFUSED, worker.log
    assert "leadglow rebuild" in worker.log


@pytest.mark.usefixtures("_apache_kafka")
async def test_events_that_were_deleted_before_they_were_scored_are_noticed(rig: Rig, workload: Workload) -> None:
    await stopped(rig, workload)
    await rig.send(rig.filler(dict.fromkeys(range(rig.partitions), 10)))
    await rig.delete_records("lead-events")
    worker = rig.start_worker()
    assert await worker.ended() == REFUSED, worker.log
    assert "leadglow rebuild" in worker.log


@pytest.mark.usefixtures("_apache_kafka")
async def test_another_number_of_partitions_is_refused(rig: Rig, workload: Workload) -> None:
    await stopped(rig, workload)
    await rig.add_partitions("lead-events", rig.partitions + 1)
    worker = rig.start_worker()
    assert await worker.ended() == REFUSED
    assert f"LEADGLOW_PARTITIONS={rig.partitions}" in worker.log


async def test_a_recreated_source_with_as_many_events_is_refused(rig: Rig, workload: Workload) -> None:
    await stopped(rig, workload)
    await rig.recreate("crm-events")
    await rig.send([Sent("crm-events", 0, visit.value) for visit in workload.take(1000)])
    worker = rig.start_worker()
    assert await worker.ended() == REFUSED, worker.log
    assert "LEADGLOW_SOURCES" in worker.log


async def test_a_source_that_is_recreated_while_a_worker_runs_is_refused(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await feed(rig, workload, 2)
    await rig.settled()
    await rig.recreate("crm-events")
    assert await worker.ended() == REFUSED, worker.log
    assert "LEADGLOW_SOURCES" in worker.log
