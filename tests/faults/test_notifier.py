"""The notifier is killed again and again while its receivers fail: every alert arrives, in the order of its lead."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from app.notify.waiting import MOST_ALERTS
from tests.faults.rig import Rig, Worker, until
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
                await until("some deliveries", partial(_some, good, number * 3, rig.workers[-1]), rig.said)
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


async def _some(receiver: Receiver, count: int, notifier: Worker) -> bool:
    """Whether so many have arrived, or the notifier ended at a step before."""
    return len(receiver.received) >= count or notifier.status is not None


async def _are(receiver: Receiver, expected: dict[str, list[int]]) -> bool:
    return numbers_of(receiver) == expected


async def test_dead_letters_are_kept_and_delivered_once_by_a_replay(rig: Rig, tmp_path: Path) -> None:
    await rig._admin.create_topics([NewTopic(rig.topic("undelivered"), 1, 1)])
    async with receiving(response(422)) as good, receiving() as bad:
        routes = tmp_path / "routes.yaml"
        routes.write_text(ROUTES.format(good=good.url, bad=bad.url))
        notifiers = Notifiers(rig, routes, rig._producer)
        notifiers.start()
        await until("a notifier", rig.workers[-1].ready, rig.said)
        await notifiers.send(3)
        dead = partial(rig.workers[-1].metric, "leadglow_notify_alerts_total", route="good", outcome="undelivered")
        await until("three dead letters", partial(_at_least, dead, 3), rig.said)
        good.received.clear()
        good.answers = [response(200)]
        settings: dict[str, Any] = {"notify_routes": routes, "undelivered": rig.topic("undelivered")}
        first = await rig.command("notify", "replay", "--route", "good", **settings)
        second = await rig.command("notify", "replay", "--route", "good", **settings)

    assert first[0] == second[0] == 0, first[1]
    assert first[1].endswith("3 delivered, 0 undelivered\n"), first[1]
    assert second[1].endswith("0 delivered, 0 undelivered\n"), second[1]
    assert numbers_of(good) == {"lead-0": [0], "lead-1": [1], "lead-2": [2]}


async def test_what_waits_for_a_failing_destination_stays_in_kafka(rig: Rig, tmp_path: Path) -> None:
    await rig._admin.create_topics([NewTopic(rig.topic("undelivered"), 1, 1)])
    async with receiving() as good, receiving(response(410)) as bad:
        routes = tmp_path / "routes.yaml"
        routes.write_text(ROUTES.format(good=good.url, bad=bad.url))
        notifiers = Notifiers(rig, routes, rig._producer)
        notifiers.start()
        await until("a notifier", rig.workers[-1].ready, rig.said)
        raw, topic = alert_of("alert-0", "lead-0").raw, rig.topic("handoff")
        for future in [await rig._producer.send(topic, raw.replace(b"alert-0", b"alert-%d" % n), partition=0)
                       for n in range(MOST_ALERTS * 3)]:  # fmt: skip
            await future
        done = partial(rig.workers[-1].metric, "leadglow_notify_alerts_total", route="good")
        await until("the good route", partial(_at_least, done, MOST_ALERTS * 3), rig.said)
        waiting = await rig.workers[-1].metric("leadglow_notify_waiting_alerts", route="bad")
        disabled = await rig.workers[-1].metric("leadglow_notify_disabled", destination="bad")

    assert MOST_ALERTS <= waiting < MOST_ALERTS * 2
    assert disabled == 1
    assert len(bad.received) == 1


async def _at_least(read: Callable[[], Awaitable[float]], least: int) -> bool:
    return await read() >= least
