"""The notifier under receivers that fail and lie, and under kills: every alert arrives, in the order of its lead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import NewTopic

from app.notify.waiting import MOST_ALERTS
from tests.faults.rig import Rig, until
from tests.faults.storm import Notifiers, Storm, numbers_of, open_storm
from tests.support.receivers import Receiver, alert_of, receiving, response

pytestmark = pytest.mark.usefixtures("_apache_kafka")
KILLS = 5
ALERTS = 210
MOST_BYTES = 200 * 1024 * 1024
ROUTES = """
leadglow_routes: 1
destinations:
  good: {{webhook: {{url: "{good}"}}, allow_networks: 127.0.0.1}}
  bad: {{webhook: {{url: "{bad}"}}, allow_networks: 127.0.0.1, rate: 100/s}}
routes:
  - {{name: good, to: good}}
  - {{name: bad, to: bad}}
"""


async def test_kills_and_hostile_receivers_lose_nothing_and_nothing_goes_to_a_private_address(
    rig: Rig, tmp_path: Path
) -> None:
    async with open_storm(rig, tmp_path, seed=5) as storm:
        await storm.run(KILLS, ALERTS, _some_requests)

    assert storm.receivers["forbidden"].received == []
    assert {request.path for request in storm.receivers["hostile"].received} == {"/hook"}
    assert 0 < storm.most_bytes < MOST_BYTES


async def _some_requests(storm: Storm) -> None:
    """Return after some more requests, or when the notifier has ended itself."""
    least = storm.requests + storm.chance.randrange(1, 40)
    notifier = storm.notifiers.rig.workers[-1]

    async def arrived() -> bool:
        return storm.requests >= least or notifier.status is not None

    await until("some requests", arrived, storm.notifiers.rig.said)


async def test_dead_letters_are_kept_and_delivered_once_by_a_replay(rig: Rig, tmp_path: Path) -> None:
    await rig._admin.create_topics([NewTopic(rig.topic("undelivered"), 1, 1)])
    async with receiving(response(422)) as good, receiving() as bad:
        routes = tmp_path / "routes.yaml"
        routes.write_text(ROUTES.format(good=good.url, bad=bad.url))
        notifiers = Notifiers(rig, routes, ("good", "bad"))
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


async def test_what_waits_for_a_disabled_destination_stays_in_kafka_until_the_routes_file_changes(
    rig: Rig, tmp_path: Path
) -> None:
    await rig._admin.create_topics([NewTopic(rig.topic("undelivered"), 1, 1)])
    async with receiving() as good, receiving(response(410)) as bad:
        routes = tmp_path / "routes.yaml"
        routes.write_text(ROUTES.format(good=good.url, bad=bad.url))
        notifiers = Notifiers(rig, routes, ("good", "bad"))
        notifiers.start()
        notifier = rig.workers[-1]
        await until("a notifier", notifier.ready, rig.said)
        raw, topic = alert_of("alert-0", "lead-0").raw, rig.topic("handoff")
        for future in [await rig._producer.send(topic, raw.replace(b"alert-0", b"alert-%d" % n), partition=0)
                       for n in range(MOST_ALERTS * 3)]:  # fmt: skip
            await future
        done = partial(notifier.metric, "leadglow_notify_alerts_total", route="good")
        await until("the good route", partial(_at_least, done, MOST_ALERTS * 3), rig.said)
        waiting = await notifier.metric("leadglow_notify_waiting_alerts", route="bad")
        disabled = await notifier.metric("leadglow_notify_disabled", destination="bad")
        assert MOST_ALERTS <= waiting < MOST_ALERTS * 2
        assert disabled == 1
        assert len(bad.received) == 1

        routes.write_text("leadglow_routes: 1\nrouts: []\n")
        errors = partial(notifier.metric, "leadglow_file_reload_errors_total", file="routes")
        await until("a refused file", partial(_at_least, errors, 1), rig.said)
        assert "routes.yaml:2:1: unknown key" in notifier.log
        good.received.clear()
        await rig._producer.send_and_wait(topic, raw.replace(b"alert-0", b"alert-%d" % (MOST_ALERTS * 3)), partition=0)
        await until("the old file at work", partial(_has_received, good, 1), rig.said)

        bad.answers = [response(200)]
        routes.write_text(ROUTES.format(good=good.url, bad=bad.url).replace("100/s", "10000/s"))
        await until("what waited", partial(_has_received, bad, 100), rig.said)
        assert numbers_of(bad)["lead-0"][:99] == list(range(99))  # the first one came twice
        assert await notifier.metric("leadglow_notify_disabled", destination="bad") == 0
        assert numbers_of(good) == {"lead-0": [MOST_ALERTS * 3]}


async def _has_received(receiver: Receiver, least: int) -> bool:
    return len(receiver.received) >= least


async def _at_least(read: Callable[[], Awaitable[float]], least: int) -> bool:
    return await read() >= least
