"""What goes out: alerts that meet their schema and CloudEvents, and lines of lead-scores."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator

from streams.events.times import parse_ms
from streams.schemas.handoff import ALERT
from streams.scoring.counting import DAY_MS
from streams.scoring.event import ANONYMOUS, USER, Identity, Join
from streams.scoring.rules import Rules
from streams.scoring.scorecard import FitLine, Model, Points, Scorecard, Signal, Stage
from streams.scoring.scorecard import Test as Where
from streams.scoring.stages import standing
from streams.shard.alert import alert, rfc3339, score_record
from tests.properties.driver import ShardDriver, run
from tests.properties.strategies import START_MS, Fact

SCHEMA = ALERT.to_json()
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
SIGNALS = tuple(Signal(f"s{i}", (f"Event {i}",), half_life_ms=float(DAY_MS * (i + 1))) for i in range(14))
CARD = Scorecard(
    "default",
    {signal.name: Points(3.0 + i / 7) for i, signal in enumerate(SIGNALS)},
    label="Whole company",
    fit=(FitLine("title", Where("title", "equals", "CTO"), 20.0, label="Decision maker"),),
    grades=(("A", 50.0), ("B", 0.0)),
    stages=(Stage("hot", 30.0, 22.0, cooldown_ms=DAY_MS, handoff=True), Stage("warm", 5.0, 1.0)),
)
RULES = Rules(Model(SIGNALS, (CARD,), "ab" * 32))
TRAITS = {"title": "CTO", "email": "ana@acme.example", "größe": 1.5}


def history(lead_id: str = "u-42", traits: dict[str, Any] | None = None) -> ShardDriver:
    facts = [Fact("identify", "id", START_MS, traits=traits or TRAITS, touch=("google", "cpc", "spring"))]
    facts += [Fact(f"Event {i}", f"m{i}", START_MS + i, touch=("news", "", "")) for i in range(14)]
    events = [fact.event(RULES, fact.at, lead_id) for fact in facts]
    return run(RULES, events, until_ms=START_MS + 80 * DAY_MS)


def alerts(shard: ShardDriver) -> list[dict[str, Any]]:
    told = [crossing for crossing in shard.crossings if crossing.transition.is_alert]
    return [json.loads(alert(crossing, RULES, "https://board.example/")) for crossing in told]


def test_alerts_meet_their_schema() -> None:
    entered, left = alerts(history())
    for event in (entered, left):
        VALIDATOR.validate(event["data"])
    assert (entered["data"]["threshold"]["direction"], left["data"]["threshold"]["direction"]) == (
        "up",
        "down",
    )
    assert (entered["data"]["threshold"]["value"], left["data"]["threshold"]["value"]) == (30.0, 22.0)


def test_alerts_are_cloudevents() -> None:
    entered, left = alerts(history())
    assert (entered["type"], left["type"]) == ("leadglow.stage.entered.v1", "leadglow.stage.left.v1")
    for event in (entered, left):
        required = {"specversion", "id", "source", "type"}
        optional = {"subject", "time", "datacontenttype", "dataschema", "data"}
        assert required <= set(event)
        extensions = set(event) - required - optional
        assert extensions == {"partitionkey"}
        assert all(name.isalnum() and name == name.lower() for name in extensions)
        assert event["specversion"] == "1.0"
        assert event["datacontenttype"] == "application/json"
        assert event["subject"] == event["partitionkey"] == "u-42"
        assert event["source"] == "/leadglow/default"
        assert str(UUID(event["id"])) == event["id"] == event["data"]["handoff_id"]
        assert event["dataschema"] == SCHEMA["$id"]


def test_the_cloudevents_library_reads_an_alert() -> None:
    crossing = next(crossing for crossing in history().crossings if crossing.transition.is_alert)
    event = JSONFormat().read(CloudEvent, alert(crossing, RULES, ""))
    at, data = event.get_time(), event.get_data()
    assert at is not None
    assert isinstance(data, dict)
    assert event.get_id() == crossing.transition.alert_id
    assert round(at.timestamp() * 1000) == crossing.transition.at_ms
    assert data["lead"]["lead_id"] == "u-42"
    assert "links" not in data


def test_an_alert_names_its_lead_reasons_and_cause() -> None:
    entered, left = (event["data"] for event in alerts(history()))
    assert entered["lead"] == {
        "lead_id": "u-42",
        "anonymous_ids": [],
        "traits": TRAITS,
        "email": TRAITS["email"],
    }
    assert entered["cause"] == "event"
    assert entered["triggering_event"]["event_id"] == "m3"
    assert entered["triggering_event"]["type"] == "Event 3"
    assert entered["score"]["previous"] < 30.0 <= entered["score"]["value"]
    assert left["cause"] == "decay"
    assert left["triggering_event"]["type"] == "decay"
    assert left["score"]["value"] < 22.0 <= left["score"]["previous"]
    assert entered["channels"]["first_touch"]["source"] == "google"
    assert left["channels"]["last_touch"] == {
        "at": rfc3339(START_MS + 13), "source": "news", "medium": "", "campaign": "",
    }  # fmt: skip
    assert entered["scorecard"] == {"name": "default", "label": "Whole company", "version": "ab" * 32}
    reason = {"rule": "title", "label": "Decision maker", "kind": "fit", "points": 20.0, "count": 0}
    assert entered["reasons"][0] == reason
    assert (entered["stage"]["label"], left["activity"]["recent"][0]["label"]) == ("hot", "s13")
    assert left["activity"]["events_total"] == 14


def test_of_many_reasons_the_weightiest_are_named_and_the_rest_summed() -> None:
    left = alerts(history())[-1]["data"]
    assert len(left["reasons"]) == 10
    assert left["reasons"][-1]["rule"] == "others"
    weights = [abs(reason["points"]) for reason in left["reasons"][:-1]]
    assert weights == sorted(weights, reverse=True)
    assert sum(round(reason["points"] * 1e9) for reason in left["reasons"]) == round(left["score"]["value"] * 1e9)


@pytest.mark.parametrize("lead_id", ["a b", "ä/ö?", "x#y", "a%2Fb", "<script>", "u:1"])
def test_a_link_leads_to_its_lead_for_any_id(lead_id: str) -> None:
    event = alerts(history(lead_id))[0]
    VALIDATOR.validate(event["data"])
    link = event["data"]["links"]["lead"]
    assert link.isascii()
    assert " " not in link
    parts = urlsplit(link)
    assert (parts.query, parts.fragment) == ("", "")
    assert parts.path.count("/") == 2
    assert unquote(parts.path) == f"/leads/{lead_id}"


@pytest.mark.parametrize("email", ["nobody", 7, True])
def test_an_email_that_is_none_is_left_to_the_traits(email: Any) -> None:
    event = alerts(history(traits={"title": "CTO", "email": email}))[0]
    VALIDATOR.validate(event["data"])
    assert "email" not in event["data"]["lead"]
    assert event["data"]["lead"]["traits"]["email"] == email


def test_a_record_of_lead_scores_has_the_documented_fields() -> None:
    (card,) = RULES.cards
    shard = history()
    row = json.loads(
        score_record("u-42", card, standing(card, shard.lead("u-42"), START_MS + 80 * DAY_MS), RULES.version)
    )
    assert set(row) == {
        "lead_id", "scorecard", "score", "grade", "stage", "fit", "engagement", "applies", "shadow", "version", "at",
    }  # fmt: skip
    assert (row["lead_id"], row["scorecard"], row["stage"], row["fit"]) == ("u-42", "default", "warm", 20.0)
    assert row["at"] == "2026-03-27T00:00:00.000Z"


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (START_MS + 7, "2026-01-06T00:00:00.007Z"),
    ],
)
def test_times_are_rfc_3339_and_read_back(at_ms: int, text: str) -> None:
    assert rfc3339(at_ms) == text
    assert parse_ms(text) == at_ms


@pytest.mark.parametrize(("at_ms", "year"), [(-(10**15), "1970"), (10**15, "9999")])
def test_an_impossible_time_is_written_as_the_nearest_possible_one(at_ms: int, year: str) -> None:
    assert rfc3339(at_ms).startswith(year)


def test_the_last_alert_of_a_joined_lead_names_the_lead_that_it_is_part_of() -> None:
    shard = history("v")
    shard.crossings.clear()
    facts = [Fact(f"Event {i}", f"n{i}", START_MS + 90 * DAY_MS) for i in range(14)]
    for fact in facts:
        shard.take(fact.event(RULES, fact.at, "v"))
    shard.take(Join(Identity(ANONYMOUS, "v"), Identity(USER, "u"), START_MS + 91 * DAY_MS))
    shard.drain()
    _, left, entered = alerts(shard)
    for event in (left, entered):
        VALIDATOR.validate(event["data"])
        assert (event["data"]["cause"], event["time"]) == ("merged", rfc3339(START_MS + 91 * DAY_MS))
    assert (left["subject"], left["data"]["stage"]["kind"], left["data"]["merged_into"]) == ("v", "left", "u")
    assert (entered["subject"], entered["data"]["stage"]["kind"]) == ("u", "entered")
    assert "merged_into" not in entered["data"]
