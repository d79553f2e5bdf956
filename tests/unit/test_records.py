"""The described records are those that the product makes: no field is missing, and none is invented."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docs.record_examples import examples
from streams.events.codec import Codec
from streams.events.rejects import REASONS, REJECTED_BYTES, Reject, reject_record
from streams.schemas import RECORDS
from streams.schemas.fields import Field
from streams.scorefile import load
from streams.scoring.counting import DAY_MS
from streams.scoring.event import ANONYMOUS, EMAIL, USER, Contribution, Erase, Identity, LeadEvent, Retract, join
from streams.scoring.lead import Lead
from streams.scoring.outcome import Crossing
from streams.scoring.replay import Input
from streams.scoring.rules import Rules
from streams.scoring.scorecard import (
    Accounts,
    Block,
    Category,
    FitLine,
    Limit,
    Model,
    Points,
    SalesTerms,
    Scorecard,
    Signal,
    Stage,
)
from streams.scoring.scorecard import Test as Where
from streams.scoring.stages import standing
from streams.scoring.verdicts import KINDS, OPPORTUNITY, REJECTED, WON, SalesCall, event_of
from streams.shard.account_alert import account_alert, account_of
from streams.shard.alert import alert, score_record
from tests.properties.driver import ShardDriver
from tests.properties.strategies import START_MS, Fact, a_model, some_inputs
from tests.support.implementations import AnyScorer
from tests.unit.test_alert import RULES, history
from tests.unit.test_golden import CASES, GOLDEN, instant
from tests.unit.test_golden import play as play_case

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/records.md").read_text()
BOARD = "https://board.example"
SEEDS = 300
PEOPLE = [Identity(USER, "u"), Identity(USER, "w"), Identity(EMAIL, "e"), Identity(ANONYMOUS, "a")]
Kind = str
Produced = dict[Kind, list[dict[str, Any]]]


def strict(schema: Any) -> Any:
    """The same schema without room for unknown fields."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {} if "properties" not in schema else {"additionalProperties": False}
    return {name: strict(each) for name, each in schema.items()} | closed


VALIDATORS = {
    name: Draft202012Validator(strict(record.to_json()), format_checker=Draft202012Validator.FORMAT_CHECKER)
    for name, record in RECORDS.items()
}


# What the product makes ---------------------------------------------------------------------------------------


def alerts_of(crossings: Sequence[Crossing], rules: Rules, board: str = BOARD) -> list[dict[str, Any]]:
    return [json.loads(alert(each, rules, board)) for each in crossings if each.transition.is_alert]


def scores_of(shard: Any, now_ms: int) -> list[dict[str, Any]]:
    leads = {lead_id: shard.state(lead_id) for lead_id in shard.blobs}
    return [
        json.loads(score_record(lead_id, card, standing(card, lead, now_ms), shard.rules.version))
        for lead_id, lead in leads.items()
        if isinstance(lead, Lead)
        for card in shard.rules.cards
    ]


def golden() -> Iterator[tuple[Any, int]]:
    rules = Rules(load((GOLDEN / "scorecard.yaml").read_text()))
    for case in CASES.values():
        until_ms = max(instant(row["at"]) for row in case["expect"])
        yield play_case(rules, case, until_ms), until_ms


def histories() -> Iterator[tuple[Any, int]]:
    """Random leads that are joined and erased, and whose events are retracted, on one or two random scorecards."""
    for seed in range(SEEDS):
        chance = Random(seed)
        rules = Rules(a_model(chance))
        shard, arrival = ShardDriver(rules), 0
        for fact, arrival in some_inputs(chance, most=24):
            shard.take(fact.event(rules, arrival, chance.choice(PEOPLE).id))
            shard.take(chance.choice(_controls(chance, fact.message_id, arrival)))
            shard.drain()
        for lead_id in [each for each in shard.blobs if isinstance(shard.state(each), Lead)]:
            shard.advance_lead(lead_id, arrival + 40 * DAY_MS)
        yield shard, arrival + 40 * DAY_MS


def _controls(chance: Random, message_id: str, arrival: int) -> list[Input]:
    """Any of them; most are about nothing, and change nothing."""
    lead_id = chance.choice(PEOPLE).id
    nothing = Retract(lead_id, "nothing", arrival)
    first, second = chance.sample(PEOPLE, 2)
    joined = join(first, second, arrival, explicit=True)
    erased = Erase(lead_id, arrival) if chance.random() < 0.2 else nothing
    return [nothing, nothing, nothing, joined or nothing, erased, Retract(lead_id, message_id, arrival)]


