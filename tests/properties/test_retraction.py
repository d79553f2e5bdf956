"""A retracted event scores as if it had never matched, in any order of arrival."""

from __future__ import annotations

import math
from random import Random

import msgspec
import pytest
from hypothesis import given, settings

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.event import ANONYMOUS, USER, Arrived, Identity, Join, LeadEvent, Retract
from streams.scoring.lead import RECENT
from streams.scoring.replay import Input
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Limit, Model, Points, Scorecard, Signal, Stage
from tests.properties.driver import ShardDriver, close, readings, run
from tests.properties.strategies import START_MS, Fact, a_model, chances, events_of, some_cuts, some_inputs

pytestmark = pytest.mark.usefixtures("implementation")

VIEW = Signal("view", ("page",), half_life_ms=DAY_MS)
STAGE = Stage("hot", 10.0, 5.0, handoff=True)


def rules_of(signal: Signal = VIEW, *stages: Stage) -> Rules:
    return Rules(Model((signal,), (Scorecard("card", {signal.name: Points(8.0)}, stages=stages),)))


def page(rules: Rules, name: str, after_ms: int = 0, lead_id: str = "u") -> LeadEvent:
    return Fact("page", name, START_MS + after_ms).event(rules, START_MS + after_ms, lead_id)


def play(rules: Rules, *inputs: Input) -> ShardDriver:
    shard = ShardDriver(rules)
    for record in inputs:
        shard.take(record)
        shard.drain()
    return shard


def exact(shard: ShardDriver, after_ms: int = 0, lead_id: str = "u") -> float:
    (reading,) = readings(shard.rules, shard.lead(lead_id), START_MS + after_ms)
    return reading.exact / 10**9


@settings(max_examples=200)
@given(chances)
def test_a_lead_scores_as_if_retracted_events_had_not_matched(chance: Random) -> None:
    rules = Rules(a_model(chance))
    events = events_of(rules, some_inputs(chance))
    gone = chance.sample(events, chance.randint(1, min(3, len(events))))
    mixed: list[Input] = list(events)
    for event in gone:
        place = chance.randint(0, len(mixed))
        arrival = mixed[place - 1].arrival if place else events[0].arrival
        mixed.insert(place, Retract(event.lead_id, event.message_id, arrival))
    mine = ShardDriver(rules)
    for record, cut in zip(mixed, some_cuts(chance, len(mixed)), strict=True):
        mine.take(record, cut)
    mine.cut("step")
    ids = {event.message_id for event in gone}
    empty = [msgspec.structs.replace(e, name="Nothing") if e.message_id in ids else e for e in events]
    theirs = run(rules, empty)
    for now_ms in (events[-1].arrival + DAY_MS, events[-1].arrival + 30 * DAY_MS):
        assert close(readings(rules, mine.lead(), now_ms), readings(rules, theirs.lead(), now_ms))


def test_an_alert_is_followed_by_a_left_alert_with_the_cause_retracted() -> None:
    rules = rules_of(VIEW, STAGE)
    shard = play(rules, page(rules, "a"), page(rules, "b"), Retract("u", "b", START_MS + 1))
    assert [(t.kind, t.cause, t.is_alert) for t in shard.transitions] == [
        ("entered", "event", True),
        ("left", "retracted", True),
    ]
    assert exact(shard) == 8.0


def test_a_stage_is_not_left_if_other_events_keep_the_score_above_its_bound() -> None:
    rules = rules_of(VIEW, STAGE)
    shard = play(rules, page(rules, "a"), page(rules, "b"), page(rules, "c"), Retract("u", "b", START_MS))
    assert [t.kind for t in shard.transitions] == ["entered"]


def test_a_second_retraction_changes_nothing_and_the_event_stays_a_duplicate() -> None:
    rules = rules_of()
    back = Retract("u", "a", START_MS)
    shard = play(rules, page(rules, "a"), page(rules, "b"), back, back, page(rules, "a"))
    assert exact(shard) == 8.0
    assert shard.lead().count == [1]


def test_the_next_event_counts_in_place_of_a_retracted_one_under_a_limit() -> None:
    rules = rules_of(Signal("view", ("page",), half_life_ms=DAY_MS, limit=Limit(1, "day")))
    shard = play(rules, page(rules, "a"), page(rules, "b", HOUR_MS), Retract("u", "a", START_MS + HOUR_MS))
    assert exact(shard, HOUR_MS) == 8.0


def test_retracting_the_only_event_drops_the_signal() -> None:
    rules = rules_of(Signal("view", ("page",), half_life_ms=DAY_MS, limit=Limit(1, "ever")))
    lead = play(rules, page(rules, "a"), Retract("u", "a", START_MS)).lead()
    assert (lead.signals, lead.ledgers, lead.recent) == ([], {}, b"")


def test_retracting_a_too_old_event_changes_nothing_and_is_tallied() -> None:
    rules = rules_of()
    events = [page(rules, f"m{i}") for i in range(RECENT + 1)]
    shard = play(rules, *events, Retract("u", "m0", START_MS))
    assert shard.tally["retracted_late"] == 1
    assert sum(shard.lead().count) == len(events)


