"""Recreated or truncated topics are refused, with the remedy."""

from __future__ import annotations

import json
import signal

import pytest

from tests.faults.feeding import feed
from tests.faults.oracle import counted, differences
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


@pytest.mark.usefixtures("_apache_kafka")
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
async def test_a_gap_in_the_log_is_refused_until_somebody_accepts_it(rig: Rig, workload: Workload) -> None:
    await stopped(rig, workload)
    kept = {lead_id for p in range(rig.partitions) async for lead_id, _ in rig.store.scan(p)}
    await rig.send(rig.filler(dict.fromkeys(range(rig.partitions), 10)))
    await rig.delete_records("lead-events")
    worker = rig.start_worker()
    assert await worker.ended() == REFUSED, worker.log
    assert "leadglow rebuild" in worker.log
    assert "leadglow restore --accept-gap" in worker.log
    status, said = await rig.command("status")
    assert status == 1, said
    assert "gone before they were scored: see `leadglow restore`" in said
    assert "Events waiting: 0." in said

    audit = rig.directory / "audit.log"
    status, said = await rig.command("restore", "--accept-gap", "--yes", "--json", audit_log=audit)
    assert status == 0, said
    places = json.loads(said.splitlines()[0])["partitions"]
    assert [place["state"] for place in places] == ["gap"] * rig.partitions
    assert all(place["missing"]["last_offset"] == place["log_begins_at"] - 1 for place in places)
    begun, done = map(json.loads, audit.read_text().splitlines())
    assert begun["missing"] == done["missing"] == {str(n): place["missing"] for n, place in enumerate(places)}
    assert (begun["outcome"], done["outcome"]) == ("begun", "done")
    assert done["continued"] == list(range(rig.partitions))

    rig.start_worker()
    await feed(rig, workload, 4)
    found = await rig.settled()
    assert counted(rig.rules, found, "email_click") == workload.clicks
    assert kept <= {lead_id for states in found.states.values() for lead_id in states}
    problems = differences(rig.rules, rig.topic("lead-events"), found)
    assert not [each for each in problems if not each.startswith(("filler", "partition"))], problems[:10]


@pytest.mark.usefixtures("_apache_kafka")
async def test_a_gap_after_a_state_of_which_nothing_was_scored_is_refused_until_a_rebuild(
    rig: Rig, workload: Workload
) -> None:
    rig.accelerator = "off"  # it loads for seconds in each process
    status, said = await rig.command("rebuild", "--yes")
    assert status == 0, said
    await rig.send(rig.filler(dict.fromkeys(range(rig.partitions), 10)))
    await rig.delete_records("lead-events")
    worker = rig.start_worker()
    assert await worker.ended() == REFUSED, worker.log
    assert "begins at 10, but its leads were scored up to 0" in worker.log
    status, said = await rig.command("restore", "--json")
    assert (status, said.count('"state": "gap"')) == (1, rig.partitions), said

    status, said = await rig.command("rebuild", "--yes")
    assert status == 0, said
    await rig.forget_dead()
    rig.start_worker()
    await feed(rig, workload, 2)
    status, said = await rig.command("rebuild", "--yes")  # the worker begins anew at what is left
    assert status == 0, said
    await rig.send(workload.take(60))
    await rig.settled()
    assert [found.status for found in rig.workers] == [REFUSED, None], rig.said()


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
