"""Kill the notifier at random instants while its receivers fail, stall, redirect and lie.

``python -m tests.live.storm --kills 20`` starts Kafka and prints the figures; it fails if an alert is lost or out of
order, or if anything goes to the address that is not allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from streams.clock import now_ms
from tests.faults.rig import Rig
from tests.faults.storm import Storm, open_storm
from tests.support.own_servers import own_servers
from tests.support.servers import Running

LEADS: Final = 500
LONGEST_S: Final = 3.0
"""A notifier lives at most so long."""


async def run(kafka: Running, redis_url: str, folder: Path, kills: int, alerts: int) -> Storm:
    """The storm, after all alerts have arrived."""
    rig = Rig(kafka, folder, f"storm{now_ms()}", redis_url=redis_url)
    await rig.open()
    try:
        async with open_storm(rig, folder, seed=now_ms(), leads=LEADS) as storm:
            await storm.run(kills, alerts, _any_time)
            return storm
    finally:
        await rig.close()


async def _any_time(storm: Storm) -> None:
    await asyncio.sleep(storm.chance.uniform(0.05, LONGEST_S))


def rows(storm: Storm) -> Iterator[tuple[str, str]]:
    """The figures with their names."""
    for name, receiver in storm.receivers.items():
        yield f"requests to {name}", f"{len(receiver.received):,}{' (must be 0)' if name == 'forbidden' else ''}"
    yield "memory of a notifier at most", f"{storm.most_bytes / 1024**2:.0f} MB"


def main() -> None:
    """Run it on servers of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--alerts", type=int, default=5_000)
    options = parser.parse_args()
    begin_s = time.monotonic()
    with own_servers("leadglow-storm-") as (kafka, redis, folder):
        storm = asyncio.run(run(kafka, redis.address, folder, options.kills, options.alerts))
    for name, value in [
        ("alerts, kills", f"{options.alerts:,}, {options.kills}"),
        *rows(storm),
        ("seconds, load", f"{time.monotonic() - begin_s:.0f}, {os.getloadavg()[0]:.1f}"),
    ]:
        print(f"{name:30}  {value}")
    raise SystemExit(bool(storm.receivers["forbidden"].received))


if __name__ == "__main__":
    main()
