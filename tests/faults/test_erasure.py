"""An erased lead does not reappear, even if older events arrive later."""

from __future__ import annotations

import json

from streams.events.identities import email_id
from streams.scoring.lead import Erased, Lead
from streams.scoring.stored import decode
from streams.transport.topics import partition_of
from tests.faults.feeding import feed
from tests.faults.oracle import Found
from tests.faults.rig import Rig
from tests.faults.workload import Sent, Workload

NAMES = ("gone", "cookie", email_id("gone@a.example"))


def call(number: int, **fields: object) -> Sent:
    return Sent("web-events", 0, json.dumps({"messageId": f"gone-{number}", **fields}).encode())


def of_gone() -> list[Sent]:
    """A lead with three ids, hot enough for an alert."""
    demo = {"type": "track", "event": "Demo Requested", "anonymousId": "cookie"}
    traits = {"email": "gone@a.example", "title": "CTO"}
    identify = {"type": "identify", "userId": "gone", "anonymousId": "cookie", "traits": traits}
    return [call(1, **demo), call(2, **identify), call(3, type="page", userId="gone")]


def state(found: Found, rig: Rig, name: str) -> object:
    blob = found.states[partition_of(name, rig.partitions)].get(name)
    return None if blob is None else decode(blob)


async def test_an_erased_lead_stays_gone(rig: Rig, workload: Workload) -> None:
    worker = rig.start_worker()
    await rig.send(of_gone())
    await feed(rig, workload, 3)
    found = await rig.promise_kept()
    assert isinstance(state(found, rig, "gone"), Lead)

    status, said = await rig.command("erase", "gone@a.example", "--yes")
    assert status == 0, said
    await feed(rig, workload, 2)
    found = await rig.promise_kept()
    assert all(isinstance(state(found, rig, name), Erased) for name in NAMES)
    home = partition_of("gone", rig.partitions)
    for card in rig.rules.cards:
        assert (
            "gone" in dict(await rig.store.top(home, card.name, 10_000)),
            await rig.store.history(home, card.name, ["gone"]),
        ) == (False, [b""])
    scores = {record.key: record.value for records in rig.of("lead-scores").values() for record in records}
    assert {key: value for key, value in scores.items() if key.startswith(b"gone")} == {
        b"gone": None,
        b"gone/hiring": None,
    }

    told = found.alerts
    await rig.stop_and_empty(worker)
    status, said = await rig.command("rebuild", "--yes")
    assert status == 0, said
    rig.start_worker()
    found = await rig.promise_kept()
    assert all(isinstance(state(found, rig, name), Erased) for name in NAMES)
    assert sorted(found.alerts) == sorted(told)

    await rig.send([call(4, type="page", userId="gone")])
    found = await rig.promise_kept()
    again = state(found, rig, "gone")
    assert isinstance(again, Lead)
    assert (sum(again.count), again.traits, again.aliases) == (1, {}, [])