def capped_and_blocked() -> list[dict[str, Any]]:
    """An alert of a lead that a block keeps out of another stage, with capped parts."""
    view, call = Signal("view", ("page",), limit=Limit(9, "day")), Signal("call", ("Called",))
    signals = view, call, Signal("away", ("Left",), label="Gone")
    blocks = Block("away", for_ms=DAY_MS), Block("away", "call")
    stages = (Stage("first", 5.0, 1.0, handoff=True), Stage("second", 6.0, 1.0, blocks=blocks),
              Stage("third", 8.0, 7.0, needs_fit=10.0, needs_engagement=9.0, needs_signals=("call",)))  # fmt: skip
    card = Scorecard(
        "card",
        {"view": Points(4.0, 8.0), "away": Points(0.0)},
        categories=(Category("intent", ("view",), -99.0, 6.0),),
        fit=(FitLine("title", Where("title", "equals", "CTO"), 9.0),),
        fit_max=2.0,
        maximum=7.0,
        stages=stages,
    )
    rules = Rules(Model(signals, (card,), "cd" * 32))
    scorer = AnyScorer(rules)
    facts = [Fact("Left", "a", START_MS), *(Fact("page", f"m{i}", START_MS + i) for i in range(1, 4))]
    facts.insert(1, Fact("identify", "i", START_MS, traits={"title": "CTO"}))
    scorer.apply(*(fact.event(rules, fact.at) for fact in facts))
    return alerts_of(scorer.finish().crossings, rules)


def judged() -> list[dict[str, Any]]:
    """Alerts of leads about which sales gave each kind of verdict, and of one that leaves since it was rejected."""
    stages, terms = (Stage("hot", 5.0, 1.0, handoff=True),), SalesTerms(recycle_after_ms=DAY_MS)
    card = Scorecard("card", {"view": Points(9.0)}, stages=stages, sales=terms)
    rules = Rules(Model((Signal("view", ("page",)),), (card,), "ef" * 32))
    scorer = AnyScorer(rules)
    for kind, name in KINDS.items():
        detail = 1200 if kind in (OPPORTUNITY, WON) else "no budget"
        verdict = Fact(event_of(kind), "v", START_MS, verdict=SalesCall(kind, detail, "ben@acme.example"))
        facts = verdict, Fact("page", "m", START_MS)
        for fact in reversed(facts) if kind == REJECTED else facts:
            scorer.apply(fact.event(rules, START_MS, name))
    return alerts_of(scorer.finish().crossings, rules)


def rescored() -> list[dict[str, Any]]:
    """Alerts after the points in the scorecard file changed."""
    signal, stages = Signal("view", ("page",)), (Stage("hot", 5.0, 1.0, handoff=True),)
    before, after = (
        Rules(Model((signal,), (Scorecard("card", {"view": Points(worth)}, stages=stages),), f"{worth:.0f}" * 64))
        for worth in (2.0, 9.0)
    )
    scorer = AnyScorer(before)
    scorer.apply(Fact("page", "m", START_MS).event(before, START_MS))
    scorer.finish()
    scorer.change_rules(after, START_MS + 1)
    scorer.advance_due(["u"], START_MS + 1)
    return alerts_of(scorer.finish().crossings, after)


def named() -> list[dict[str, Any]]:
    """An alert of an event that has everything that can be named."""
    properties = {
        "title": "Ask", "path": "/ask", "asset": "Guide", "query": "price", "subject": "Offer", "form": "ask",
        "fields": {"team": "50"}, "value": 5, "currency": "EUR",
    }  # fmt: skip
    sent = {"type": "track", "event": "Asked", "userId": "u", "messageId": "m", "properties": properties}
    sent |= {"traits": {"name": "Ana"}, "context": {"campaign": {"source": "google"}}}
    card = Scorecard("card", {"asked": Points(9.0)}, stages=(Stage("hot", 5.0, 1.0, handoff=True),))
    rules = Rules(Model((Signal("asked", ("Asked",), show=("traits.name",)),), (card,), "ef" * 32))
    record = SimpleNamespace(key=None, value=json.dumps(sent).encode(), timestamp=START_MS, headers=())
    event = Codec(rules.paths).decode_event(record)
    assert isinstance(event, LeadEvent)
    scorer = AnyScorer(rules)
    scorer.apply(event)
    return alerts_of(scorer.finish().crossings, rules)


def of_accounts() -> list[dict[str, Any]]:
    """Alerts of accounts, by everything that can make one enter or leave."""
    accounts = Accounts("company", "sum", stages=(Stage("hot", 5.0, 3.0, handoff=True),))
    rules = Rules(Model((), (Scorecard("card", {}, accounts=accounts),), "ab" * 32))
    scorer, crossings = AnyScorer(rules), []
    for cause in ("event", "decay", "moved", "merged", "erased", "forgotten", "scorecard_changed"):
        for offset, score in ((1, 9), (2, None)):
            scorer.apply(Contribution("card", cause, "u", score, offset, START_MS, START_MS, cause))
        crossings += scorer.finish().crossings
    made = [account_alert(each, account, board) for each in crossings if (account := account_of(each))
            for board in ("", BOARD)]  # fmt: skip
    return [json.loads(body) for body in made]


