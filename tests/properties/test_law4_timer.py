"""Law 4: timer runs and batch sizes affect promptness, never the outcome."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal, Stage
from streams.scoring.stored import encode
from tests.properties.driver import Cut, ShardDriver, run, transition_fields
from tests.properties.hovering import a_hovering_lead, events_for
from tests.properties.strategies import (
    CUTS,
    START_MS,
    Fact,
    a_model,
    chances,
    events_of,
    some_cuts,
    some_inputs,
    some_ticks,
)

pytestmark = pytest.mark.usefixtures("implementation")


@settings(max_examples=350)
@given(chances)
def test_timer_runs_and_batches_do_not_change_the_transitions(chance: Random) -> None:
    rules = Rules(a_model(chance))
    events = events_of(rules, some_inputs(chance))
    until_ms = events[-1].arrival + chance.choice((0, DAY_MS, 100 * DAY_MS))
    plain = run(rules, events, until_ms=until_ms)
    batch = run(rules, events, [""] * len(events), until_ms=until_ms)
    ticked = run(rules, events, some_cuts(chance, len(events)), some_ticks(chance, until_ms), until_ms)
    assert transition_fields(plain.transitions) == transition_fields(batch.transitions)
    assert transition_fields(plain.transitions) == transition_fields(ticked.transitions)


@settings(max_examples=200)
@given(chances)
def test_a_score_close_to_a_bound_changes_stages_at_the_same_instants_with_and_without_the_timer(
    chance: Random,
) -> None:
    rules, lead = a_hovering_lead(chance)
    events = events_for(chance, rules, lead)
    plain, batch, ticked = ShardDriver(rules), ShardDriver(rules), ShardDriver(rules)
    for shard in (plain, batch, ticked):
        shard.blobs["u"] = encode(lead)
        shard.advance_lead("u", lead.clock)
    before_ms = lead.clock
    for event in events:
        for tick_ms in sorted(chance.randint(before_ms, event.arrival) for _ in range(chance.randint(0, 3))):
            ticked.advance_lead("u", tick_ms, chance.choice(CUTS))
        ticked.take(event, chance.choice(CUTS))
        plain.take(event)
        batch.take(event, "")
        before_ms = event.arrival
    for shard in (plain, batch, ticked):
        shard.advance_lead("u", before_ms + 30 * DAY_MS)
    assert transition_fields(plain.transitions) == transition_fields(batch.transitions)
    assert transition_fields(plain.transitions) == transition_fields(ticked.transitions)


@settings(max_examples=100)
@given(
    st.sampled_from((float(HOUR_MS), 6.0 * HOUR_MS, 14.0 * DAY_MS, 90.0 * DAY_MS)),
    st.lists(st.sampled_from((10.0, 2.3, 7.7, 1.0, -3.0, -10.0)), min_size=1, max_size=5),
    st.sampled_from((2.0, 5.0, 9.0)),
    chances,
)
def test_an_unmatched_event_next_to_a_crossing_does_not_move_it(
    half_life_ms: float, worth: list[float], leave: float, chance: Random
) -> None:
    names = [f"s{i}" for i in range(len(worth))]
    signals = tuple(Signal(name, (name,), half_life_ms=half_life_ms) for name in names)
    card = Scorecard(
        "card",
        dict(zip(names, map(Points, worth), strict=True)),
        stages=(Stage("hot", leave * 2, leave, handoff=True),),
    )
    rules = Rules(Model(signals, (card,)))
    events = [Fact(name, f"{name}{i}", START_MS + i).event(rules, START_MS + i) for i in range(3) for name in names]
    until_ms = START_MS + round(half_life_ms) * 40
    quiet = run(rules, events, [""] * len(events), until_ms=until_ms)
    falls = [t.at_ms for t in quiet.transitions if t.cause == "decay"]
    noise = sorted(at_ms + chance.randint(-3, 40) for at_ms in falls for _ in range(2))
    events += [Fact("Unheard", f"n{i}", at).event(rules, at) for i, at in enumerate(noise)]
    noisy = run(rules, events, [""] * len(events), until_ms=until_ms)
    assert transition_fields(noisy.transitions) == transition_fields(quiet.transitions)


@given(st.integers(1, 6), st.lists(st.sampled_from(CUTS), min_size=6, max_size=6))
def test_a_bound_that_is_met_exactly_is_entered_by_the_event_that_meets_it(steps: int, random_cuts: list[Cut]) -> None:
    card = Scorecard("card", {"view": Points(1.0)}, stages=(Stage("hot", float(steps), 0.5, handoff=True),))
    rules = Rules(Model((Signal("view", ("page",), half_life_ms=math.inf),), (card,)))
    events = [Fact("page", f"{i}", START_MS + i).event(rules, START_MS + i) for i in range(6)]
    (entered,) = run(rules, events, random_cuts).transitions
    assert (entered.kind, entered.at_ms, entered.cause) == ("entered", START_MS + steps - 1, "event")
