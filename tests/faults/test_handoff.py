"""The handoff topic accepts no records: first alerts wait, then events, and nothing is lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.shard.relay import MAX_OUTBOX
from tests.faults.feeding import feed
from tests.faults.oracle import counted
from tests.faults.rig import Rig, until
from tests.faults.workload import Sent, Workload
from tests.support.servers import Running

LATE = 300


def demos(count: int) -> list[Sent]:
    """An alert each."""
    call = {"type": "track", "event": "Demo Requested"}
    values = (json.dumps(call | {"messageId": f"d{i}", "userId": f"d{i}"}).encode() for i in range(count))
    return [Sent("web-events", 0, value) for value in values]


@pytest.mark.usefixtures("_apache_kafka")
async def test_a_shard_stops_while_its_alerts_cannot_be_sent(kafka: Running, tmp_path: Path, unique: str) -> None:
    rig = Rig(kafka, tmp_path, unique, partitions=1)
    workload = Workload(7, datetime.now(UTC), partitions=1)
    await rig.open()
    try:
        worker = rig.start_worker()
        await feed(rig, workload, 3)
        await rig.settled()
        await rig.set_topic("handoff", message_timestamp_before_max_ms="0")  # whatever comes is too old
        await rig.send(demos(MAX_OUTBOX + 500))

        async def full() -> bool:
            return (await rig.store.counts(0))["outbox"] >= MAX_OUTBOX

        await until("an outbox that is full", full, rig.said)
        await rig.send(workload.take(LATE))

        async def waiting() -> bool:
            return await worker.metric("leadglow_lag_records") >= LATE / 2

        await until("events that wait", waiting, rig.said)
        assert await worker.metric("leadglow_outbox_oldest_seconds") > 0
        await rig.set_topic("handoff", message_timestamp_before_max_ms=str(2**63 - 1))
        found = await rig.promise_kept()
        assert worker.status is None
        assert len(found.alerts) > MAX_OUTBOX
        assert counted(rig.rules, found, "email_click") == workload.clicks
    finally:
        await rig.close()
