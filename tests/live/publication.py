"""Lower a bound for many leads on a live system, go back, and score everything again, by the commands of an operator.

``python -m tests.live.publication --leads 100000`` starts Kafka, Redis and three workers, and prints the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from typer.testing import Result

from app.wiring import make_consumer, make_store
from streams.clock import now_ms
from streams.exits import Exit
from streams.shard.alert import rfc3339
from streams.store.base import Store
from tests.benchmarks.workload import Event, load
from tests.live.steps import timed_step
from tests.support.own_servers import own_servers
from tests.support.system import PARTITIONS, ROOT, System, WorkerProcess
from tests.support.waiting import wait_for

STEP_S: Final = 1800.0
"""No step may take longer."""
POLL_S: Final = 0.1
START_MS: Final = 5000
"""A command may take so long until it asks for the time."""
MIN_LEADS: Final = 500
"""The change sends too few alerts for the brake if there are fewer."""
SPAN_MS: Final = 5 * 86_400_000
EVENTS: Final = 4
"""Events of a lead, on average, besides its traits."""
TITLES: Final = ("CTO", "Head of Sales", "Analyst", "Intern")
CALLS: Final = (
    ("page", "https://acme.example/"), ("page", "https://acme.example/product/a"), ("page", "https://acme.example/pricing"),
    ("page", "https://acme.example/jobs"), ("Email Opened", ""), ("Email Link Clicked", ""), ("Ebook Downloaded", ""),
    ("Webinar Attended", ""), ("Demo Requested", ""),
)  # fmt: skip
WEIGHTS: Final = (20, 15, 12, 3, 15, 10, 8, 6, 5)
STAGE: Final = "qualified"
"""The only stage with alerts; ``CARD`` has no cooldown, so the last alert about a lead shows whether it is inside."""
CARD: Final = (ROOT / "scorecards.yaml").read_text().replace(", cooldown: 7d", "")
LOWERED: Final = CARD.replace("enter: 70, leave: 50", "enter: 50, leave: 35")


@dataclass
class Figures:
    """What happened."""

    leads: int
    workers: int
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step took."""
    before: int = 0
    """Alerts before the change."""
    holding: int = 0
    """Workers that held the changed file back."""
    unconfirmed: int = 0
    """Alerts that were sent before the change was confirmed."""
    held: int = 0
    """Alerts held back by the command without ``--yes``."""
    sent: int = 0
    """Alerts sent by the command with ``--yes``."""
    undone: int = 0
    """Alerts sent by the rollback."""
    disagree: int = 0
    """Leads whose last alert does not agree with their stage, after the rollback."""
    new_ids: int = 0
    """Alert ids that only the rebuild sent."""
    differ: int = 0
    """Leads that the rebuild left in another state."""

    def rows(self) -> Iterator[tuple[str, str]]:
        """The figures with their names."""
        yield "leads", f"{self.leads:,}"
        yield "alerts before the change", f"{self.before:,}"
        yield "workers that held the changed file back", f"{self.holding} of {self.workers}"
        yield "alerts held back without --yes", f"{self.held:,}"
        yield "alerts sent before the change was confirmed", f"{self.unconfirmed:,} (must be 0)"
        yield "alerts sent by --yes", f"{self.sent:,}"
        yield "alerts sent by the rollback", f"{self.undone:,}"
        yield "last alerts that disagree with a stage", f"{self.disagree:,} (must be 0)"
        yield "new alert ids in the rebuild", f"{self.new_ids:,} (must be 0)"
        yield "states that differ after the rebuild", f"{self.differ:,} (must be 0)"
        for name, seconds in self.seconds.items():
            yield f"seconds: {name}", f"{seconds:.1f}"

    @property
    def are_right(self) -> bool:
        """Whether the promises are kept, and something was there to promise."""
        wrong = self.unconfirmed + self.disagree + self.new_ids + self.differ
        return not wrong and min(self.held, self.sent, self.undone) > 0 and self.holding == self.workers