def rejects() -> list[dict[str, Any]]:
    codec = Codec(())
    records = [SimpleNamespace(key=None, value=value, timestamp=START_MS, headers=()) for value in (
        None, b"?", b"[]", b'{"type":"purchase"}', b'{"type":"track"}', b'{"type":"page"}', b"x" * (REJECTED_BYTES + 1),
    )]  # fmt: skip
    found = [(record, codec.decode_event(record)) for record in records]
    found += [(records[0], Reject(reason, sentence)) for reason, sentence in REASONS.items()]
    return [
        {name: value.decode() for name, value in reject_record("r", record, "web:0:1", reject).headers}
        for record, reject in found
        if isinstance(reject, Reject)
    ]


@pytest.fixture(scope="module")
def produced() -> Produced:
    shards = [*golden(), *histories()]
    events = [event for shard, _ in shards for event in alerts_of(shard.crossings, shard.rules)]
    events += [*alerts_of(history().crossings, RULES, ""), *alerts_of(history().crossings, RULES)]
    events += [*capped_and_blocked(), *judged(), *rescored(), *named()]
    accounts = of_accounts()
    return {
        "handoff-event": events,
        "handoff": [event["data"] for event in events],
        "lead-scores": [row for shard, now_ms in shards for row in scores_of(shard, now_ms)],
        "rejected-events": rejects(),
        "account-event": accounts,
        "account-alert": [event["data"] for event in accounts],
    }


# What is described --------------------------------------------------------------------------------------------


def described(fields: Sequence[Field], prefix: str = "") -> Iterator[str]:
    """The path of every field, with each of its choices."""
    for field in fields:
        path = f"{prefix}{field.name}"
        yield path
        yield from (f"{path}={choice}" for choice in field.schema.get("enum", ()))
        yield from described(field.fields, f"{path}{re.sub('[.]STAGE', '', field.below)}.")


