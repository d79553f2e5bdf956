"""Law 6: replay equals live."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings

from streams.scoring.counting import DAY_MS
from streams.scoring.rules import Rules
from streams.scoring.stored import encode
from streams.shard.alert import alert
from tests.properties.driver import run, transition_fields
from tests.properties.strategies import a_model, chances, events_of, some_cuts, some_inputs, some_ticks

pytestmark = pytest.mark.usefixtures("implementation")


@settings(max_examples=100)
@given(chances)
def test_a_replay_of_the_same_steps_is_the_same_byte_for_byte(chance: Random) -> None:
    model = a_model(chance)
    rules, again = Rules(model), Rules(model)
    inputs = some_inputs(chance)
    cuts = some_cuts(chance, len(inputs))
    until_ms = inputs[-1][1] + DAY_MS
    ticks = some_ticks(chance, until_ms)
    live = run(rules, events_of(rules, inputs), cuts, ticks, until_ms)
    replay = run(again, events_of(again, inputs), cuts, ticks, until_ms)
    assert live.blobs == replay.blobs
    assert [alert(c, rules, "") for c in live.crossings if c.transition.is_alert] == [
        alert(c, again, "") for c in replay.crossings if c.transition.is_alert
    ]


@settings(max_examples=140)
@given(chances)
def test_a_rebuild_in_other_batches_gives_the_same_states_and_alert_ids(chance: Random) -> None:
    model = a_model(chance)
    rules, again = Rules(model), Rules(model)
    inputs = some_inputs(chance)
    until_ms = inputs[-1][1] + DAY_MS
    ticks = some_ticks(chance, until_ms)
    cuts = some_cuts(chance, len(inputs))
    other_lead = events_of(again, inputs[::-1])
    live = run(rules, events_of(rules, inputs), cuts, ticks, until_ms)
    run(again, other_lead)  # the match cache of the rules must not change the result
    rebuilt = run(again, events_of(again, inputs), until_ms=until_ms)
    assert encode(live.lead()) == encode(rebuilt.lead())
    assert transition_fields(live.transitions) == transition_fields(rebuilt.transitions)
    assert [t.previous for t in live.transitions] == [t.previous for t in rebuilt.transitions]
