"""Law 6: replay equals live."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.alert import alert
from streams.scoring.counting import DAY_MS
from streams.scoring.lead import Lead, encode
from streams.scoring.rules import Rules
from tests.properties.driver import Cut, run, told
from tests.properties.strategies import START_MS, arrivals, facts, models

cuts: st.SearchStrategy[Cut] = st.sampled_from(("", "step", "reload"))


@settings(max_examples=100)
@given(st.data())
def test_a_replay_of_the_same_steps_is_the_same_byte_for_byte(data: st.DataObject) -> None:
    model = data.draw(models())
    rules, again = Rules(model), Rules(model)
    inputs = data.draw(arrivals(data.draw(facts())))
    random_cuts = data.draw(st.lists(cuts, min_size=len(inputs), max_size=len(inputs)))
    until_ms = inputs[-1][1] + DAY_MS
    ticks = data.draw(st.lists(st.tuples(st.integers(START_MS, until_ms), cuts), max_size=4))
    live = run(rules, [fact.event(rules, at) for fact, at in inputs], random_cuts, ticks, until_ms)
    replay = run(again, [fact.event(again, at) for fact, at in inputs], random_cuts, ticks, until_ms)
    assert live.blobs == replay.blobs
    assert [alert(c, rules, "") for c in live.crossings if c.transition.told] == [
        alert(c, again, "") for c in replay.crossings if c.transition.told
    ]


def lasting(lead: Lead) -> bytes:
    """The state without what only says when to look again, and what was shown last."""
    lead.due, lead.published = None, {}
    return encode(lead)


@settings(max_examples=150)
@given(st.data())
def test_a_rebuild_in_other_batches_gives_the_same_states_and_alert_ids(data: st.DataObject) -> None:
    model = data.draw(models())
    rules, again = Rules(model), Rules(model)
    inputs = data.draw(arrivals(data.draw(facts())))
    until_ms = inputs[-1][1] + DAY_MS
    ticks = data.draw(st.lists(st.tuples(st.integers(START_MS, until_ms), cuts), max_size=4))
    random_cuts = data.draw(st.lists(cuts, min_size=len(inputs), max_size=len(inputs)))
    other_lead = [fact.event(again, at) for fact, at in reversed(inputs)]
    live = run(rules, [fact.event(rules, at) for fact, at in inputs], random_cuts, ticks, until_ms)
    run(again, other_lead)  # what the rules remember of other leads must leave no trace
    rebuilt = run(again, [fact.event(again, at) for fact, at in inputs], until_ms=until_ms)
    assert lasting(live.lead()) == lasting(rebuilt.lead())
    assert told(live.transitions) == told(rebuilt.transitions)
    assert [t.previous for t in live.transitions] == [t.previous for t in rebuilt.transitions]
