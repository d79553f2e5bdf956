"""The search for the next crossing agrees with a check of every millisecond."""

from __future__ import annotations

import math
from random import Random

from hypothesis import given, settings

from streams.scoring.bounds import CERTAIN, fade_ms
from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.crossing import bound_next_change, flips, next_change, next_flip
from streams.scoring.fit import UNIT
from streams.scoring.lead import Latch, Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.score import published, read
from streams.scoring.scorecard import Category, Model, Points, Scorecard, Signal, Stage
from streams.scoring.terms import horizon_ms
from tests.properties.strategies import START_MS, chances


def a_fading_lead(chance: Random, half_lives_ms: tuple[float, ...]) -> tuple[CardRule, Lead]:
    """A lead with random latches and a few amounts: positive or negative, capped or not."""
    names = [f"s{i}" for i in range(chance.randint(1, 4))]
    signals = tuple(Signal(name, (name,), half_life_ms=chance.choice(half_lives_ms)) for name in names)
    worth = {
        name: Points(chance.choice((10.0, 20.0, 3.3, -10.0, -4.0)), chance.choice((math.inf, 12.0))) for name in names
    }
    top = chance.choice((math.inf, 25.0))
    enter = chance.choice((5.0, 10.0, 20.0, 1.5))
    stages = tuple(
        Stage(f"stage{i}", enter + i, enter * 0.6, needs_engagement=chance.choice((None, 8.0))) for i in range(2)
    )
    category = Category("all", tuple(names[1:]), -15.0, top)
    card = Scorecard("card", worth, categories=(category,), minimum=chance.choice((0.0, -30.0)), stages=stages)
    rules = Rules(Model(signals, (card,)))
    lead = Lead(START_MS)
    for rule in rules.signals.values():
        lead.add(rule.id, rule.inverse_half_life, -chance.randint(0, 50), chance.choice((1.0, 2.0, 5.5, 40.0)))
    (card_rule,) = rules.cards
    for stage in card_rule.stages:
        if chance.random() < 0.5:
            lead.latches[stage.key] = Latch(inside=True)
    return card_rule, lead


def shows(card: CardRule, lead: Lead, at_ms: int) -> tuple[int, bool]:
    reading = read(card, lead, at_ms)
    turned = any(flips(card, rule, lead, reading, at_ms) for rule in card.stages)
    return published(reading.exact), turned


@settings(max_examples=50)
@given(chances)
def test_the_searches_agree_with_a_check_of_every_millisecond(chance: Random) -> None:
    card, lead = a_fading_lead(chance, (7.0, 40.0, 100.0, math.inf))
    end_ms = START_MS + max(horizon_ms(card, lead), 100)
    seen = [shows(card, lead, at_ms) for at_ms in range(START_MS, end_ms + 1)]
    turned = [i for i, (_, turn) in enumerate(seen) if turn and i]
    assert next_flip(card, lead, START_MS, end_ms) == (START_MS + turned[0] if turned else None)
    if seen[0][1]:
        return  # a stage that should have changed by now: the search for a change starts from settled ones
    changed = [i for i, shown in enumerate(seen) if shown != seen[0]]
    assert next_change(card, lead, START_MS) == (START_MS + changed[0] if changed else None)


@settings(max_examples=900)
@given(chances)
def test_no_stage_or_score_changes_before_the_lower_bounds(chance: Random) -> None:
    card, lead = a_fading_lead(chance, (HOUR_MS, 14.0 * DAY_MS, 90.0 * DAY_MS, math.inf))
    now_ms = START_MS + chance.randint(0, 10 * DAY_MS)
    reading = read(card, lead, now_ms)
    shown = published(reading.exact)
    if shows(card, lead, now_ms)[1]:
        return
    calm, change, slack = bound_next_change(card, lead, reading)
    flip_ms = next_flip(card, lead, now_ms, now_ms + horizon_ms(card, lead))
    assert flip_ms is None or now_ms + calm - 1 < flip_ms
    change_ms = next_change(card, lead, now_ms)
    if change_ms is not None and (look_ms := now_ms + math.floor(change)) > change_ms:
        exact = read(card, lead, look_ms).exact
        assert min(abs(exact - shown * UNIT - whole) for whole in (0, UNIT)) <= 2 * CERTAIN
    assert change <= calm
    if 0 < slack < math.inf:
        first = next(iter(card.weights))
        worth = card.weights[first][0]
        if worth > 0:
            lead.add(first, card.weights[first][3], now_ms - lead.base, slack / worth * 0.999999)
            assert not shows(card, lead, now_ms)[1]


@given(chances)
def test_the_search_ends_for_a_score_that_stays_close_to_a_bound(chance: Random) -> None:
    signals = (
        Signal("base", ("a",)),
        Signal("dip", ("b",), half_life_ms=float(chance.choice((50, HOUR_MS)))),
    )
    stage = Stage("hot", 20.0, 10.0)
    card = Scorecard("card", {"base": Points(20.0), "dip": Points(-5.0)}, stages=(stage,))
    rules = Rules(Model(signals, (card,)))
    lead = Lead(START_MS)
    for rule in rules.signals.values():
        lead.add(rule.id, rule.inverse_half_life, 0, 1.0)
    (rule_card,) = rules.cards
    end_ms = START_MS + horizon_ms(rule_card, lead)
    at_ms = next_flip(rule_card, lead, START_MS, end_ms)
    assert at_ms is not None
    assert read(rule_card, lead, at_ms).exact == 20 * 10**9
    assert read(rule_card, lead, at_ms - 1).exact < 20 * 10**9


def test_a_very_large_total_decays_without_an_error() -> None:
    """From nine million points on, a float cannot separate the total from the next smaller whole number."""
    assert fade_ms(2**60 - 1, 2.0**60, 1e-9) == math.inf