class Run:
    """One run on a system with Kafka and Redis. ``file`` is the scorecard file of its workers."""

    def __init__(self, system: System, file: Path, figures: Figures, say: Callable[[str], object] = str) -> None:
        self.system = system
        self.file = file
        self.figures = figures
        self._say = say
        self._chance = Random(7)
        self._workers: list[WorkerProcess] = []
        self._sent = 0

    def run(self) -> Figures:
        """Do everything; returns the figures."""
        self.file.write_text(CARD)
        assert self.system.run("topics", "create").exit_code == 0
        with ExitStack() as stack:
            self._workers = [stack.enter_context(self.system.worker()) for _ in range(self.figures.workers)]
            for worker in self._workers:
                worker.wait_ready()
            with self._step("score the traffic"):
                self._send(self._traffic(range(self.figures.leads)))
                self._wait_until_done()
            self.figures.before = len(self._alerts())
            self._lower()
            self._roll_back()
            self._rebuild()
        return self.figures

    # Steps ----------------------------------------------------------------------------------------------------

    def _lower(self) -> None:
        before = self._causes()
        self.file.write_text(LOWERED)
        with self._step("workers hold the changed file back"):
            held = "leadglow_scorecards_held_total"
            wait_for(lambda: all(worker.metric(held) for worker in self._workers), "held back", STEP_S)
        self.figures.holding = sum(worker.metric(held) == 1 for worker in self._workers)
        with self._step("publish without --yes"):
            refused = self._command("publish", str(self.file), status=Exit.CHECK_FAILED)
        self.figures.held = _number(r"nothing was changed: ([\d,]+) alerts", refused.output)
        self._send_more()
        self._wait_until_done()
        self.figures.unconfirmed = self._causes() - before
        self._send_more()
        with self._step("publish --yes, until all alerts are sent"):
            self._command("publish", str(self.file), "--yes", "--note", "lower")
            self._wait_until_done()
        self.figures.sent = self._causes() - before

    def _roll_back(self) -> None:
        before = self._causes()
        first = self._command("list").stdout.splitlines()[-1].split()[0]
        self._send_more()
        with self._step("rollback, until all alerts are sent"):
            self._command("rollback", first, "--yes")
            self._wait_until_done()
        self.figures.undone = self._causes() - before

    def _rebuild(self) -> None:
        at_ms = now_ms() + START_MS
        found = self._export(at_ms)
        wait_for(lambda: now_ms() > at_ms, "past")
        self._wait_until_done()
        self.figures.disagree = self._count_disagreements(found, at_ms)
        later_ms = now_ms() + int(STEP_S * 1000)
        before, known = self._export(later_ms), {alert["id"] for alert in self._alerts()}
        with self._step("rebuild, until all is scored again"):
            result = self.system.run("rebuild", "--yes")
            assert result.exit_code == 0, result.output
            self._wait_until_done()
        after = self._export(later_ms)
        self.figures.new_ids = len({alert["id"] for alert in self._alerts() if alert["time"] <= rfc3339(at_ms)} - known)
        self.figures.differ = sum(before.get(lead_id) != after.get(lead_id) for lead_id in before.keys() | after.keys())

    def _step(self, name: str) -> AbstractContextManager[None]:
        return timed_step(self.figures.seconds, name, self._say)

    def _command(self, *arguments: str, status: int = 0) -> Result:
        result = self.system.run("scorecards", *arguments)
        assert result.exit_code == status, result.output
        return result

    # Traffic --------------------------------------------------------------------------------------------------

    def _traffic(self, leads: Iterable[int]) -> list[Event]:
        """The traits of these leads and some events of the last days, by arrival."""
        end_ms, found = now_ms(), list[Event]()
        for lead in leads:
            traits = {"title": self._chance.choice(TITLES), "employees": self._chance.choice((10, 500))}
            found.append(_event(lead, end_ms - SPAN_MS, {"type": "identify", "traits": traits}))
            for _ in range(self._chance.randint(1, 2 * EVENTS - 1)):
                found.append(_event(lead, end_ms - self._chance.randrange(SPAN_MS), self._call()))
        return sorted(found, key=lambda event: event.at_ms)

    def _call(self) -> dict[str, Any]:
        ((name, url),) = self._chance.choices(CALLS, WEIGHTS)
        if name == "page":
            return {"type": name, "properties": {"url": url, "path": url.removeprefix("https://acme.example")}}
        return {"type": "track", "event": name, "properties": {"automated": False}}

    def _send(self, events: list[Event]) -> None:
        asyncio.run(load(self.system.settings.kafka, self.system.settings.sources[0], events))
        self._sent += len(events)

    def _send_more(self) -> None:
        """Some events that arrive now, so that a publication has records before and after it."""
        leads = self._chance.sample(range(self.figures.leads), self.figures.leads // 50)
        self._send([_event(lead, now_ms(), self._call()) for lead in leads])

    # The outcome ----------------------------------------------------------------------------------------------

    def _alerts(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in self.system.records(self.system.settings.handoff)]

    def _causes(self) -> int:
        """The number of alerts that changes of the scorecards caused."""
        return sum(alert["data"]["cause"] == "scorecard_changed" for alert in self._alerts())

    def _export(self, at_ms: int) -> dict[str, str]:
        """Lead id -> the line of its export."""
        result = self.system.run("leads", "export", "--at", rfc3339(at_ms))
        assert result.exit_code == 0, result.output
        return {json.loads(line)["lead_id"]: line for line in result.stdout.splitlines()}

    def _count_disagreements(self, found: dict[str, str], at_ms: int) -> int:
        """The number of leads whose last alert until an instant does not agree with their exported stage."""
        inside = {i for i, line in found.items() if json.loads(line)["scorecards"]["default"]["stages"][STAGE]}
        told: set[str] = set()
        for alert in self._alerts():
            if alert["time"] <= rfc3339(at_ms):
                (told.add if alert["data"]["stage"]["kind"] == "entered" else told.discard)(alert["subject"])
        return len(inside ^ told)

    def _wait_until_done(self) -> None:
        """Return when every event is scored, every lead is settled, and every alert up to now is sent."""
        asyncio.run(self._until_done(now_ms()))

    async def _until_done(self, until_ms: int) -> None:
        settings, deadline_s = self.system.settings, time.monotonic() + STEP_S
        store, consumer = make_store(settings), make_consumer(settings)
        await consumer.start()
        try:
            while waiting := await self._describe_waiting(store, consumer, until_ms):
                assert time.monotonic() < deadline_s, waiting
                for worker in self._workers:
                    assert worker.process.poll() is None, worker.ended()
                await asyncio.sleep(POLL_S)
        finally:
            await consumer.stop()
            await store.close()

    async def _describe_waiting(self, store: Store, consumer: AIOKafkaConsumer, until_ms: int) -> str:
        """What is not done yet; empty if everything is."""
        checkpoints = 0
        for partition in range(PARTITIONS):
            fields, counts = (await store.control(partition)).fields, await store.counts(partition)
            checkpoints += int(fields.get("ckpt", b"0"))
            due = await store.next_due(partition)
            if fields.get("before") or counts["outbox"] or (due is not None and due < until_ms):
                return f"partition {partition}: {counts}, due {due}"
        places = [TopicPartition(self.system.settings.lead_events, p) for p in range(PARTITIONS)]
        end = sum((await consumer.end_offsets(places)).values())
        return "" if checkpoints == end >= self._sent else f"scored {checkpoints} of {end} records, {self._sent} sent"


def _event(lead: int, at_ms: int, call: dict[str, Any]) -> Event:
    call |= {"userId": f"u-{lead}", "messageId": f"{lead}-{at_ms}", "timestamp": rfc3339(at_ms)}
    return Event(f"u-{lead}", at_ms, json.dumps(call).encode())


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, text
    return int(found[1].replace(",", ""))


def main() -> None:
    """Run it on servers of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.publication", description=__doc__)
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=3)
    options = parser.parse_args()
    if options.leads < MIN_LEADS:
        parser.error(f"--leads must be at least {MIN_LEADS}, or the brake holds nothing back")
    with own_servers("leadglow-live-") as (kafka, redis, folder):
        file = folder / "scorecards.yaml"
        system = System(kafka, redis.address, f"live{now_ms()}", scorecards=str(file))
        figures = Run(system, file, Figures(options.leads, options.workers), print).run()
    width = max(len(name) for name, _ in figures.rows())
    for name, value in figures.rows():
        print(f"{name:{width}}  {value}")
    raise SystemExit(not figures.are_right)


if __name__ == "__main__":
    main()
