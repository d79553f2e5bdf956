"""The worked cases of the scorecard format, from records to scores and transitions, without any I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams.events.codec import Codec
from streams.events.rejects import Reject
from streams.events.times import parse_ms
from streams.scorefile import load
from streams.scoring.amounts import amount_at
from streams.scoring.explanation import explain
from streams.scoring.rules import Rules
from streams.scoring.score import read
from tests.properties.driver import ShardDriver

pytestmark = pytest.mark.usefixtures("implementation")

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
FILE: dict[str, Any] = json.loads((GOLDEN / "cases.json").read_text())
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in FILE["cases"]}
POINTS, SECONDS = FILE["tolerance"]["points"], FILE["tolerance"]["seconds"]


@dataclass
class Arriving:
    """A record of ``lead-events``."""

    value: bytes | None
    timestamp: int
    key: bytes | None = b"lead-1"
    headers: Iterable[tuple[str, bytes]] = ()


def instant(text: str) -> int:
    at_ms = parse_ms(text)
    assert at_ms is not None
    return at_ms


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules(load((GOLDEN / "scorecard.yaml").read_text()))


def play(rules: Rules, case: dict[str, Any], until_ms: int) -> ShardDriver:
    codec, shard = Codec(rules.paths), ShardDriver(rules)
    for row in case["events"]:
        arrival = instant(row["arrival"])
        if arrival <= until_ms:
            event = codec.decode_event(Arriving(json.dumps(row["event"]).encode(), arrival))
            assert not isinstance(event, Reject)
            shard.take(event, "reload")
    shard.advance_lead("lead-1", until_ms, "reload")
    return shard


@pytest.mark.parametrize("name", CASES)
def test_a_worked_case_reads_as_expected_at_every_instant(name: str, rules: Rules) -> None:
    (card,) = rules.cards
    for expected in CASES[name]["expect"]:
        now_ms = instant(expected["at"])
        lead = play(rules, CASES[name], now_ms).lead("lead-1")
        why = explain(card, lead, now_ms, rules)
        assert (why.score, why.grade) == (expected["score"], expected["grade"])
        assert why.exact == pytest.approx(expected["exact"], abs=POINTS)
        assert why.fit == pytest.approx(expected["fit"], abs=POINTS)
        assert why.engagement == pytest.approx(expected["engagement"], abs=POINTS)
        assert why.categories == pytest.approx(expected["categories"], abs=POINTS)
        inside = {stage: f"default/{stage}" in lead.latches for stage in expected["stages"]}
        inside = {s: known and lead.latches[f"default/{s}"].inside for s, known in inside.items()}
        assert inside == expected["stages"]


@pytest.mark.parametrize("name", CASES)
def test_a_worked_case_makes_the_expected_transitions(name: str, rules: Rules) -> None:
    case = CASES[name]
    made = play(rules, case, max(instant(row["at"]) for row in case["expect"])).transitions
    wanted = case["transitions"]
    assert [(t.stage, t.kind, t.is_alert) for t in made] == [
        (row["stage"], row["kind"], row["published"]) for row in wanted
    ]
    for transition, row in zip(made, wanted, strict=True):
        assert transition.at_ms / 1000 == pytest.approx(instant(row["at"]) / 1000, abs=SECONDS)


def test_the_golden_file_has_all_its_cases() -> None:
    assert len(CASES) == 16
    assert sum(len(case["transitions"]) for case in CASES.values()) > 10


SECOND: dict[str, Any] = json.loads((GOLDEN / "v2.json").read_text())
SECOND_CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in SECOND["cases"]}


@pytest.fixture(scope="module")
def second_rules() -> Rules:
    return Rules(load((GOLDEN / "v2.yaml").read_text()))


@pytest.mark.parametrize("name", SECOND_CASES)
def test_a_worked_case_of_the_second_version_reads_as_expected_at_every_instant(name: str, second_rules: Rules) -> None:
    for expected in SECOND_CASES[name]["expect"]:
        now_ms = instant(expected["at"])
        lead = play(second_rules, SECOND_CASES[name], now_ms).lead("lead-1")
        amounts = {signal: amount_at(rule, lead, now_ms) for signal, rule in second_rules.signals.items()}
        assert {key: each for key, each in amounts.items() if each} == pytest.approx(expected["amounts"], abs=POINTS)
        for card in second_rules.cards:
            wanted = expected["scorecards"][card.name]
            why, reading = explain(card, lead, now_ms, second_rules), read(card, lead, now_ms)
            assert (why.score, why.grade, reading.whole) == (wanted["score"], wanted["grade"], wanted["rank"])
            found = (why.exact, why.fit, why.engagement, sum(part.points for part in why.parts))
            assert found == pytest.approx(
                (wanted["exact"], wanted["fit"], wanted["engagement"], wanted["exact"]), abs=POINTS
            )
            latches = {key: lead.latches.get(f"{card.name}/{key}") for key in wanted["stages"]}
            inside = {key: latch is not None and latch.inside for key, latch in latches.items()}
            assert inside == wanted["stages"]


@pytest.mark.parametrize("name", SECOND_CASES)
def test_a_worked_case_of_the_second_version_makes_the_expected_transitions(name: str, second_rules: Rules) -> None:
    case = SECOND_CASES[name]
    made = play(second_rules, case, max(instant(row["at"]) for row in case["expect"])).transitions
    wanted = case["transitions"]
    assert [(t.card, t.stage, t.kind, t.is_alert) for t in made] == [
        (row["scorecard"], row["stage"], row["kind"], row["published"]) for row in wanted
    ]
    for transition, row in zip(made, wanted, strict=True):
        assert transition.at_ms / 1000 == pytest.approx(instant(row["at"]) / 1000, abs=SECONDS)
