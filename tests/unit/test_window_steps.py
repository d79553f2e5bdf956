"""Windows of signals: when their amounts change at once."""

from __future__ import annotations

from math import inf

import pytest

from streams.scoring.amounts import amount_at, next_step_ms
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from streams.scoring.scorer import Scorer
from streams.units import DAY_MS
from tests.properties.strategies import START_MS, Fact


@pytest.mark.parametrize(
    ("events", "amount", "step_ms"), [(5, 0, inf), (6, 0, inf), (7, 1, DAY_MS), (9, 1, DAY_MS + 2)]
)
def test_an_amount_of_at_least_seven_events_ends_with_the_seventh_latest(
    events: int, amount: float, step_ms: float
) -> None:
    signal = Signal("often", ("page",), half_life_ms=inf, window_ms=DAY_MS, at_least=7)
    rules = Rules(Model((signal,), (Scorecard("card", {"often": Points(1.0)}),)))
    scorer, now_ms = Scorer(rules), START_MS + events
    scorer.put_lead("u", None)
    for i in range(events):
        scorer.apply(Fact("page", f"m{i}", START_MS + i).event(rules, now_ms, "u"))
    lead, rule = scorer.state("u"), rules.signals["often"]
    assert isinstance(lead, Lead)
    assert (amount_at(rule, lead, now_ms), next_step_ms(rule, lead, now_ms)) == (amount, START_MS + step_ms)
