"""Let workers of the last release and of this one take over from one another under load, and finish the upgrade.

``python -m tests.live.upgrade --turns 20 --kill-every 3`` starts Kafka and Redis and prints the figures; it fails if a
lead or an alert differs from what one process gives that scores the log alone. ``--commit`` names another release;
``--record FILE`` writes what it stores, for tests/unit/test_last_release.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from streams.clock import now_ms
from streams.scoring.stored import decode
from streams.store.format import FORMAT, NAME
from tests.faults.exchange import TIMES_OF_JOINED, exchange
from tests.faults.feeding import feed
from tests.faults.rig import Rig, Worker
from tests.faults.test_accounts import ACCOUNTS, erasures, moves
from tests.faults.workload import Workload
from tests.support.last_release import LAST_RELEASE, unpack_release
from tests.support.own_servers import own_servers
from tests.support.servers import Running

PAUSE_S: Final = 0.2
KEPT: Final = 2
"""Stored forms of each kind that are recorded."""
UNSENT: Final = "produced:40"
"""Where a recorded worker ends: its outbox has entries then."""


class Upgrade:
    """A system that changes from one release to another."""

    def __init__(self, rig: Rig, code: Path) -> None:
        """``code`` is that of the last release."""
        self.rig = rig
        self.workload = Workload(now_ms(), datetime.now(UTC))
        self.last: Callable[..., Worker] = partial(rig.start_worker, code=code, accelerator="off")
        self._chance = Random(7)
        card = rig.scorecards.read_text()
        rig.scorecards.write_text(card.replace("    fit_max: 40\n", f"    fit_max: 40\n{ACCOUNTS}", 1))

    async def send_all_the_time(self) -> None:
        """Send events of all kinds, for ever."""
        while True:
            await self.rig.send([*self.workload.take(100), *moves(self._chance, 5)])
            await asyncio.sleep(PAUSE_S)

    async def run(self, turns: int, kill_every: int) -> list[tuple[str, str]]:
        """Let the releases take turns, finish the upgrade and compare; returns the figures."""
        rig = self.rig
        first = self.last()
        await feed(rig, self.workload, 3)
        sending = asyncio.create_task(self.send_all_the_time())
        try:
            starts = [rig.start_worker if turn % 2 == 0 else self.last for turn in range(2 * turns + 1)]
            await exchange(rig, self.workload, first, starts, kill_every)
            await rig.send(erasures(rig))
            refused, said = await rig.command("upgrade", "--finish", "--yes")
            assert refused == 0, said
            await feed(rig, self.workload, 3)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
        assert await rig.store.meta(NAME) == str(FORMAT)
        found = await rig.promise_kept(free=TIMES_OF_JOINED)
        states = [decode(blob) for blobs in found.states.values() for blob in blobs.values()]
        return [
            ("takeovers, workers killed", f"{len(starts)}, {len(starts) // kill_every if kill_every else 0}"),
            ("records sent to sources", f"{sum(rig.sent.values()):,}"),
            ("records scored", f"{sum(map(len, found.lead_events.values())):,}"),
            ("leads, redirects, erasures, accounts", f"{len(states):,}"),
            ("alerts, of which repeated", f"{len(found.alerts):,}, {len(found.alerts) - len(set(found.alerts)):,}"),
            ("leads and alerts that differ", "0"),
        ]

    async def record(self) -> dict[str, Any]:
        """What the last release stores: control records, leads of each kind, and an outbox."""
        rig, worker = self.rig, self.last(UNSENT)
        await rig.send([*self.workload.take(600), *moves(self._chance, 30)])
        while worker.status is None:
            await feed(rig, self.workload, 1, until_dead=worker)
            await rig.send([*erasures(rig), *moves(self._chance, 3)])
        await worker.ended()
        shards = range(rig.partitions)
        blobs: dict[str, list[str]] = {}
        for partition in shards:
            async for _, blob in rig.store.scan(partition):
                state = decode(blob)
                kind = type(state).__name__ + (" with verdicts" if getattr(state, "verdicts", ()) else "")
                if len(kept := blobs.setdefault(kind, [])) < KEPT:
                    kept.append(blob.hex())
        controls = [(await rig.store.control(partition)).fields for partition in shards]
        outbox = [entry.payload.hex() for partition in shards for entry in await rig.store.outbox(partition)]
        return {
            "controls": [{name: value.hex() for name, value in fields.items()} for fields in controls if fields],
            "blobs": blobs,
            "outbox": outbox[:KEPT],
        }


@contextmanager
def own_system(commit: str) -> Iterator[tuple[Running, Path, Path]]:
    """Servers, a folder and the code of a commit."""
    with own_servers("leadglow-upgrade-") as (kafka, _, folder):
        code = unpack_release(folder / "last", commit)
        if code is None:
            message = f"this clone does not have the commit {commit}"
            raise SystemExit(message)
        yield kafka, folder, code


async def run(kafka: Running, folder: Path, code: Path, options: argparse.Namespace) -> list[tuple[str, str]]:
    """The figures, or what was recorded."""
    rig = Rig(kafka, folder, f"upgrade{now_ms()}")
    await rig.open()
    try:
        upgrade = Upgrade(rig, code)
        if options.record is None:
            return await upgrade.run(options.turns, options.kill_every)
        found = await upgrade.record()
        options.record.write_text(json.dumps(found, indent=1) + "\n")
        return [("recorded", ", ".join(f"{len(kept)} {kind}" for kind, kept in found["blobs"].items()))]
    finally:
        await rig.close()


def main() -> None:
    """Run it on servers of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.upgrade", description=__doc__)
    parser.add_argument("--commit", default=LAST_RELEASE)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--kill-every", type=int, default=3)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    began_s = time.monotonic()
    with own_system(options.commit) as (kafka, folder, code):
        figures = asyncio.run(run(kafka, folder, code, options))
    for name, value in [*figures, ("seconds, load", f"{time.monotonic() - began_s:.0f}, {os.getloadavg()[0]:.1f}")]:
        print(f"{name:38}  {value}")


if __name__ == "__main__":
    main()
