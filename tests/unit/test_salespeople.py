"""The demo's salespeople: the same alerts get the same verdicts, in a believable order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

from app.demo.generator import CRM
from app.demo.guest import GUEST
from app.demo.salespeople import SalesPeople
from streams.events.calls import check_call
from streams.events.verdict_calls import verdict_of
from streams.scoring.verdicts import KINDS, MAX_TEXT_BYTES
from streams.shard.alert import rfc3339
from streams.units import DAY_MS
from tests.properties.strategies import START_MS


def alert(number: int, state: str = "new", kind: str = "entered", lead_id: str = "") -> dict[str, Any]:
    traits = {"title": "CTO" if number % 3 else "Consultant", "employees": 100 + 10 * number}
    data = {"stage": {"kind": kind}, "sales": {"state": state}, "lead": {"traits": traits}}
    return {"id": f"a{number}", "subject": lead_id or f"u-{number:05}", "time": rfc3339(START_MS), "data": data}


def given(*alerts: dict[str, Any], days: int = 60) -> list[tuple[int, dict[str, Any]]]:
    people = SalesPeople(1)
    for each in alerts:
        people.take_alert(each)
    due = people.take_due(START_MS + days * DAY_MS)
    assert {message.source for _, message in due} <= {CRM}
    return [(at_ms, orjson.loads(message.value or b"")) for at_ms, message in due]


def test_leads_are_contacted_decided_and_some_are_won() -> None:
    found = given(*map(alert, range(200)))
    assert found == given(*map(alert, reversed(range(200))))
    calls = [verdict_of(check_call(event), event) for _, event in found]
    kinds = Counter(KINDS[call.kind] for call in calls if call is not None)
    assert kinds["owner"] == 200
    assert 200 > kinds["contacted"] == kinds["accepted"] + kinds["rejected"]
    assert kinds["accepted"] > kinds["opportunity"] > kinds["won"] > 10
    assert kinds["rejected"] > kinds["recycled"] > 0
    assert {call.currency for call in calls if call and KINDS[call.kind] == "won"} == {"EUR"}
    assert all(len(str(call.detail)) <= MAX_TEXT_BYTES for call in calls if call is not None)
    assert [at_ms for at_ms, _ in found] == sorted(at_ms for at_ms, _ in found)


def test_a_verdict_is_given_at_its_time() -> None:
    assert given(alert(1), days=0) == []


def test_leads_at_work_leaving_ones_and_the_guest_are_left_alone() -> None:
    assert given(alert(1, state="opportunity"), alert(2, kind="left"), alert(3, lead_id=GUEST)) == []
    assert given(alert(4, state="recycled"))
