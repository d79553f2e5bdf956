"""Law 2: the same event twice counts once."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.event import LeadEvent
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from tests.properties.driver import readings, run, transition_fields
from tests.properties.strategies import START_MS, Fact, a_model, chances, events_of, some_inputs

pytestmark = pytest.mark.usefixtures("implementation")


@settings(max_examples=170)
@given(chances)
def test_a_repeated_event_changes_nothing(chance: Random) -> None:
    rules = Rules(a_model(chance))
    once = events_of(rules, some_inputs(chance))
    twice: list[LeadEvent] = []
    for event in once:
        for old in chance.sample(twice, min(len(twice), chance.randint(0, 2))):
            twice.append(msgspec.structs.replace(old, arrival=event.arrival))
        twice += [event] * chance.randint(1, 2)
    end_ms = once[-1].arrival
    mine = run(rules, once, until_ms=end_ms + DAY_MS)
    theirs = run(rules, twice, until_ms=end_ms + DAY_MS)
    for now_ms in (end_ms + DAY_MS, end_ms + 30 * DAY_MS):
        assert readings(rules, mine.lead(), now_ms) == readings(rules, theirs.lead(), now_ms)
    assert transition_fields(mine.transitions) == transition_fields(theirs.transitions)
    assert mine.lead().trait_values() == theirs.lead().trait_values()
    assert mine.lead().count == theirs.lead().count


@given(st.integers(0, 127))
def test_a_duplicate_is_recognized_after_127_other_events(others: int) -> None:
    rules = Rules(Model((Signal("view", ("page",)),), (Scorecard("card", {"view": Points(1.0)}, maximum=1000.0),)))
    first = Fact("page", "first", START_MS).event(rules, START_MS)
    rest = [Fact("page", f"{i}", START_MS).event(rules, START_MS) for i in range(others)]
    (reading,) = readings(rules, run(rules, [first, *rest, first]).lead(), START_MS + HOUR_MS)
    assert reading.exact == (1 + others) * 10**9