def test_an_event_of_a_visitor_is_retracted_from_the_user_it_was_merged_into() -> None:
    rules = rules_of()
    visitor, user = Identity(USER, "v"), Identity(USER, "u")
    shard = play(
        rules,
        page(rules, "a", lead_id="v"),
        page(rules, "b", 5),
        Join(visitor, user, START_MS + 10, explicit=True),
        Retract("v", "a", START_MS + 20),
    )
    assert exact(shard, 5) == 8.0
    assert not any(isinstance(record, Arrived) for record in shard.waiting)


MAIL = Rules(
    Model(
        (Signal("view", ("page",), half_life_ms=math.inf), Signal("click", ("Clicked",), half_life_ms=math.inf)),
        (
            Scorecard(
                "card", {"view": Points(0.001), "click": Points(50.0)}, stages=(Stage("hot", 40.0, 20.0, handoff=True),)
            ),
        ),
    )
)


def clicked_and_joined() -> list[Input]:
    """A visitor clicks and becomes a user, and a second later the click turns out to be a machine's."""
    click = Fact("Clicked", "click", START_MS).event(MAIL, START_MS, "v")
    return [
        click,
        Join(Identity(ANONYMOUS, "v"), Identity(USER, "u"), START_MS + 1),
        Retract("v", "click", START_MS + 1000),
    ]


def views(count: int, after_ms: int) -> list[Input]:
    return [page(MAIL, f"m{i}", after_ms + i) for i in range(count)]


@pytest.mark.parametrize("count", [0, 59, 60, 61, 200])
@pytest.mark.parametrize("retracted_as", ["v", "u"])
def test_a_click_is_taken_back_from_a_user_who_did_much_before(count: int, retracted_as: str) -> None:
    *rest, retraction = clicked_and_joined()
    assert isinstance(retraction, Retract)
    shard = play(MAIL, *views(count, -1000), *rest, msgspec.structs.replace(retraction, lead_id=retracted_as))
    assert exact(shard, 2000) == pytest.approx(count * 0.001, abs=1e-9)
    assert [(t.lead_id, t.kind, t.cause, t.is_alert) for t in shard.transitions] == LISTED


LISTED = [
    ("v", "entered", "event", True),
    ("v", "left", "merged", True),
    ("u", "entered", "merged", True),
    ("u", "left", "retracted", True),
]


@pytest.mark.parametrize("count", [59, 61, 200])
@pytest.mark.parametrize("batch", [1, 2, 99])
def test_a_click_is_taken_back_in_a_backlog_as_one_by_one(count: int, batch: int) -> None:
    """What the visitor's shard sends on arrives after everything that the user did later."""
    shard = ShardDriver(MAIL)
    mine = clicked_and_joined()
    for record in mine[:batch]:
        shard.take(record, "")
    shard.cut("step")
    if batch == 2:
        shard.drain()
    for record in [*views(count, 2000), *mine[batch:]]:
        shard.take(record)
    shard.drain()
    assert exact(shard, 5000) == pytest.approx(count * 0.001, abs=1e-9)
    assert [(t.lead_id, t.kind, t.cause, t.is_alert) for t in shard.transitions] == LISTED


def test_an_event_that_was_sent_on_is_taken_back_after_many_others() -> None:
    join = Join(Identity(ANONYMOUS, "v"), Identity(USER, "u"), START_MS)
    click = Fact("Clicked", "click", START_MS + 1).event(MAIL, START_MS + 1, "v")
    back = Retract("v", "click", START_MS + 2)
    shard = play(MAIL, join, click, *views(100, 5), back, back, Retract("u", "click", START_MS + 300))
    assert exact(shard, 5000) == pytest.approx(0.1, abs=1e-9)


def test_a_retraction_that_comes_before_the_joined_lead_holds_for_its_event() -> None:
    click, join, _ = clicked_and_joined()
    shard = play(MAIL, Retract("u", "click", START_MS - 5), page(MAIL, "m"), click, join)
    assert exact(shard, 5000) == pytest.approx(0.001, abs=1e-9)
    assert [(t.lead_id, t.kind, t.cause) for t in shard.transitions] == [
        ("v", "entered", "event"),
        ("v", "left", "merged"),
    ]


def test_an_alert_that_was_taken_back_keeps_no_true_one_quiet() -> None:
    patient = Stage("hot", 10.0, 5.0, cooldown_ms=7 * DAY_MS, handoff=True)
    rules = rules_of(VIEW, patient)
    false: list[Input] = [page(rules, "a"), page(rules, "b"), Retract("u", "b", START_MS), Retract("u", "a", START_MS)]
    shard = play(rules, *false, page(rules, "c", HOUR_MS), page(rules, "d", HOUR_MS))
    assert [(t.kind, t.is_alert) for t in shard.transitions] == [("entered", True), ("left", True), ("entered", True)]
