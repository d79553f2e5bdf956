"""Move, join and erase leads of many companies on a live system while its workers are killed, then compare accounts.

``python -m tests.live.accounts --leads 100000`` starts Kafka, Redis and two workers, and prints the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from aiokafka import TopicPartition

from app.wiring import make_consumer, make_store
from streams.clock import now_ms
from streams.scorefile import load
from streams.scoring.account_state import Account
from streams.scoring.accounts import values_of
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.score import published, read
from streams.scoring.stored import decode
from streams.shard.alert import rfc3339
from streams.store.base import Store
from tests.benchmarks.workload import Event
from tests.benchmarks.workload import load as send
from tests.live.steps import timed_step
from tests.support.own_servers import own_servers
from tests.support.system import PARTITIONS, ROOT, System, WorkerProcess

STEP_S: Final = 1800.0
"""No step may take longer."""
KILLS: Final = 6
"""Workers that are killed while the changes arrive, one after another."""
ACCOUNTS: Final = """    accounts:
      key: email domain
      roll_up: {top: 3}
      stages: [{name: target, enter: 120, leave: 80, handoff: true}]
    stages:
"""
CARD: Final = (ROOT / "scorecards.yaml").read_text().replace("    stages:\n", ACCOUNTS, 1)
CALLS: Final = ("Demo Requested", "Webinar Attended", "Ebook Downloaded", "Email Link Clicked")


@dataclass
class Figures:
    """What happened."""

    leads: int
    companies: int
    kills: int = 0
    accounts: int = 0
    members: int = 0
    wrong: int = 0
    """Accounts that are not what their leads give."""
    repeated: int = 0
    """Crossings of accounts with two alerts of different ids, or with the same id twice in a row."""
    alerts: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def rows(self) -> Iterator[tuple[str, str]]:
        """The figures with their names."""
        yield "leads, companies", f"{self.leads:,}, {self.companies:,}"
        yield "workers killed", f"{self.kills:,}"
        yield "accounts with leads, their leads", f"{self.accounts:,}, {self.members:,}"
        yield "accounts that are not what their leads give", f"{self.wrong:,} (must be 0)"
        yield "alerts about accounts", f"{self.alerts:,}"
        yield "accounts that entered or left twice in turn", f"{self.repeated:,} (must be 0)"
        for name, seconds in self.seconds.items():
            yield f"seconds: {name}", f"{seconds:.1f}"


class Run:
    """One run on a system with Kafka and Redis."""

    def __init__(self, system: System, figures: Figures) -> None:
        self.system, self.figures = system, figures
        self._chance, self._number, self._sent = Random(5), 0, 0
        self._workers: list[WorkerProcess] = []
        self.rules = Rules(load(CARD))

    def run(self) -> Figures:
        """Do everything; returns the figures."""
        assert self.system.run("topics", "create").exit_code == 0
        with ExitStack() as stack:
            self._start(stack)
            self._start(stack)
            with self._step("score all leads, without kills"):
                self._send(range(self.figures.leads))
                asyncio.run(self._wait())
            with self._step("moves, joins and erasures, with kills"):
                self._send_changes(stack)
                asyncio.run(self._wait())
            with self._step("until accounts are what their leads give"):
                asyncio.run(self._wait(compare=True))
        self._count_alerts()
        return self.figures

    def _start(self, stack: ExitStack) -> None:
        worker = stack.enter_context(self.system.worker())
        worker.wait_ready()
        self._workers.append(worker)

    def _step(self, name: str) -> AbstractContextManager[None]:
        return timed_step(self.figures.seconds, name, lambda said: print(said, file=sys.stderr))

    # Traffic ------------------------------------------------------------------------------------------------------

    def _send(self, leads: range) -> None:
        events = [event for lead in leads for event in (self._identify(lead), self._act(lead), self._act(lead))]
        self._write(events)

    def _send_changes(self, stack: ExitStack) -> None:
        """A third of the leads comes to other companies, some are joined and some erased; workers die meanwhile."""
        sample, events = self._chance.sample(range(self.figures.leads), self.figures.leads // 3), list[Event]()
        for i, lead in enumerate(sample):
            events += [self._identify(lead), self._act(self._chance.randrange(self.figures.leads))]
            if i % 10 == 0:
                other = self._chance.choice(sample)
                events.append(self._event(other, {"type": "alias", "previousId": f"u{lead}"}))
        share = len(events) // KILLS + 1
        for first in range(0, len(events), share):
            self._write(events[first : first + share])
            self._replace_worker(stack)
        for lead in sample[: max(len(sample) // 1000, 5)]:
            self.system.run("erase", f"u{lead}", "--yes")

    def _identify(self, lead: int) -> Event:
        domain = f"c{self._chance.randrange(self.figures.companies)}.example"
        return self._event(lead, {"type": "identify", "traits": {"email": f"u{lead}@{domain}", "title": "CTO"}})

    def _act(self, lead: int) -> Event:
        return self._event(lead, {"type": "track", "event": self._chance.choice(CALLS), "properties": {}})

    def _event(self, lead: int, call: dict[str, Any]) -> Event:
        self._number += 1
        call |= {"userId": f"u{lead}", "messageId": f"m{self._number}", "timestamp": rfc3339(now_ms())}
        return Event(f"u{lead}", now_ms(), json.dumps(call).encode())

    def _write(self, events: list[Event]) -> None:
        asyncio.run(send(self.system.settings.kafka, self.system.settings.sources[0], events))
        self._sent += len(events)

    # The outcome --------------------------------------------------------------------------------------------------

    async def _wait(self, compare: bool = False) -> None:
        """Wait until all is scored and sent."""
        store, deadline_s = make_store(self.system.settings), time.monotonic() + STEP_S
        try:
            while await self._is_busy(store) or (compare and await self._compare(store)):
                assert time.monotonic() < deadline_s, "not done in time"
                await asyncio.sleep(0.2)
        finally:
            await store.close()

    def _replace_worker(self, stack: ExitStack) -> None:
        worker = self._workers.pop(0)
        worker.process.kill()
        worker.process.wait()
        self.figures.kills += 1
        self._start(stack)

    async def _is_busy(self, store: Store) -> bool:
        """Whether something is not scored, not told or not sent."""
        consumer = make_consumer(self.system.settings)
        await consumer.start()
        try:
            places = [TopicPartition(self.system.settings.lead_events, p) for p in range(PARTITIONS)]
            end = sum((await consumer.end_offsets(places)).values())
        finally:
            await consumer.stop()
        done = 0
        for partition in range(PARTITIONS):
            counts = await store.counts(partition)
            if counts["outbox"] or counts["dirty"]:
                return True
            done += int((await store.control(partition)).fields.get("ckpt", b"0"))
        return not done == end >= self._sent

    async def _compare(self, store: Store) -> int:
        """Compare each account with its leads; returns the number of those that differ."""
        now, rules, found, given = await store.time_ms() - 250, self.rules, dict[str, Any](), dict[str, Any]()
        (card,) = rules.cards
        for partition in range(PARTITIONS):
            async for lead_id, blob in store.scan(partition):
                state = decode(blob)
                if isinstance(state, Account) and state.members:
                    found[state.value] = {each: member.score for each, member in state.members.items()}
                elif isinstance(state, Lead) and (value := values_of(rules, state).get(card.name)) is not None:
                    score = published(read(card, state, max(now, state.clock)).exact)
                    given.setdefault(value, {})[lead_id] = score
        self.figures.accounts, self.figures.members = len(found), sum(map(len, found.values()))
        self.figures.wrong = sum(found.get(value) != given.get(value) for value in found.keys() | given.keys())
        return self.figures.wrong

    def _count_alerts(self) -> None:
        inside, ids = dict[str, bool](), set[str]()
        for record in self.system.records(self.system.settings.handoff):
            alert = json.loads(record.value)
            if alert["subject"].startswith("account:") and alert["id"] not in ids:
                ids.add(alert["id"])
                entered = alert["data"]["stage"]["kind"] == "entered"
                self.figures.repeated += inside.get(alert["subject"], False) == entered
                inside[alert["subject"]] = entered
        self.figures.alerts = len(ids)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=3000)
    parser.add_argument("--companies", type=int, default=0, help="a tenth of the leads by default")
    options = parser.parse_args()
    figures = Figures(options.leads, options.companies or options.leads // 10)
    with own_servers("accounts-") as (kafka, redis, folder):
        file = folder / "scorecards.yaml"
        file.write_text(CARD)
        Run(System(kafka, redis.address, "accounts", scorecards=str(file)), figures).run()
    for name, value in figures.rows():
        print(f"{name:48} {value}")
    sys.exit(bool(figures.wrong or figures.repeated))


if __name__ == "__main__":
    main()
