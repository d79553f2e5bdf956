"""Law 1: the order of events within the lateness does not matter."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from tests.properties.driver import close, readings, run
from tests.properties.strategies import START_MS, Fact, a_model, chances, events_of, some_arrivals, some_facts

pytestmark = pytest.mark.usefixtures("implementation")

LATER_MS = (0, 1, HOUR_MS, 5 * DAY_MS, 400 * DAY_MS)


@settings(max_examples=280)
@given(chances)
def test_events_that_arrive_within_the_lateness_in_any_order_give_the_same_score(chance: Random) -> None:
    rules = Rules(a_model(chance))
    facts = some_facts(chance)
    one, other = (some_arrivals(chance, facts) for _ in range(2))
    mine = run(rules, events_of(rules, one)).lead()
    theirs = run(rules, events_of(rules, other)).lead()
    end_ms = max(at for _, at in one + other)
    for later_ms in LATER_MS:
        now_ms = end_ms + later_ms
        assert close(readings(rules, mine, now_ms), readings(rules, theirs, now_ms))
    assert mine.trait_values() == theirs.trait_values()
    assert mine.touches == theirs.touches
    assert (mine.first_seen, mine.last_seen) == (theirs.first_seen, theirs.last_seen)


@settings(max_examples=30)
@given(chances, st.booleans())
def test_the_earliest_64_distinct_values_count_in_any_order(order: Random, again: bool) -> None:
    signal = Signal("depth", ("page",), half_life_ms=float(DAY_MS), distinct="properties.value")
    rules = Rules(Model((signal,), (Scorecard("card", {"depth": Points(1.0)}, maximum=1000.0),)))
    known = [
        Fact("page", f"{i}", START_MS + i * 60_000, {"properties.value": f"v{i * 7 % 90}"})
        for i in range(100 if again else 90)
    ]
    arrival = START_MS + HOUR_MS * 2
    straight = run(rules, [fact.event(rules, arrival) for fact in known]).lead()
    order.shuffle(known)
    shuffled = run(rules, [fact.event(rules, arrival) for fact in known]).lead()
    (first,), (second,) = readings(rules, straight, arrival), readings(rules, shuffled, arrival)
    assert abs(first.exact - second.exact) <= 1000
    fades = [2 ** -((arrival - START_MS - i * 60_000) / DAY_MS) for i in range(64)]
    assert abs(first.exact / 1e9 - sum(fades)) < 1e-6


@settings(max_examples=60)
@given(chances)
def test_the_traits_that_a_lead_keeps_depend_on_what_was_said_and_not_on_the_order(chance: Random) -> None:
    rules = Rules(a_model(chance))
    names = [f"t{i:03}" for i in range(150)] + ["title", "email", "employees"]
    events = []
    for i in range(chance.randint(2, 12)):
        said = {name: chance.choice((None, i, ["a", i])) for name in chance.sample(names, chance.randint(1, 60))}
        event = Fact("identify", f"m{i}", START_MS + chance.randint(0, 5), traits=said).event(rules, START_MS + 9)
        event.public = chance.random() < 0.3
        events.append(event)
    kept = []
    for _ in range(3):
        chance.shuffle(events)
        kept.append(run(rules, events).lead().traits)
    assert kept[0] == kept[1] == kept[2]
