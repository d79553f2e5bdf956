"""Divide the leads of a live system among more partitions, killed three times, and compare with one that stays.

``python -m tests.live.repartition --leads 100000`` starts Kafka, Redis and two systems that read the same sources, and
prints the figures. Most states of leads are written to Redis as the scorer makes them: to score events of all leads in
both systems would take most of the time. Some leads have events before, while and after others are divided.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any, Final

from aiokafka import TopicPartition
from redis import Redis

from app.embedded.child import start_child
from app.wiring import make_consumer, make_store
from streams.clock import now_ms
from streams.events.codec import Codec
from streams.events.rejects import Reject
from streams.scorefile import load_file
from streams.scoring.lead import AT_BYTES, ENTRY_BYTES, ID_BYTES
from streams.scoring.outcome import Outcome
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.stored import decode
from streams.shard.alert import rfc3339
from streams.shard.position import RANKING
from streams.store.base import Commit, Store
from streams.store.format import begin_format
from streams.transport.alert_ids import alert_id_of
from streams.transport.topics import Partitioner
from tests.benchmarks.workload import Event, load
from tests.faults.oracle import facts
from tests.live.steps import timed_step
from tests.support.own_servers import own_servers
from tests.support.system import PARTITIONS, ROOT, System, WorkerProcess
from tests.support.waiting import wait_for

NEW: Final = 12
STEP_S: Final = 1800.0
"""No step may take longer."""
POLL_S: Final = 0.1
SPAN_MS: Final = 600_000
"""Events of templates begin so long ago: not longer, or the timers of all leads would run first."""
TEMPLATES: Final = 2000
"""Leads that are scored in memory; all others have states like theirs."""
PART: Final = 2000
"""Leads in a step."""
CALLS: Final = (
    ("page", "https://acme.example/"), ("page", "https://acme.example/pricing"), ("Email Link Clicked", ""),
    ("Webinar Attended", ""), ("Demo Requested", ""),
)  # fmt: skip
WEIGHTS: Final = (20, 15, 10, 5, 6)
CARD: Final = (ROOT / "scorecards.yaml").read_text().replace(", cooldown: 7d", "")
CRASHES: Final = ("repartition_verified", "repartition_cleaned")
"""The command is killed at these steps, after it was killed while it copied."""


@dataclass
class Figures:
    """What happened."""

    leads: int
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step took."""
    kills: int = 0
    compared: int = 0
    """Leads of both systems that were compared."""
    differ: int = 0
    """Leads that are not the same in both."""
    alerts: int = 0
    """Alerts of both systems."""
    later: int = 0
    """Those of them that were sent after the repartition."""
    only_one: int = 0
    """Alert ids that only one of them sent."""

    def rows(self) -> Iterator[tuple[str, str]]:
        """The figures with their names."""
        yield "leads", f"{self.leads:,}"
        yield "times that the command was killed", str(self.kills)
        yield "leads compared with a system that stayed", f"{self.compared:,}"
        yield "leads that differ", f"{self.differ:,} (must be 0)"
        yield "alerts", f"{self.alerts:,}"
        yield "alerts after the repartition", f"{self.later:,}"
        yield "alert ids of one system alone", f"{self.only_one:,} (must be 0)"
        for name, seconds in self.seconds.items():
            yield f"seconds: {name}", f"{seconds:.1f}"

    @property
    def are_right(self) -> bool:
        """Whether the promises are kept, and something was there to promise."""
        is_equal = not self.differ and not self.only_one and self.compared >= self.leads
        return is_equal and self.kills == 1 + len(CRASHES) and self.later > 0


