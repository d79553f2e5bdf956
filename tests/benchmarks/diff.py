"""How long ``leadglow scorecards diff`` takes over a million leads, and the memory of its processes."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from streams.store.redis import RedisStore
from tests.benchmarks import measure
from tests.benchmarks.board import fill_leads
from tests.benchmarks.decayed import SCORECARD
from tests.benchmarks.rig import PART_S, Rig, spawn, tail
from tests.benchmarks.workload import PARTITIONS

CHANGES = (("pricing_visit: 10", "pricing_visit: 15"), ("enter: 60", "enter: 40"), ("leave: 45", "leave: 30"))
SAMPLE_S = 0.2


async def measured(rig: Rig, leads: int) -> dict[str, Any]:
    """Run the command as people do, from its start to its end."""
    await rig.empty_redis()
    store = RedisStore(rig.redis.address, rig.name("diff"), partitions=PARTITIONS)
    await fill_leads(store, leads)
    await store.close()
    text = SCORECARD.read_text()
    for old, new in CHANGES:
        assert old in text
        text = text.replace(old, new)
    changed, log = rig.folder / "changed.yaml", rig.folder / "diff.log"
    changed.write_text(text)
    settings = {"redis": rig.redis.address, "namespace": rig.name("diff"), "partitions": str(PARTITIONS)}
    env = {f"LEADGLOW_{name.upper()}": value for name, value in settings.items()}
    began_s = time.perf_counter()
    process = await spawn(log, "app", "scorecards", "diff", str(SCORECARD), str(changed), "--json", env=env)
    peak_bytes = await _wait(process)
    seconds = time.perf_counter() - began_s
    if process.returncode:
        msg = f"diff failed:\n{tail(log)}"
        raise RuntimeError(msg)
    report = json.loads(log.read_text())
    assert report["leads"] == leads
    return {
        "leads": leads,
        "seconds": round(seconds, 1),
        "seconds_per_million": round(seconds / leads * 1e6, 1),
        "rss_peak_bytes": peak_bytes,
        "alerts": report["alerts"],
    }


async def _wait(process: asyncio.subprocess.Process) -> int:
    """Wait for the end; returns the most memory of the process and those that it started, together."""
    peak_bytes = 0
    async with asyncio.timeout(PART_S):
        while process.returncode is None:
            peak_bytes = max(peak_bytes, sum(map(_memory_bytes, _family(process.pid))))
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), SAMPLE_S)
    return peak_bytes


def _family(pid: int) -> list[int]:
    """A process and its children."""
    try:
        children = [file.read_text().split() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [pid, *(int(child) for each in children for child in each)]


def _memory_bytes(pid: int) -> int:
    """Resident memory; 0 if the process has just ended."""
    try:
        return measure.memory_bytes(pid)
    except (OSError, StopIteration):
        return 0
