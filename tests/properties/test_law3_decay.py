"""Law 3: decay is exact and never applied in steps."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.crossing import next_change
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.score import published
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from streams.scoring.stages import advance
from streams.scoring.stored import decode, encode
from tests.properties.driver import readings, run
from tests.properties.strategies import START_MS, Fact, a_model, chances, events_of, some_cuts, some_inputs, some_ticks

pytestmark = pytest.mark.usefixtures("implementation")

ages_ms = st.integers(0, 100 * DAY_MS)


@settings(max_examples=100)
@given(chances, ages_ms, ages_ms)
def test_a_score_read_later_is_the_same_in_one_step_or_two(chance: Random, a: int, b: int) -> None:
    rules = Rules(a_model(chance))
    events = events_of(rules, some_inputs(chance))
    shard = run(rules, events)
    end_ms = events[-1].arrival
    untouched = readings(rules, shard.lead(), end_ms + a + b)
    readings(rules, shard.lead(), end_ms + a)
    shard.advance_lead("u", end_ms + a, "reload")
    assert readings(rules, shard.lead(), end_ms + a + b) == untouched
    shard.advance_lead("u", end_ms + a + b)
    assert readings(rules, shard.lead(), end_ms + a + b) == untouched


@settings(max_examples=100)
@given(chances)
def test_an_amount_is_the_sum_of_its_events_each_decayed_once(chance: Random) -> None:
    rules = Rules(a_model(chance))
    events = events_of(rules, some_inputs(chance))
    now_ms = events[-1].arrival + chance.choice((0, HOUR_MS, 7 * DAY_MS))
    ticks = some_ticks(chance, now_ms)
    lead = run(rules, events, some_cuts(chance, len(events)), ticks, now_ms).lead()
    sums: dict[tuple[int, float], float] = {}
    for event in events:
        for hit in rules.match(event.name, event.values)[0]:
            if hit.counter is None:
                key = (hit.signal, hit.inverse_half_life)
                decayed = hit.amount * 2.0 ** ((event.at - now_ms) * hit.inverse_half_life)
                sums[key] = sums.get(key, 0.0) + decayed
    for (signal, inverse_half_life), amount in sums.items():
        assert math.isclose(lead.amount_at(signal, inverse_half_life, now_ms), amount, rel_tol=1e-9, abs_tol=1e-300)


@settings(max_examples=100)
@given(chances)
def test_a_stored_lead_is_decoded_and_encoded_to_the_same_bytes(chance: Random) -> None:
    rules = Rules(a_model(chance))
    events = events_of(rules, some_inputs(chance))
    blob = run(rules, events).blobs["u"]
    lead = decode(blob)
    assert isinstance(lead, Lead)
    assert encode(lead) == blob


@given(st.floats(1.0, 1e12), st.integers(1, 1000), st.integers(0, 100 * DAY_MS))
def test_half_is_left_after_each_half_life(half_life_ms: float, amount: int, age_ms: int) -> None:
    half_life_ms = float(round(half_life_ms))
    lead = Lead(START_MS)
    lead.add(1, 1 / half_life_ms, 0, float(amount))
    now = lead.amount_at(1, 1 / half_life_ms, START_MS + age_ms)
    later = lead.amount_at(1, 1 / half_life_ms, START_MS + age_ms + round(half_life_ms))
    assert math.isclose(later, now / 2, rel_tol=1e-9, abs_tol=1e-300)
    assert lead.amount_at(1, 1 / half_life_ms, START_MS) == amount


@settings(max_examples=100)
@given(chances)
def test_the_next_change_is_the_first_ms_at_which_the_score_or_a_stage_differs(chance: Random) -> None:
    rules = Rules(a_model(chance))
    events = events_of(rules, some_inputs(chance))
    now_ms = events[-1].arrival + chance.choice((0, 1, HOUR_MS, DAY_MS))
    blob = run(rules, events, until_ms=now_ms).blobs["u"]

    def shows(index: int, at_ms: int) -> tuple[int, int]:
        lead = decode(blob)
        assert isinstance(lead, Lead)
        turns = [t for t in advance(rules, "u", lead, at_ms) if t.card == rules.cards[index].name]
        return published(readings(rules, lead, at_ms)[index].exact), len(turns)

    for index, card in enumerate(rules.cards):
        lead = decode(blob)
        assert isinstance(lead, Lead)
        at_ms = next_change(card, lead, now_ms)
        if at_ms is None:
            far_ms = now_ms + 2000 * DAY_MS
            assert shows(index, now_ms) == shows(index, far_ms)
            continue
        assert at_ms > now_ms
        assert shows(index, at_ms - 1) == shows(index, now_ms)
        assert shows(index, at_ms) != shows(index, now_ms)


@given(st.integers(2, 100), st.integers(1, 99), st.sampled_from((HOUR_MS, DAY_MS, 45 * DAY_MS)))
def test_the_predicted_time_of_a_fall_agrees_with_the_score_at_that_time(
    score: int, by: int, half_life_ms: int
) -> None:
    assume(by < score)
    rules = Rules(
        Model(
            (Signal("view", ("page",), half_life_ms=float(half_life_ms)),),
            (Scorecard("card", {"view": Points(float(score))}),),
        )
    )
    lead = run(rules, [Fact("page", "m", START_MS).event(rules, START_MS)]).lead()
    (now,) = readings(rules, lead, START_MS)
    fall_ms = now.fall_ms(by * 1e9)
    (before,) = readings(rules, lead, START_MS + math.floor(fall_ms) - 10)
    (after,) = readings(rules, lead, START_MS + math.ceil(fall_ms) + 10)
    assert before.exact > (score - by) * 10**9 > after.exact
    assert now.rise_ms(1.0) == math.inf
