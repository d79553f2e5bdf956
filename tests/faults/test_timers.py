"""Time that passes while no worker runs."""

from __future__ import annotations

import json
import time

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


def glances(number: int) -> list[Sent]:
    calls = [
        {"type": "track", "event": "Glanced", "userId": f"u{i}", "messageId": f"{number}-{i}"} for i in range(LEADS)
    ]
    return [Sent("web-events", 0, json.dumps(call).encode()) for call in calls]


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
