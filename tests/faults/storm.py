"""A notifier between Kafka and receivers of all kinds, which is killed and started again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import orjson
import psutil
from aiokafka.admin import NewTopic

from tests.faults.rig import Rig, until
from tests.support.hostile import answer_by_chance
from tests.support.receivers import Receiver, alert_of, receiving, response

LEADS = 7
STORM = """
leadglow_routes: 1
destinations:
  good: {{webhook: {{url: "{good}"}}, allow_networks: 127.0.0.1}}
  hostile: {{webhook: {{url: "{hostile}"}}, allow_networks: 127.0.0.1}}
  digest: {{webhook: {{url: "{digest}"}}, allow_networks: 127.0.0.1}}
  forbidden: {{webhook: {{url: "{forbidden}"}}, allow_networks: 127.0.0.1}}
routes:
  - {{name: good, to: good}}
  - {{name: hostile, to: hostile}}
  - {{name: digest, to: digest, digest: {{every: 1s, zone: UTC}}}}
  - {{name: forbidden, to: forbidden}}
"""


def numbers_of(receiver: Receiver) -> dict[str, list[int]]:
    """The numbers of the alerts of each lead that a receiver got, each counted when it came first."""
    found: dict[str, list[int]] = {}
    for request in receiver.received:
        body = orjson.loads(request.body)
        for event in body if isinstance(body, list) else [body]:
            numbers = found.setdefault(event["subject"], [])
            number = int(event["id"].partition("-")[2])
            if number not in numbers:
                numbers.append(number)
    return found


@dataclass
class Notifiers:
    """Sends alerts, and replaces the notifier."""

    rig: Rig
    routes: Path
    names: Sequence[str]
    """Of the routes."""
    leads: int = LEADS
    sent: int = 0

    async def send(self, count: int) -> None:
        for _ in range(count):
            lead = self.sent % self.leads
            raw = alert_of(f"alert-{self.sent}", f"lead-{lead}").raw
            await self.rig._producer.send_and_wait(self.rig.topic("handoff"), raw, partition=lead % self.rig.partitions)
            self.sent += 1

    def start(self, crash_at: str = "") -> None:
        undelivered = self.rig.topic("undelivered")
        self.rig.start_notifier(crash_at, notify_routes=self.routes, undelivered=undelivered)

    async def kill(self) -> None:
        self.rig.workers[-1].kill()
        await self.rig.forget_members(*(f"{self.rig.name}-notify-{name}" for name in self.names))


@dataclass
class Storm:
    """Four routes: an honest receiver, a hostile one, digests, and an address that is not allowed."""

    notifiers: Notifiers
    chance: Random
    receivers: dict[str, Receiver]
    most_bytes: int = 0
    """The largest memory of a notifier so far."""

    async def run(self, kills: int, alerts: int, instant: Callable[[Storm], Awaitable[None]]) -> None:
        """Send alerts while the notifier is killed at instants; then the receivers are honest, and all must arrive."""
        rig = self.notifiers.rig
        self.notifiers.start()
        await until("a notifier", rig.workers[-1].ready, rig.said)
        for number in range(kills):
            await self.notifiers.send(alerts // (kills + 1))
            await instant(self)
            self._measure()
            await self.notifiers.kill()
            step = self.chance.choice(["sending", "sent"])
            self.notifiers.start(f"{step}:{self.chance.randrange(1, 30)}" if number % 3 == 0 else "")
        await self.notifiers.send(alerts - self.notifiers.sent)
        await self.notifiers.kill()
        self.receivers["hostile"].answers = [response(200)]
        self.notifiers.start()
        leads = self.notifiers.leads
        expected = {f"lead-{lead}": list(range(lead, alerts, leads)) for lead in range(leads)}
        for name in ("good", "hostile", "digest"):
            await until(f"all deliveries to {name}", partial(self._has, name, expected), rig.said)
        self._measure()

    async def _has(self, name: str, expected: dict[str, list[int]]) -> bool:
        return numbers_of(self.receivers[name]) == expected

    def _measure(self) -> None:
        worker = self.notifiers.rig.workers[-1]
        if worker.status is None:
            self.most_bytes = max(self.most_bytes, psutil.Process(worker.pid).memory_info().rss)

    @property
    def requests(self) -> int:
        return sum(len(receiver.received) for receiver in self.receivers.values())


@asynccontextmanager
async def open_storm(rig: Rig, folder: Path, seed: int, leads: int = LEADS) -> AsyncIterator[Storm]:
    """Receivers and a routes file; nothing runs yet."""
    await rig._admin.create_topics([NewTopic(rig.topic("undelivered"), 1, 1)])
    chance, routes = Random(seed), folder / "routes.yaml"
    async with AsyncExitStack() as stack:
        names = {"good": "127.0.0.1", "hostile": "127.0.0.1", "digest": "127.0.0.1", "forbidden": "127.0.0.2"}
        receivers = {name: await stack.enter_async_context(receiving(host=host)) for name, host in names.items()}
        answer_by_chance(receivers["hostile"], receivers["forbidden"].url, chance)
        routes.write_text(STORM.format(**{name: receiver.url for name, receiver in receivers.items()}))
        yield Storm(Notifiers(rig, routes, tuple(names), leads), chance, receivers)
