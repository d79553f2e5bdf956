"""Law 8: unscored is 0, and a merge counts everything once."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import msgspec
import pytest
from hypothesis import given, settings

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.event import ANONYMOUS, EMAIL, USER, Erase, Identity, Join, LeadEvent, join
from streams.scoring.explanation import explain
from streams.scoring.lead import Lead, Redirect
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal, Stage
from streams.scoring.stages import standing
from streams.scoring.stored import decode
from streams.shard.alert import score_record
from tests.properties.driver import ShardDriver, close, readings, run
from tests.properties.strategies import START_MS, Fact, a_model, chances, events_of, some_inputs

pytestmark = pytest.mark.usefixtures("implementation")

USER_ID, ANONYMOUS_ID = Identity(USER, "u"), Identity(ANONYMOUS, "a")
ONE_EACH = Rules(
    Model(
        (Signal("view", ("page",), half_life_ms=math.inf),),
        (Scorecard("card", {"view": Points(1.0)}, maximum=1000.0),),
    )
)
"""Scores count the events."""


@given(chances)
def test_an_unscored_lead_has_0_points_and_the_lowest_grade(chance: Random) -> None:
    rules = Rules(a_model(chance))
    unheard = Fact("Unheard", "m", START_MS).event(rules, START_MS)
    for lead in (Lead(START_MS), run(rules, [unheard]).lead()):
        for card in rules.cards:
            why = explain(card, lead, START_MS + DAY_MS, rules)
            lowest = "C2" if card.card.engagement_grades else "C"
            if card.absent and why.applies:
                kinds = [(part.kind, part.amount, part.count) for part in why.parts if part.kind != "cap"]
                assert set(kinds) <= {("signal", 0.0, 0), ("clamp", None, 0)}
                continue
            assert (why.score, why.exact, why.grade, why.parts) == (0, 0.0, lowest, ())
            assert set(why.categories.values()) == {0.0}
            assert b'"score":0,' in score_record("u", card, standing(card, lead, START_MS), "v")


@settings(max_examples=220)
@given(chances)
def test_a_merge_counts_everything_once(chance: Random) -> None:
    rules = Rules(a_model(chance))
    inputs = [  # no bucket is too old to change yet when the two are joined
        (fact, min(arrival, START_MS + 3 * DAY_MS))
        for fact, arrival in some_inputs(chance, chance.choice((HOUR_MS, DAY_MS, 2 * DAY_MS)))
    ]
    join_at = chance.randint(0, len(inputs) - 1)
    now_ms = inputs[-1][1]
    apart = ShardDriver(rules)
    for i, (fact, arrival) in enumerate(inputs):
        if i == join_at:
            apart.take(Join(ANONYMOUS_ID, USER_ID, arrival), chance.choice(("", "step", "reload")))
        apart.take(fact.event(rules, arrival, chance.choice("ua")), chance.choice(("", "step", "reload")))
        if chance.random() < 0.3:
            apart.cut("step")
            if apart.waiting:
                apart.deliver()
    apart.cut("step")
    apart.drain()
    for fact, _ in inputs:  # the merged lead recognizes the events of both as duplicates
        apart.take(fact.event(rules, now_ms, chance.choice("ua")))
    apart.drain()
    together = run(rules, events_of(rules, inputs))
    assert isinstance(decode(apart.blobs["a"]), Redirect)
    mine, theirs = apart.lead(), together.lead()
    for later_ms in (0, 1, DAY_MS, 30 * DAY_MS):
        at_ms = now_ms + later_ms
        assert close(readings(rules, mine, at_ms), readings(rules, theirs, at_ms))
    assert mine.trait_values() == theirs.trait_values()
    assert mine.touches == theirs.touches
    assert mine.aliases == ["a"]


def final_owner(shard: ShardDriver, identity: Identity) -> Identity:
    """Follow the redirects, each of which must lead to a greater identity."""
    while isinstance(state := decode(shard.blobs[identity.id]), Redirect):
        assert state.target < identity
        identity = state.target
    return identity


def total(shard: ShardDriver) -> int:
    """Events counted, over all leads."""
    leads = [state for state in map(decode, shard.blobs.values()) if isinstance(state, Lead)]
    return round(sum(sum(lead.amount) for lead in leads))


@settings(max_examples=170)
@given(chances)
def test_joins_in_any_order_form_no_circle_and_lose_nothing(chance: Random) -> None:
    people = [Identity(kind, f"{kind}{i}") for kind in (USER, EMAIL, ANONYMOUS) for i in range(3)]
    shard = ShardDriver(ONE_EACH)
    events, joined = 0, []
    for step in range(chance.randint(1, 30)):
        arrival = START_MS + step
        pair = chance.sample(people, 2)
        record = join(pair[0], pair[1], arrival, explicit=chance.random() < 0.5)
        if chance.random() < 0.5 and record is not None:
            joined.append(pair)
            shard.take(record)
        else:
            events += 1
            shard.take(Fact("page", f"m{step}", arrival).event(ONE_EACH, arrival, pair[0].id))
        while shard.waiting and chance.random() < 0.5:
            shard.deliver(chance.randint(0, 99))
    while shard.waiting:
        shard.deliver(chance.randint(0, 99))
    assert total(shard) == events
    for identity in people:
        if identity.id in shard.blobs:
            final_owner(shard, identity)
    if not shard.tally["join_conflicts"]:
        assert all(final_owner(shard, one) == final_owner(shard, other) for one, other in joined)


def test_only_an_explicit_join_merges_two_users() -> None:
    ann, bob = Identity(USER, "ann"), Identity(USER, "bob")
    assert join(ann, bob, START_MS) is None
    assert join(ann, ann, START_MS, explicit=True) is None
    assert join(ann, bob, START_MS, explicit=True) == Join(bob, ann, START_MS, True)
    assert join(Identity(ANONYMOUS, "0"), bob, START_MS) == Join(Identity(ANONYMOUS, "0"), bob, START_MS)


@settings(max_examples=170)
@given(chances)
def test_erased_events_stay_erased_and_later_ones_count(chance: Random) -> None:
    shard = ShardDriver(ONE_EACH)
    erase_at = chance.randint(1, 12)
    join_at = chance.randint(0, 14)
    for step in range(15):
        arrival = START_MS + step
        if step == join_at:
            shard.take(Join(ANONYMOUS_ID, USER_ID, arrival))
        if step == erase_at:
            shard.take(Erase("u", arrival))
            if join_at > step:
                shard.take(Erase("a", arrival))
        else:
            shard.take(Fact("page", f"m{step}", arrival).event(ONE_EACH, arrival, chance.choice("ua")))
        while shard.waiting and chance.random() < 0.4:
            shard.deliver(chance.randint(0, 99))
    while shard.waiting:
        shard.deliver(chance.randint(0, 99))
    assert total(shard) == 14 - erase_at


TURNING = Rules(
    Model(
        (Signal("good", ("page",), half_life_ms=DAY_MS), Signal("bad", ("Left",), half_life_ms=DAY_MS)),
        (
            Scorecard(
                "card",
                {"good": Points(10.0), "bad": Points(-10.0)},
                minimum=-100.0,
                stages=(Stage("warm", 10.0, 9.0, handoff=True), Stage("hot", 20.0, 15.0, handoff=True)),
            ),
        ),
    )
)
"""Rules by which leads enter and leave stages often."""


@settings(max_examples=170)
@given(chances)
def test_stage_changes_have_unique_ids_despite_joins_and_erasures(chance: Random) -> None:
    people = [Identity(kind, f"{kind}{i}") for kind in (USER, ANONYMOUS) for i in range(3)]
    shard = ShardDriver(TURNING)
    arrival = START_MS
    for step in range(chance.randint(1, 60)):
        arrival += chance.choice((1, 1, HOUR_MS, DAY_MS))
        who, other = chance.sample(people, 2)
        deed = chance.random()
        if deed < 0.15 and (record := join(who, other, arrival, explicit=True)) is not None:
            shard.take(record)
        elif deed < 0.2:
            shard.take(Erase(who.id, arrival))
            shard.drain()  # one that came after the next join would erase what that has brought
        else:
            name = chance.choice(("page", "page", "Left"))
            shard.take(Fact(name, f"m{step}", arrival).event(TURNING, arrival, who.id))
        while shard.waiting and chance.random() < 0.5:
            shard.deliver(chance.randint(0, 99))
    shard.drain()
    ids = Counter(t.alert_id for t in shard.transitions)
    assert [alert_id for alert_id, times in ids.items() if times > 1] == []


def test_a_record_from_before_the_erasure_is_refused_after_it() -> None:
    shard = ShardDriver(ONE_EACH)
    old, new = (
        LeadEvent("u", "page", (None,), name, START_MS, arrival)
        for name, arrival in (("old", START_MS), ("new", START_MS + 2))
    )
    shard.take(Erase("u", START_MS + 1))
    shard.take(old)
    assert total(shard) == 0
    shard.take(new)
    assert total(shard) == 1


@pytest.mark.parametrize(("before", "visits"), [(0, 128), (100, 28), (128, 0), (200, 40), (300, 300)])
def test_the_latest_128_events_of_both_are_known_after_a_join(before: int, visits: int) -> None:
    """Whether the visitor's events came first, last or between those of the user."""
    for first in (0, 50, 250):
        facts = [("u", Fact("page", f"u{i}", START_MS + 2 * i)) for i in range(before)]
        facts += [("a", Fact("page", f"a{i}", START_MS + 2 * (i + first) + 1)) for i in range(visits)]
        facts.sort(key=lambda pair: pair[1].at)
        shard = ShardDriver(ONE_EACH)
        for lead_id, fact in facts:
            shard.take(fact.event(ONE_EACH, fact.at, lead_id), "")
        shard.take(Join(ANONYMOUS_ID, USER_ID, START_MS + 10_000))
        shard.drain()
        for lead_id, fact in facts[-128:]:
            shard.take(fact.event(ONE_EACH, START_MS + 10_000, "u" if lead_id == "a" else "a"), "")
        shard.cut("step")
        shard.drain()
        assert total(shard) == len(facts)


def test_a_user_with_the_id_of_a_joined_visitor_has_alerts_of_its_own() -> None:
    shard = ShardDriver(TURNING)
    pages = [Fact("page", f"m{i}", START_MS) for i in range(6)]
    for fact in pages[:3]:
        shard.take(fact.event(TURNING, START_MS, "a"))
    shard.take(Join(ANONYMOUS_ID, USER_ID, START_MS + 1))
    shard.drain()
    for fact in pages[3:]:
        shard.take(msgspec.structs.replace(fact.event(TURNING, START_MS + 2, "a"), known=True))
    mine = [t for t in shard.transitions if t.lead_id == "a" and t.stage == "hot"]
    assert [(t.kind, t.cause, t.episode) for t in mine] == [
        ("entered", "event", 1),
        ("left", "merged", 1),
        ("entered", "event", 2),
    ]
    assert len({t.alert_id for t in mine}) == 3
