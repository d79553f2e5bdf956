"""How often each signal counted, as a step of the scorer says it."""

from typing import Any

import pytest

from streams.scoring.counting import DAY_MS
from streams.scoring.outcome import Outcome
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Limit, Model, Points, Scorecard, Signal
from tests.properties.strategies import START_MS, Fact
from tests.support.implementations import AnyScorer

pytestmark = pytest.mark.usefixtures("implementation")

SIGNALS = (
    Signal("view", ("page",), half_life_ms=float(DAY_MS)),
    Signal("any", ("page", "Ordered")),
    Signal("daily", ("page",), limit=Limit(1, "day")),
    Signal("order", ("Ordered",), amount="properties.n"),
)
RULES = Rules(Model(SIGNALS, (Scorecard("card", {signal.name: Points(1.0) for signal in SIGNALS}),)))


def scored(*facts: Fact) -> Outcome:
    scorer = AnyScorer(RULES)
    scorer.put_lead("u", None)
    for fact in facts:
        scorer.apply(fact.event(RULES, START_MS + DAY_MS))
    return scorer.finish()


def fact(name: str, number: int, **properties: Any) -> Fact:
    known = {f"properties.{key}": value for key, value in properties.items()}
    return Fact(name, f"{name}-{number}", START_MS + number, known)


def test_each_signal_that_an_event_matched_is_counted() -> None:
    outcome = scored(fact("page", 1), fact("Ordered", 2, n=2.5))
    assert {name: n for name, n in outcome.fired.items() if n} == {"view": 1, "any": 2, "daily": 1, "order": 1}
    assert outcome.amounts == {"order": [2.5]}


def test_events_over_a_limit_and_duplicates_are_not_counted() -> None:
    outcome = scored(fact("page", 1), fact("page", 1), fact("page", 2), fact("page", 3))
    assert (outcome.fired["view"], outcome.fired["daily"]) == (3, 1)


def test_a_step_counts_only_its_own() -> None:
    scorer = AnyScorer(RULES)
    scorer.put_lead("u", None)
    scorer.apply(fact("page", 1).event(RULES, START_MS + DAY_MS))
    scorer.finish()
    assert not scorer.finish().fired
