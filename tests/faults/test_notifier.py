"""The notifier is killed again and again while its receivers fail: every alert arrives, in the order of its lead."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from tests.faults.rig import Rig, until
from tests.support.receivers import Receiver, alert_of, receiving, response

KILLS = 20
LEADS = 7
ALERTS = 210
ROUTES = """
leadglow_routes: 1
destinations:
  good: {{webhook: {{url: "{good}"}}, allow_networks: 127.0.0.1}}
  bad: {{webhook: {{url: "{bad}"}}, allow_networks: 127.0.0.1, rate: 100/s}}
routes:
  - {{name: good, to: good}}
  - {{name: bad, to: bad}}
"""


def numbers_of(receiver: Receiver) -> dict[str, list[int]]:
    """The numbers of the alerts that each lead's receiver got, each counted when it came first."""
    found: dict[str, list[int]] = {}
    for request in receiver.received:
        event = orjson.loads(request.body)
        numbers = found.setdefault(event["subject"], [])
        number = int(event["id"].partition("-")[2])
        if number not in numbers:
            numbers.append(number)
    return found


class Notifiers:
    """Sends alerts, and replaces the notifier."""

    def __init__(self, rig: Rig, routes: Path, producer: AIOKafkaProducer) -> None:
        self.rig, self.routes, self.producer, self.sent = rig, routes, producer, 0

    async def send(self, count: int) -> None:
        for _ in range(count):
            lead = self.sent % LEADS
            raw = alert_of(f"alert-{self.sent}", f"lead-{lead}").raw
            await self.producer.send_and_wait(self.rig.topic("handoff"), raw, partition=lead % self.rig.partitions)
            self.sent += 1

    def start(self, crash_at: str = "") -> None:
        undelivered = self.rig.topic("undelivered")
        self.rig.start_notifier(crash_at, notify_routes=self.routes, undelivered=undelivered)

    async def kill(self) -> None:
        self.rig.workers[-1].kill()
        await self.rig.forget_members(f"{self.rig.name}-notify-good", f"{self.rig.name}-notify-bad")


async def test_twenty_kills_lose_nothing_and_one_bad_destination_stops_no_other(rig: Rig, tmp_path: Path) -> None:
    chance = random.Random(5)
    await rig._admin.create_topics([NewTopic(rig.topic("undelivered"), 1, 1)])
    async with receiving() as good, receiving(response(500)) as bad:
        routes = tmp_path / "routes.yaml"
        routes.write_text(ROUTES.format(good=good.url, bad=bad.url))
        notifiers = Notifiers(rig, routes, rig._producer)
        notifiers.start()
        await until("a notifier", rig.workers[-1].ready, rig.said)
        for number in range(KILLS):
            await notifiers.send(ALERTS // (KILLS + 1))
            if number % 2:
                await until("some deliveries", partial(_some, good, number * 3), rig.said)
            await notifiers.kill()
            notifiers.start(f"{chance.choice(['sending', 'sent'])}:{chance.randrange(1, 9)}" if number % 4 == 0 else "")
        await notifiers.send(ALERTS - notifiers.sent)
        await notifiers.kill()
        notifiers.start()

        expected = {f"lead-{lead}": list(range(lead, ALERTS, LEADS)) for lead in range(LEADS)}
        await until("all deliveries", partial(_are, good, expected), lambda: f"{numbers_of(good)}\n{rig.said()}")
        assert bad.received
        bad.received.clear()
        bad.answers = [response(200)]
        await until("the other deliveries", partial(_are, bad, expected), lambda: f"{numbers_of(bad)}\n{rig.said()}")


async def _some(receiver: Receiver, count: int) -> bool:
    return len(receiver.received) >= count


async def _are(receiver: Receiver, expected: dict[str, list[int]]) -> bool:
    return numbers_of(receiver) == expected
