"""The search for the next change takes a bounded number of evaluations and does not depend on its start."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings

from streams.scorefile import load
from streams.scoring import crossing, scorer, search, smooth, stages
from streams.scoring.counting import DAY_MS
from streams.scoring.crossing import flips, next_change, next_flip, next_look
from streams.scoring.lead import Latch, Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.score import published, read
from streams.scoring.scorecard import Category, Model, Points, Scorecard, Signal, Stage
from streams.scoring.stored import encode
from streams.scoring.terms import horizon_ms
from tests.properties.driver import ShardDriver
from tests.properties.hovering import a_hovering_lead
from tests.properties.strategies import START_MS, Fact, chances
from tests.support.implementations import AnyScorer

MAX_LOOKS = 4000
ENDLESS = Path(__file__).parents[1] / "data/scorecards/endless-search.yaml"


class EvaluationCounter:
    """Number of evaluations in the current search, and the maximum of all searches."""

    def __init__(self) -> None:
        self.most = self._now = 0

    def counted(self, look: Callable[..., Any]) -> Callable[..., Any]:
        """Count the calls of a function."""

        def counting(*args: Any) -> Any:
            self._now += 1
            self.most = max(self.most, self._now)
            assert self._now <= MAX_LOOKS
            return look(*args)

        return counting

    def begun(self, search_of: Callable[..., Any]) -> Callable[..., Any]:
        """Start a new count with each call of a function."""

        def beginning(*args: Any) -> Any:
            self._now = 0
            return search_of(*args)

        return beginning


@contextmanager
def counter() -> Iterator[EvaluationCounter]:
    """Count the evaluations of searches."""
    found = EvaluationCounter()
    curve = smooth.Smooth
    with (
        patch.multiple(search, read=found.counted(read), envelope=found.counted(search.envelope)),
        patch.multiple(crossing, read=found.counted(read)),
        patch.multiple(smooth, _exceeds=found.counted(smooth._exceeds)),
        patch.multiple(curve, total=found.counted(curve.total), balanced=found.counted(curve.balanced)),
        patch.multiple(stages, next_flip=found.begun(next_flip)),
        patch.multiple(scorer, next_look=found.begun(next_look)),
    ):
        yield found


@pytest.mark.usefixtures("implementation")
@settings(max_examples=150)
@given(chances)
def test_a_search_takes_a_bounded_number_of_evaluations(chance: Random) -> None:
    rules, lead = a_hovering_lead(chance)
    each = AnyScorer(rules)
    each.put_lead("u", encode(lead))
    with counter():
        for later_ms in (0, 1, DAY_MS, 1000 * DAY_MS):
            each.advance_due(["u"], lead.clock + later_ms)
    (card,) = rules.cards
    with counter():
        next_change(card, lead, lead.clock)


@settings(max_examples=300)
@given(chances)
def test_a_search_finds_the_same_instant_from_any_start(chance: Random) -> None:
    rules, lead = a_hovering_lead(chance)
    (card,) = rules.cards
    end_ms = lead.clock + horizon_ms(card, lead) + 1
    at_ms = next_flip(card, lead, lead.clock, end_ms)
    last_ms = end_ms if at_ms is None else at_ms - 1
    near = (lead.clock, last_ms) if last_ms > lead.clock else ()
    between = {min(max(instant + by, lead.clock), last_ms) for instant in near for by in (-2, 0, 1, 5, 1000)}
    between |= {chance.randint(lead.clock, last_ms) for _ in range(20) if near}
    for start_ms in between:
        assert start_ms == lead.clock or not turns(card, lead, start_ms)
        assert next_flip(card, lead, start_ms, end_ms) == at_ms
    assert at_ms is None or turns(card, lead, at_ms)
    assert next_flip(card, lead, lead.clock, last_ms) is None


def turns(card: CardRule, lead: Lead, at_ms: int) -> bool:
    reading = read(card, lead, at_ms)
    return any(flips(card, rule, lead, reading, at_ms) for rule in card.stages)


@settings(max_examples=60)
@given(chances)
def test_short_half_lives_give_the_exact_millisecond_at_which_the_rounded_parts_pass_a_bound(chance: Random) -> None:
    names = [f"s{i}" for i in range(chance.randint(1, 4))]
    signals = tuple(Signal(n, (n,), half_life_ms=chance.choice((200.0, 500.0, 1100.0, math.inf))) for n in names)
    points = {n: Points(chance.choice((10.0, 20.0, 3.3, -10.0, -4.0)), chance.choice((math.inf, 12.0))) for n in names}
    category = Category("some", tuple(names[1:]), -15.0, chance.choice((math.inf, 25.0)))
    stage = Stage("hot", chance.choice((5.0, 10.0, 20.0)), 4.0, needs_engagement=chance.choice((None, 8.0)))
    (card,) = Rules(Model(signals, (Scorecard("card", points, categories=(category,), stages=(stage,)),))).cards
    lead = Lead(START_MS)
    for signal in signals:
        lead.add(signal.id, card.weights[signal.id][3], -chance.randint(0, 900), chance.choice((1.0, 2.0, 5.5, 0.37)))
    (rule,) = card.stages
    inside = read(card, lead, START_MS).exact >= (rule.leave if chance.random() < 0.7 else rule.enter)
    lead.latches[rule.key] = Latch(inside=inside)

    def shows(at_ms: int) -> tuple[int, bool]:
        reading = read(card, lead, at_ms)
        entered = reading.exact >= rule.enter and reading.engagement >= rule.needs_engagement
        return published(reading.exact), reading.exact < rule.leave if inside else entered

    first = shows(START_MS)
    if first[1]:
        return
    end_ms = START_MS + horizon_ms(card, lead)
    changed = next((at_ms for at_ms in range(START_MS + 1, end_ms + 1) if shows(at_ms) != first), None)
    assert next_change(card, lead, START_MS) == changed


@pytest.mark.usefixtures("implementation")
def test_parts_that_always_cancel_change_nothing() -> None:
    rules = Rules(load(ENDLESS.read_text()))
    shard = ShardDriver(rules)
    shard.take(Fact("identify", "i", START_MS, traits={"size": "small"}).event(rules, START_MS))
    shard.take(Fact("page", "p", START_MS + 1, {"properties.path": "/careers"}).event(rules, START_MS + 1))
    each = AnyScorer(rules)
    each.put_lead("u", shard.blobs["u"])
    with counter() as found:
        due_ms: float | None = START_MS + 2
        for _ in range(4):
            if due_ms is not None:
                each.advance_due(["u"], round(due_ms))
                due_ms = each.finish().due["u"]
    assert due_ms is None
    assert found.most < 100


@pytest.mark.parametrize("inside", [False, True])
def test_a_score_that_stays_exactly_at_a_bound_changes_nothing(inside: bool) -> None:
    rules = Rules(load(ENDLESS.read_text()))
    (card,) = rules.cards
    lead = Lead(START_MS)
    lead.fits = {card.name: 20e9}
    lead.latches[card.stages[0].key] = Latch(inside=inside)
    for name in ("page_view", "careers"):
        lead.add(rules.signals[name].id, rules.signals[name].inverse_half_life, 0, 1.0)
    with counter() as found:
        assert next_change(card, lead, START_MS) is None
    assert found.most < 100
