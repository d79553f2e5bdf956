"""Reading many leads at once says what reading each one says."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings

from streams.scoring.bulk import WORTHWHILE, BulkCard
from streams.scoring.crossing import soonest
from streams.scoring.lead import Lead
from streams.scoring.rules import UNIT, Rules
from streams.scoring.score import HALF, published, read
from tests.properties.driver import run
from tests.properties.strategies import a_model, chances, events_of, some_inputs


def some_leads(chance: Random, rules: Rules) -> list[Lead]:
    """Enough leads that they are read together, one of which nothing is known."""
    return [run(rules, events_of(rules, some_inputs(chance))).lead() for _ in range(WORTHWHILE)] + [Lead(0)]


@settings(max_examples=60)
@given(chances)
def test_many_leads_read_together_read_like_each_alone(chance: Random) -> None:
    rules = Rules(a_model(chance))
    leads = some_leads(chance, rules)
    for card in rules.cards:
        glance = BulkCard(card).glance(leads, [lead.clock for lead in leads])
        for i, lead in enumerate(leads):
            reading = read(card, lead, lead.clock)
            shown = published(reading.exact)
            on_the_edge = min((reading.exact + HALF) % UNIT, -(reading.exact + HALF) % UNIT) < 1000
            assert glance.shown[i] == shown or on_the_edge
            calm, due, slack = soonest(card, lead, reading, glance.shown[i])
            assert glance.calm[i] == pytest.approx(calm, rel=1e-6, abs=2)
            assert glance.due[i] == pytest.approx(due, rel=1e-6, abs=2) or on_the_edge
            assert glance.slack[i] == pytest.approx(slack, rel=1e-6, abs=2000)
