"""The worked cases, through the running system: records on Kafka, a worker process, ``lead show --at``.

The cases are moved by whole weeks into the future: the wall clock has no say there, and TIME is now or later. Those of
the second version of the format are moved by 28 years, after which the days of the week are those of the same dates.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from streams.clock import now_ms
from streams.shard.alert import rfc3339
from tests.support.servers import Running
from tests.support.system import System

DATA = Path(__file__).parents[1] / "data/golden"
GOLDEN: dict[str, Any] = json.loads((DATA / "cases.json").read_text())
CASES = {case["name"]: case for case in GOLDEN["cases"]}
POINTS = GOLDEN["tolerance"]["points"]
MS = GOLDEN["tolerance"]["seconds"] * 1000
WEEK_MS = 7 * 86_400_000
YEARS_28_MS = 28 * 365.25 * 86_400_000
SECOND: list[dict[str, Any]] = json.loads((DATA / "v2.json").read_text())["cases"]
INSTANTS = [(case, expected) for case in SECOND for expected in case["expect"]]
TIMES = ("timestamp", "originalTimestamp", "sentAt")


@pytest.fixture(scope="module")
def system(kafka: Running, redis_server: Running) -> Iterator[System]:
    """One worker for all cases."""
    system = System(kafka, redis_server.address, f"golden{now_ms()}")
    assert system.run("topics", "create").exit_code == 0
    with system.worker() as worker:
        worker.wait_ready()
        yield system
        assert worker.stop()[0] == 0


def at_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def shift_ms(case: dict[str, Any]) -> int:
    """Full weeks, so that calendar days and weeks stay the same; no event may be due now."""
    first = min(at_ms(item["arrival"]) for item in case["events"])
    return (now_ms() - first) // WEEK_MS * WEEK_MS + 2 * WEEK_MS


def moved(text: str, shift: int) -> str:
    return rfc3339(at_ms(text) + shift)


def events_of(case: dict[str, Any], shift: int, lead_id: str = "") -> list[tuple[int, dict[str, Any]]]:
    """(arrival, event), for a lead of the case's own."""
    found = []
    for item in case["events"]:
        event = {**item["event"], "userId": lead_id or case["name"]}
        event |= {key: moved(event[key], shift) for key in TIMES if key in event}
        found.append((at_ms(item["arrival"]) + shift, event))
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_worked_case_holds_in_the_running_system(name: str, system: System) -> None:
    case = CASES[name]
    shift = shift_ms(case)
    waiting = events_of(case, shift)

    for expected in case["expect"]:
        at = at_ms(expected["at"]) + shift
        system.send([item for item in waiting if item[0] <= at], system.settings.lead_events)
        waiting = [item for item in waiting if item[0] > at]
        system.wait_until_scored()
        shown = system.json("lead", "show", name, "--at", rfc3339(at))["scorecards"]["default"]

        assert_as_expected(shown, expected)
    system.wait_until_published()
    assert alerts_of(system, name, shift) == expected_alerts(case)


def assert_as_expected(shown: dict[str, Any], expected: dict[str, Any]) -> None:
    for key in ("exact", "fit", "engagement", "categories"):
        assert shown[key] == pytest.approx(expected[key], abs=POINTS), key
    for key in ("score", "grade", "stages"):
        assert shown[key] == expected[key], key
    assert sum(part["points"] for part in shown["parts"]) == pytest.approx(shown["exact"], abs=1e-8)


def alerts_of(system: System, lead_id: str, shift: int) -> list[tuple[str, str, Any]]:
    events = [json.loads(record.value) for record in system.records(system.settings.handoff)]
    mine = sorted((event for event in events if event["subject"] == lead_id), key=lambda event: event["time"])
    return [
        (event["data"]["stage"]["name"], event["data"]["stage"]["kind"], at_ms(event["time"]) - shift) for event in mine
    ]


def expected_alerts(case: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """The transitions published by the last event; the timer publishes the others when they are due."""
    last = max(at_ms(item["arrival"]) for item in case["events"])
    told = [t for t in case["transitions"] if t["published"] and at_ms(t["at"]) <= last]
    return [(t["stage"], t["kind"], pytest.approx(at_ms(t["at"]), abs=MS)) for t in told]


def test_the_cases_have_alerts_to_compare() -> None:
    assert sum(len(expected_alerts(case)) for case in CASES.values()) > 3


@pytest.fixture(scope="module")
def second(kafka: Running, redis_server: Running) -> Iterator[System]:
    """A system that has scored every case of the second version: up to each of its instants, as a lead of its own."""
    name = f"second{now_ms()}"
    system = System(kafka, redis_server.address, name, scorecards=str(DATA / "v2.yaml"))
    assert system.run("topics", "create").exit_code == 0
    sent = [
        item
        for case, expected in INSTANTS
        for item in events_of(case, int(YEARS_28_MS), lead_of(case, expected))
        if item[0] <= at_ms(expected["at"]) + YEARS_28_MS
    ]
    system.send(sorted(sent, key=lambda item: item[0]), system.settings.lead_events)
    with system.worker() as worker:
        worker.wait_ready()
        system.wait_until_scored()
        system.wait_until_published()
        yield system
        assert worker.stop()[0] == 0


def lead_of(case: dict[str, Any], expected: dict[str, Any]) -> str:
    return f"{case['name']} {expected['at']}"


def test_the_worked_cases_of_the_second_version_hold_at_every_instant(second: System) -> None:
    for case, expected in INSTANTS:
        at = moved(expected["at"], int(YEARS_28_MS))
        shown = second.json("lead", "show", lead_of(case, expected), "--at", at)["scorecards"]
        assert shown.keys() == expected["scorecards"].keys()
        for card, wanted in expected["scorecards"].items():
            assert_as_expected(shown[card], {"categories": shown[card]["categories"], **wanted})
            assert_amounts(shown[card]["parts"], expected["amounts"])


def assert_amounts(parts: list[dict[str, Any]], wanted: dict[str, float]) -> None:
    """The amounts that the parts show are those of the case; a signal without one has no part or an absence."""
    for part in parts:
        if part["kind"] == "signal":
            assert part["amount"] == pytest.approx(wanted.get(part["name"], 0), abs=POINTS), part["name"]


def test_the_worked_cases_of_the_second_version_send_their_alerts(second: System) -> None:
    events = [json.loads(record.value) for record in second.records(second.settings.handoff)]
    found: dict[str, list[Any]] = {}
    for event in sorted(events, key=lambda event: event["time"]):
        data = event["data"]
        row = (data["scorecard"]["name"], data["stage"]["name"], data["stage"]["kind"])
        found.setdefault(event["subject"], []).append((*row, at_ms(event["time"]) - YEARS_28_MS))
    for case, expected in INSTANTS:
        arrivals = [at_ms(item["arrival"]) for item in case["events"]]
        last = max(at for at in arrivals if at <= at_ms(expected["at"]))
        wanted = [t for t in case["transitions"] if t["published"] and at_ms(t["at"]) <= last]
        assert found.get(lead_of(case, expected), []) == [
            (t["scorecard"], t["stage"], t["kind"], pytest.approx(at_ms(t["at"]), abs=MS)) for t in wanted
        ]
    assert len(events) > 10