def occurring(fields: Sequence[Field], record: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The same for one record."""
    for field in fields:
        if field.name not in record:
            continue
        path, value = f"{prefix}{field.name}", record[field.name]
        yield path
        if "enum" in field.schema:
            yield f"{path}={value}"
        if field.fields:
            below = f"{path}{re.sub('[.]STAGE', '', field.below)}."
            rows = [row for rows in value.values() for row in rows] if field.below.startswith(".") else value
            for each in rows if field.below else [value]:
                yield from occurring(field.fields, each, below)


@pytest.mark.parametrize("kind", RECORDS)
def test_every_record_has_only_described_fields(kind: str, produced: Produced) -> None:
    assert produced[kind]
    for record in produced[kind]:
        VALIDATORS[kind].validate(record)


@pytest.mark.parametrize("kind", RECORDS)
def test_every_described_field_and_choice_occurs_in_a_record(kind: str, produced: Produced) -> None:
    fields = RECORDS[kind].fields
    found = {path for record in produced[kind] for path in occurring(fields, record)}

    assert set(described(fields)) - found == set()


def test_a_field_that_can_be_absent_is_absent_somewhere(produced: Produced) -> None:
    for kind, name in (("handoff", "merged_into"), ("handoff", "links"), ("rejected-events", "truncated")):
        assert any(name not in record for record in produced[kind])
    assert any(record["stage"] is None for record in produced["lead-scores"])


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_of_examples_meets_its_schema(kind: str) -> None:
    Draft202012Validator.check_schema(RECORDS[kind].to_json())
    VALIDATORS[kind].validate(RECORDS[kind].example())


def test_unknown_fields_are_accepted_and_missing_ones_are_not() -> None:
    validator = Draft202012Validator(RECORDS["lead-scores"].to_json())
    row = RECORDS["lead-scores"].example()

    assert validator.is_valid(row | {"new": 1})
    assert not validator.is_valid({name: value for name, value in row.items() if name != "score"})


def test_the_schema_of_a_whole_alert_contains_that_of_its_data() -> None:
    event = RECORDS["handoff-event"].example()
    validator = Draft202012Validator(RECORDS["handoff-event"].to_json())

    assert event["dataschema"] == RECORDS["handoff"].urn == "urn:leadglow:schema:handoff:1"
    assert validator.is_valid(event)
    assert not validator.is_valid(event | {"data": event["data"] | {"cause": "chance"}})


# The page -----------------------------------------------------------------------------------------------------


def test_the_words_in_italics_are_in_the_glossary() -> None:
    glossary = (ROOT / "README.md").read_text().partition("## Glossary")[2]
    known = {word for row in re.findall(r"^\| ([a-z, ]+) \|", glossary, re.M) for word in row.split(", ")}
    words = {word.lower() for word in re.findall(r"(?<!\*)\*([\w ]+)\*(?!\*)", PAGE)} - {"italics"}

    assert len(words) > 15
    assert {word for word in words - known if word.removesuffix("s") not in known} == set()


def test_the_page_names_every_schema_as_it_is() -> None:
    rows = re.findall(r"^\| \[`([\w-]+)`\]\(schemas/([\w-]+)\.json\) \| `(.+?)` \|", PAGE, re.M)
    assert rows == [(name, name, record.urn) for name, record in RECORDS.items()]


# The consumer of the page -------------------------------------------------------------------------------------


class Message(SimpleNamespace):
    """A record as the client of the page hands it over."""

    def __getattr__(self, name: str) -> Any:
        return lambda: self.__dict__[f"{name}_"]


def message(topic: str, key: str, value: bytes | None, offset: int = 0, **headers: str) -> Message:
    pairs = [(name.replace("_", "-"), text.encode()) for name, text in headers.items()]
    at = {"offset_": offset, "partition_": 0, "timestamp_": (1, START_MS)}
    return Message(topic_=topic, key_=key.encode(), value_=value, headers_=pairs, **at)


def tombstone(key: str, at_ms: int) -> Message:
    found = message("lead-scores", key, None)
    found.timestamp_ = (1, at_ms)
    return found


@pytest.fixture
def consumer() -> dict[str, Any]:
    pytest.importorskip("confluent_kafka")
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names: dict[str, Any] = {"__name__": "consumer"}
    exec(source, names)
    return names


@pytest.fixture
def db(consumer: dict[str, Any]) -> Iterator[sqlite3.Connection]:
    found = sqlite3.connect(":memory:")
    found.executescript(consumer["TABLES"])
    yield found
    found.close()


def test_the_consumer_stores_an_alert_once_and_knows_who_is_in_a_stage(
    consumer: dict[str, Any], db: sqlite3.Connection
) -> None:
    entered, left = (json.dumps(examples()[name]).encode() for name in ("entered", "left"))
    for value in (entered, left, entered, entered):
        consumer["process"](db, message("handoff", "ana", value))

    assert db.execute("select count(*) from alerts").fetchone() == (2,)
    assert db.execute("select lead, scorecard, stage, inside from stages").fetchall() == [
        ("ana", "default", "qualified", 0)
    ]


def test_the_consumer_keeps_the_last_score_of_a_key_until_its_tombstone(
    consumer: dict[str, Any], db: sqlite3.Connection
) -> None:
    row = examples()["score"]
    for score in (51, 49, 49):
        consumer["process"](db, message("lead-scores", "ana", json.dumps(row | {"score": score}).encode()))
    assert db.execute("select key, score, stage from scores").fetchall() == [("ana", 49, "engaged")]
    consumer["process"](db, message("lead-scores", "ana", None))
    assert db.execute("select * from scores").fetchall() == []


@pytest.mark.parametrize("order", [("alert", "tombstone"), ("tombstone", "alert"), ("alert", "tombstone", "alert")])
def test_the_consumer_forgets_an_erased_lead_in_any_order_of_the_topics(
    order: Sequence[str], consumer: dict[str, Any], db: sqlite3.Connection
) -> None:
    entered = examples()["entered"]
    erased_ms = instant(entered["time"]) + 5
    records = {
        "alert": message("handoff", "ana", json.dumps(entered).encode()),
        "tombstone": tombstone("ana", erased_ms),
    }
    for name in order:
        consumer["process"](db, records[name])

    assert db.execute("select count(*) from stages").fetchone() == (0,)
    assert db.execute("select id, lead, alert from alerts").fetchall() == [(entered["id"], None, None)]


def test_the_consumer_keeps_what_a_new_lead_with_an_erased_id_does(
    consumer: dict[str, Any], db: sqlite3.Connection
) -> None:
    entered = examples()["entered"]
    consumer["process"](db, tombstone("ana", instant(entered["time"]) - 5))
    consumer["process"](db, message("handoff", "ana", json.dumps(entered).encode()))

    assert db.execute("select lead, inside from stages").fetchall() == [("ana", 1)]


def test_the_consumer_tells_repeated_rejects_from_equal_ones(consumer: dict[str, Any], db: sqlite3.Connection) -> None:
    reason = {"reason": "not_json", "message": "no"}
    for offset, source in enumerate(("web-events:0:1", "web-events:0:1", "collector:track", "collector:track")):
        value = message("rejected-events", source, b"?", offset, **reason, leadglow_source=source)
        consumer["process"](db, value)
    assert db.execute("select count(*) from rejects").fetchone() == (3,)
