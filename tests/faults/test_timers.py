"""Timers, including those that fall due while no worker runs."""

from __future__ import annotations

import json
import time

import pytest
from aiokafka import AIOKafkaProducer

from tests.faults.rig import Rig, until
from tests.faults.workload import Sent

SCORECARDS = """
leadglow: 1
signals:
  glance: {event: Glanced, half_life: 4s}
scorecards:
  quick:
    label: Quick
    points: {glance: 50}
    range: [0, 1000]
    grades: {A: 0}
    stages:
      - {name: hot, enter: 40, leave: 20, handoff: true}
"""
COOL_S = 4 * 1.33
"""How long one glance keeps a lead hot: log2(50 / 20) half-lives."""
LEADS = 20
AHEAD_S = 3600
"""How far the clock of `early` is ahead."""


def glances(number: int, topic: str = "web-events") -> list[Sent]:
    calls = [
        {"type": "track", "event": "Glanced", "userId": f"u{i}", "messageId": f"{number}-{i}"} for i in range(LEADS)
    ]
    return [Sent(topic, 0, json.dumps(call).encode()) for call in calls]


async def transacted(rig: Rig, records: list[Sent], keep: bool) -> None:
    """Write records in a transaction, and commit or abort it."""
    async with AIOKafkaProducer(bootstrap_servers=rig.kafka.address, transactional_id=rig.name) as producer:
        await producer.begin_transaction()
        for record in records:
            await producer.send_and_wait(rig.topic(record.topic), record.value, partition=record.partition)
        await (producer.commit_transaction() if keep else producer.abort_transaction())


async def told(rig: Rig, count: int) -> None:
    """Wait for so many alerts."""

    async def arrived() -> bool:
        await rig.read()
        return len(rig.alerts()) >= count

    await until(f"{count} alerts", arrived, rig.said)


async def test_a_backlog_at_the_sources_causes_no_false_cooling(rig: Rig) -> None:
    rig.scorecards.write_text(SCORECARDS)
    worker = rig.start_worker()

    async def working() -> bool:
        return await worker.metric("leadglow_shards") == rig.partitions

    await until("a worker", working)
    await rig.send(glances(1))
    await told(rig, LEADS)
    cool_s = time.monotonic() + COOL_S
    worker.kill()
    await rig.forget_dead()
    await rig.send(glances(2))  # keeps every lead hot for longer than one glance does

    async def due() -> bool:
        return time.monotonic() > cool_s

    await until("the instant at which leads would cool without the second glance", due)
    rig.start_worker()
    await told(rig, 2 * LEADS)
    found = await rig.promise_kept()
    assert len(found.alerts) == 2 * LEADS


@pytest.mark.usefixtures("_apache_kafka")
@pytest.mark.parametrize("topic", ["web-events", "lead-events"])
async def test_leads_cool_although_a_topic_ends_in_a_transaction_and_aborted_events_count_for_nothing(
    rig: Rig, topic: str
) -> None:
    rig.scorecards.write_text(SCORECARDS)
    rig.start_worker()
    await transacted(rig, glances(1, topic), keep=False)
    await transacted(rig, glances(2, topic), keep=True)
    await told(rig, 2 * LEADS)  # in and out again
    assert [worker.status for worker in rig.workers] == [None]
    alerts = [json.loads(record.value) for records in rig.of("handoff").values() for record in records]
    assert {alert["data"]["triggering_event"]["event_id"].partition("-")[0] for alert in alerts} == {"2", ""}


async def test_a_worker_with_a_fast_clock_uses_the_clock_of_redis(rig: Rig) -> None:
    rig.scorecards.write_text(SCORECARDS)
    worker = rig.start_worker(module="tests.faults.early")
    start_s = time.monotonic()
    await rig.send(glances(1))
    await told(rig, 2 * LEADS)  # in and out again
    assert time.monotonic() - start_s >= COOL_S
    await rig.promise_kept()
    assert await worker.metric("leadglow_clock_offset_seconds") == pytest.approx(AHEAD_S, abs=1)
    assert "clock is 3600" in worker.log
