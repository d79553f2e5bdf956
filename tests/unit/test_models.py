"""Published scoring models as scorecards, and short histories with scores worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from streams.events.codec import Codec
from streams.scorefile import load, read_file
from streams.scoring.card_rules import CardRule
from streams.scoring.counting import DAY_MS
from streams.scoring.event import LeadEvent
from streams.scoring.explanation import explain
from streams.scoring.lead import Lead
from streams.scoring.obstacles import obstacles_of
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model
from streams.shard.alert import rfc3339
from tests.properties.driver import ShardDriver
from tests.unit.test_golden import Arriving, instant

DATA = Path(__file__).parents[1] / "data"
MODELS = {path.stem: path for path in sorted((DATA / "models").glob("[0-9]*.yaml"))}
HISTORIES = YAML(typ="safe").load(DATA / "models" / "histories.yaml")
TABLES = YAML(typ="safe").load(DATA / "models" / "tables.yaml")
LINES = [(model, line) for model, lines in TABLES.items() for line in lines]
CASES = [(model, about, case) for model, cases in HISTORIES.items() for about, case in cases.items()]
MONDAY = "2026-03-02T00:00:00Z"


def day_ms(day: float) -> int:
    return instant(MONDAY) + round(day * DAY_MS)


def call_of(row: dict[str, Any]) -> dict[str, Any]:
    """The call that a row of a history stands for."""
    if "page" in row:
        return {"type": "page", "properties": row["page"]}
    if "event" in row:
        return {"type": "track", "event": row["event"], "properties": row.get("with", {})}
    kind = "identify" if "identify" in row else "group"
    fields = {f"field_{number:02}": number for number in range(row.get("fields", 0))}
    return {"type": kind, "traits": {**fields, **row[kind]}}


def events_of(codec: Codec, rows: list[dict[str, Any]]) -> Iterator[LeadEvent]:
    for number, row in enumerate(rows):
        for again in range(row.get("times", 1)):
            call = {"userId": "lead-1", "messageId": f"m{row['day']}-{number}-{again}", **call_of(row)}
            call["timestamp"] = rfc3339(day_ms(row["day"]))
            event = codec.decode_event(Arriving(json.dumps(call).encode(), day_ms(row.get("arrives", row["day"]))))
            assert isinstance(event, LeadEvent)
            yield event


@cache
def file_of(model: str) -> Model:
    return load(MODELS[model].read_text())


def head_of(path: Path) -> list[str]:
    """The comment at the head of a model."""
    return list(takewhile(lambda line: line.startswith("#"), path.read_text().splitlines()))


def test_every_model_is_loaded_without_warnings() -> None:
    assert len(MODELS) == 18
    assert {name: read_file(path).warnings for name, path in MODELS.items()} == dict.fromkeys(MODELS, ())
    assert HISTORIES.keys() == MODELS.keys()


def test_every_model_names_its_source_and_what_it_does_not_express() -> None:
    heads = {name: head_of(path) for name, path in MODELS.items()}
    assert all(head[0].startswith(("# Source: ", "# Sources: ")) for head in heads.values())
    partly = {name for name, head in heads.items() if "# Not expressed:" in head}
    assert partly == {"01_gitlab_mql", "02_pardot", "13_marketo"}
    assert {name for name, head in heads.items() if "# Expressed fully." in head} == MODELS.keys() - partly


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize(("model", "about", "case"), CASES, ids=[f"{model}-{about}" for model, about, _ in CASES])
def test_a_history_is_scored_as_worked_out_by_hand(model: str, about: str, case: dict[str, Any]) -> None:
    assert_scored(Rules(file_of(model)), case, case["events"])


@pytest.mark.parametrize(("model", "line"), LINES, ids=[f"{model}-{line['gives']}" for model, line in LINES])
def test_a_line_of_a_table_gives_its_points(model: str, line: dict[str, Any]) -> None:
    rules = Rules(file_of(model))
    shard = ShardDriver(rules)
    for event in events_of(Codec(rules.paths), [{"day": 0, **line}]):
        shard.take(event, "reload")
    lead = shard.lead("lead-1")
    for name, points in line["gives"].items():
        cards = [explain(card, lead, day_ms(0), rules) for card in rules.cards if name in names_of(card)]
        found = {sum(part.points for part in card.parts if part.name == name) for card in cards if card.applies}
        assert found == {points}, name


def names_of(card: CardRule) -> set[str]:
    """The names of the parts that a scorecard may have."""
    return {*card.card.points, *(line.name or line.trait for line in card.card.fit)}


def assert_scored(rules: Rules, case: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Play the rows of a case, and compare the lead with what it expects on each day, and the alerts."""
    shard, waiting = ShardDriver(rules), list(events_of(Codec(rules.paths), rows))
    for expected in case["expect"]:
        now_ms = day_ms(expected["day"])
        while waiting and waiting[0].arrival <= now_ms:
            shard.take(waiting.pop(0), "reload")
        shard.advance_lead("lead-1", now_ms, "reload")
        assert_as_expected(rules, shard.lead("lead-1"), expected, now_ms)
    assert waiting == []
    alerts = [(t.at_ms, f"{t.card}/{t.stage}", t.kind, t.cause) for t in shard.transitions if t.is_alert]
    wanted = [(pytest.approx(day_ms(day), abs=10_000), *rest) for day, *rest in case["alerts"]]
    assert [alert[: len(row)] for alert, row in zip(alerts, wanted, strict=True)] == wanted


def assert_as_expected(rules: Rules, lead: Lead, expected: dict[str, Any], now_ms: int) -> None:
    shown = {card.name: explain(card, lead, now_ms, rules) for card in rules.cards}
    for card, exact in expected["exact"].items():
        assert shown[card].exact == pytest.approx(exact, abs=1e-4), card
        assert shown[card].score == int(exact), card
    assert {card: shown[card].grade for card in expected.get("grade", {})} == expected.get("grade", {})
    assert {key for key, latch in lead.latches.items() if latch.inside} == set(expected["in"])
    if "not_entered" in expected:
        found = obstacles_of(rules.cards[0], lead, now_ms, rules)
        obstacles = {
            stage: [{k: v for k, v in each.items() if k != "since"} for each in found[stage]] for stage in found
        }
        assert obstacles == expected["not_entered"]
    for name, points in expected.get("parts", {}).items():
        (part,) = (part for part in shown[rules.cards[0].name].parts if (part.kind, part.name) == ("signal", name))
        assert [part.points, part.points if part.after_caps is None else part.after_caps] == points