class Run:
    """One run: ``stay`` keeps its partitions, ``move`` gets more; both read the sources of ``stay``."""

    def __init__(self, stay: System, move: System, figures: Figures, say: Callable[[str], object] = str) -> None:
        self.stay = stay
        self.move = move
        self.figures = figures
        self._say = say
        self._chance = Random(7)
        self._sent = 0
        self._stack = ExitStack()
        self._workers: dict[str, WorkerProcess] = {}
        """Namespace -> the worker that was started last."""
        self._numbers = {stay.settings.namespace: PARTITIONS, move.settings.namespace: PARTITIONS}

    def run(self) -> Figures:
        """Do everything; returns the figures."""
        for system in (self.stay, self.move):
            assert system.run("topics", "create").exit_code == 0
        with self._stack:
            with self._step("write the states"):
                asyncio.run(self._seed())
            self._start_worker(self.stay)
            self._start_worker(self.move)
            with self._step("score some traffic"):
                self._send_some()
                self._wait_until_done(self.stay, self.move)
            self._send_some()
            moving = self._workers[self.move.settings.namespace]
            moving.process.kill()
            moving.process.wait()
            self._repartition()
            before = self._alert_ids(self.move, now_ms())
            self._numbers[self.move.settings.namespace] = NEW
            self._start_worker(self.move)
            with self._step("score what came meanwhile and later"):
                self._send_some()
                self._wait_until_done(self.stay, self.move)
            self._compare(before)
        return self.figures

    def _start_worker(self, system: System) -> None:
        name = system.settings.namespace
        worker = self._stack.enter_context(system.worker(partitions=str(self._numbers[name])))
        worker.wait_ready()
        self._workers[name] = worker

    def _restart_ended(self, system: System) -> None:
        """Start a worker again that has ended, as a supervisor does: a busy machine lets it make no progress."""
        worker = self._workers[system.settings.namespace]
        if worker.process.poll() is not None:
            self._say(f"a worker ended: {worker.ended()[1].splitlines()[-1:]}")
            self._start_worker(system)

    def _step(self, name: str) -> AbstractContextManager[None]:
        return timed_step(self.figures.seconds, name, self._say)

    # The command ----------------------------------------------------------------------------------------------

    def _repartition(self) -> None:
        with self._step("repartition, killed while it copies"), self._command() as process:
            wait_for(lambda: self._copied() > self.figures.leads // 3 or process.poll() is not None, "copies", STEP_S)
            process.kill()
            self._expect(process, -signal.SIGKILL)
        for step in CRASHES:
            with self._step(f"repartition, killed at {step}"), self._command(step) as process:
                self._expect(process, -signal.SIGKILL)
        with self._step("repartition, to its end"), self._command() as process:
            self._expect(process, 0)

    def _command(self, crash_at: str = "") -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "app", "repartition", "--to", str(NEW), "--yes", "--json"]
        env = {**os.environ, **self.move.env, "LEADGLOW_CRASH_AT": crash_at}  # noqa: TID251 - a child needs its PATH
        pipe = subprocess.PIPE
        return start_child(argv, cwd=ROOT, env=env, text=True, stdout=pipe, stderr=pipe)

    def _expect(self, process: subprocess.Popen[str], status: int) -> None:
        out, err = process.communicate(timeout=STEP_S)
        assert process.returncode == status, err
        self.figures.kills += status < 0
        self._say(out.strip() or f"killed after: {err.strip().splitlines()[-1:]}")

    def _copied(self) -> int:
        """The number of leads in the copies."""
        with Redis.from_url(self.move.settings.redis) as client:
            keys = client.scan_iter(f"{self.move.settings.namespace}:to-{NEW}:*:leads", count=10_000)
            return sum(int(client.hlen(key)) for key in keys)

    # Traffic --------------------------------------------------------------------------------------------------

    async def _seed(self) -> None:
        """Write the states of all leads to both systems."""
        replay, shown = self._score_templates()
        for system in (self.stay, self.move):
            store, home = make_store(system.settings), Partitioner(PARTITIONS, most=1)
            await begin_format(store)
            await store.meta("partitions", str(PARTITIONS))
            leads: dict[int, list[int]] = {}
            for lead in range(self.figures.leads):
                leads.setdefault(home(f"u-{lead}"), []).append(lead)
            for shard, own in leads.items():
                for version, first in enumerate(range(0, len(own), PART)):
                    await store.commit(shard, _step(version, own[first : first + PART], replay.blobs, shown))
            await store.close()

    def _score_templates(self) -> tuple[Replay, Outcome]:
        """Score some events of a few leads; returns their states, and their places in the schedule and rankings."""
        rules = Rules(load_file(self.stay.settings.scorecards), self.stay.settings.lateness_ms)
        replay, codec, begin_ms = Replay(rules), Codec(rules.paths), now_ms() - SPAN_MS
        for lead in range(TEMPLATES):
            traits = {"title": self._chance.choice(("CTO", "Analyst")), "employees": 500}
            events = [_event(lead, begin_ms, {"type": "identify", "traits": traits})]
            events += [_event(lead, begin_ms + i * 60_000, self._call()) for i in range(self._chance.randint(1, 6))]
            for at, event in enumerate(events):
                record = SimpleNamespace(offset=at, key=event.key.encode(), value=event.value, headers=())
                item = codec.decode_record(SimpleNamespace(**vars(record), timestamp=event.at_ms))
                assert not isinstance(item, Reject)
                replay.play(item, at)
                replay.end_step()
        return replay, replay.show_leads(list(replay.blobs))

    def _send_some(self) -> None:
        """Events of some leads that arrive now."""
        leads = self._chance.sample(range(self.figures.leads), self.figures.leads // 20)
        self._send([_event(lead, now_ms(), self._call()) for lead in leads])

    def _call(self) -> dict[str, Any]:
        ((name, url),) = self._chance.choices(CALLS, WEIGHTS)
        if name == "page":
            return {"type": name, "properties": {"url": url, "path": url.removeprefix("https://acme.example")}}
        return {"type": "track", "event": name, "properties": {"automated": False}}

    def _send(self, events: list[Event]) -> None:
        asyncio.run(load(self.stay.settings.kafka, self.stay.settings.sources[0], events))
        self._sent += len(events)

    # The outcome ----------------------------------------------------------------------------------------------

    def _wait_until_done(self, *systems: System) -> None:
        """Return when every event is scored, and every alert up to now is sent."""
        until_ms = now_ms()
        asyncio.run(self._until_all_done(systems, until_ms))

    async def _until_all_done(self, systems: Sequence[System], until_ms: int) -> None:
        await asyncio.gather(*(self._until_done(system, until_ms) for system in systems))

    async def _until_done(self, system: System, until_ms: int) -> None:
        number, deadline_s = self._numbers[system.settings.namespace], time.monotonic() + STEP_S
        settings = system.with_settings(partitions=str(number))
        store, consumer = make_store(settings), make_consumer(settings)
        await consumer.start()
        places = [TopicPartition(settings.lead_events, p) for p in range(number)]
        try:
            while waiting := await self._describe_waiting(store, consumer, places, until_ms):
                assert time.monotonic() < deadline_s, waiting
                self._restart_ended(system)
                await asyncio.sleep(POLL_S)
        finally:
            await consumer.stop()
            await store.close()

    async def _describe_waiting(self, store: Store, consumer: Any, places: list[TopicPartition], until_ms: int) -> str:
        """What is not done yet; empty if everything is."""
        checkpoints = 0
        for place in places:
            fields, counts = (await store.control(place.partition)).fields, await store.counts(place.partition)
            checkpoints += int(fields.get("ckpt", b"0"))
            due = await store.next_due(place.partition)
            if fields.get("before") or counts["outbox"] or (due is not None and due < until_ms):
                return f"{place}: {counts}, due {due}"
        end = sum((await consumer.end_offsets(places)).values())
        return "" if checkpoints == end >= self._sent else f"scored {checkpoints} of {end} records, {self._sent} sent"

    def _alert_ids(self, system: System, until_ms: int) -> set[str]:
        found = system.records(system.settings.handoff)
        return {alert_id_of(each.value) for each in found if json.loads(each.value)["time"] <= rfc3339(until_ms)}

    def _compare(self, before: set[str]) -> None:
        until_ms = now_ms()
        self._wait_until_done(self.stay, self.move)
        stay, move = (self._alert_ids(each, until_ms) for each in (self.stay, self.move))
        self.figures.alerts, self.figures.later = len(stay & move), len(move - before)
        self.figures.only_one = len(stay ^ move)
        with self._step("compare every lead"):
            asyncio.run(self._compare_leads())

    async def _compare_leads(self) -> None:
        stay, move = make_store(self.stay.settings), make_store(self.move.with_settings(partitions=str(NEW)))
        home, figures = Partitioner(NEW, most=1), self.figures
        try:
            for shard in range(PARTITIONS):
                page: dict[int, dict[str, bytes]] = {}
                async for lead_id, blob in stay.scan(shard):
                    page.setdefault(home(lead_id), {})[lead_id] = blob
                for target, leads in page.items():
                    ids = list(leads)
                    for first in range(0, len(ids), 1000):
                        part = ids[first : first + 1000]
                        for lead_id, other in zip(part, await move.load(target, part), strict=True):
                            figures.compared += 1
                            figures.differ += other is None or not _are_equal(leads[lead_id], other)
            sizes = [
                [(await each.counts(p))["leads"] for p in range(n)] for each, n in ((stay, PARTITIONS), (move, NEW))
            ]
            figures.differ += abs(sum(sizes[0]) - sum(sizes[1]))
        finally:
            await stay.close()
            await move.close()


def _are_equal(one: bytes, other: bytes) -> bool:
    return one == other or _facts(one) == _facts(other)


def _facts(blob: bytes) -> dict[str, Any]:
    """A lead without the ends of the offsets of its events: two logs have others."""
    found = facts(decode(blob))
    recent: bytes = found.get("recent", b"")
    kept, width = range(0, len(recent), ENTRY_BYTES), AT_BYTES + 1
    found["recent"] = [recent[at : at + ID_BYTES] + recent[at + ENTRY_BYTES - width : at + ENTRY_BYTES] for at in kept]
    return found


def _step(version: int, leads: list[int], blobs: dict[str, bytes], shown: Outcome) -> Commit:
    """A step that writes leads with the states of templates."""
    like = {f"u-{lead}": f"u-{lead % TEMPLATES}" for lead in leads}
    fields = {"ckpt": b"0", "ranking": RANKING}
    commit = Commit(version, f"seed-{version - 1}" if version else "", f"seed-{version}", fields)
    commit.leads = {lead_id: blobs[template] for lead_id, template in like.items()}
    commit.due = {lead_id: shown.due.get(template) for lead_id, template in like.items()}
    for card, places in shown.ranks.items():
        commit.ranks[card] = {lead_id: places.get(template) for lead_id, template in like.items()}
    commit.second = now_ms() // 1000
    return commit


def _event(lead: int, at_ms: int, call: dict[str, Any]) -> Event:
    call |= {"userId": f"u-{lead}", "messageId": f"{lead}-{at_ms}-{call['type']}", "timestamp": rfc3339(at_ms)}
    return Event(f"u-{lead}", at_ms, json.dumps(call).encode())


def main() -> None:
    """Run it on servers of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.repartition", description=__doc__)
    parser.add_argument("--leads", type=int, default=100_000)
    options = parser.parse_args()
    with own_servers("leadglow-live-") as (kafka, redis, folder):
        file = folder / "scorecards.yaml"
        file.write_text(CARD)
        name, common = f"live{now_ms()}", {"scorecards": str(file), "sources": f"live{now_ms()}-web"}
        stay, move = (System(kafka, redis.address, f"{name}-{each}", **common) for each in ("stay", "move"))
        figures = Run(stay, move, Figures(options.leads), print).run()
    width = max(len(each) for each, _ in figures.rows())
    for each, value in figures.rows():
        print(f"{each:{width}}  {value}")
    raise SystemExit(not figures.are_right)


if __name__ == "__main__":
    main()
