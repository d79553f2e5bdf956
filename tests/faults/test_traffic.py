"""Unevenly distributed and repeated traffic."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaProducer

from tests.faults.feeding import feed
from tests.faults.oracle import counted
from tests.faults.rig import Rig
from tests.faults.workload import Workload


async def test_one_lead_may_cause_nine_tenths_of_all_events(rig: Rig) -> None:
    workload = Workload(11, datetime.now(UTC), hot=0.9)
    first = rig.start_worker()
    await feed(rig, workload, 12)
    await rig.send(workload.take(120))  # at most the 128 events that a lead remembers
    first.kill()
    await rig.forget_dead()
    rig.start_worker()
    await feed(rig, workload, 6)
    found = await rig.promise_kept()
    assert counted(rig.rules, found, "email_click") == workload.clicks


async def test_events_sent_three_times_count_once_across_workers(rig: Rig, workload: Workload) -> None:
    await rig.send(said := workload.take(400))
    for _ in range(2):
        worker = rig.start_worker()
        await rig.settled()
        await rig.send(said)
        worker.kill()
        await rig.forget_dead()
    rig.start_worker()
    found = await rig.promise_kept()
    assert counted(rig.rules, found, "email_click") == workload.clicks


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
async def test_producers_may_compress_as_they_like(rig: Rig, workload: Workload, codec: str) -> None:
    rig.start_worker()
    producer = AIOKafkaProducer(bootstrap_servers=rig.kafka.address, compression_type=codec, linger_ms=20)
    await producer.start()
    try:
        await rig.send(workload.take(300), producer)
    finally:
        await producer.stop()
    await rig.promise_kept()
