"""Kafka fails and recovers."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.faults.feeding import feed
from tests.faults.oracle import counted
from tests.faults.rig import Rig, until
from tests.faults.workload import Workload
from tests.support.kafka import start_apache_kafka
from tests.support.servers import Running


@pytest.mark.skipif(not (shutil.which("java") and shutil.which("mvn")), reason="needs a broker to kill: Java and Maven")
async def test_a_worker_goes_on_by_itself_when_the_broker_is_back(
    tmp_path: Path, unique: str, workload: Workload
) -> None:
    directory = tmp_path / "kafka"
    directory.mkdir()
    broker = await asyncio.to_thread(start_apache_kafka, directory)
    await asyncio.to_thread(broker.wait_ready)
    rig = Rig(Running(broker.address, "own", broker.stop), tmp_path, unique)
    try:
        await rig.open()
        worker = rig.start_worker()
        await feed(rig, workload, 5)
        await rig.send(workload.take(300))
        broker.process.kill()
        broker.process.wait()

        async def not_ready() -> bool:
            return await worker.ready() is False

        await until("readiness off", not_ready)
        broker = await asyncio.to_thread(start_apache_kafka, directory, broker.port)
        await asyncio.to_thread(broker.wait_ready)
        await rig.send(workload.take(300))
        await feed(rig, workload, 3)
        found = await rig.promise_kept()
        assert worker.status is None
        await until("readiness on", worker.ready)
        assert counted(rig.rules, found, "email_click") == workload.clicks
    finally:
        await rig.close()
        await asyncio.to_thread(broker.stop)
