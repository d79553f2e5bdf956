"""Law 4: the timer, and how records fall into batches, change promptness and never the outcome."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal, Stage
from tests.properties.driver import Cut, run, told
from tests.properties.strategies import START_MS, Fact, arrivals, facts, models

cuts: st.SearchStrategy[Cut] = st.sampled_from(("", "step", "reload"))


@settings(max_examples=200)
@given(st.data())
def test_ticks_and_batches_leave_the_same_transitions(data: st.DataObject) -> None:
    rules = Rules(data.draw(models()))
    span_ms = data.draw(st.sampled_from((HOUR_MS, 3 * DAY_MS, 60 * DAY_MS)))
    events = [fact.event(rules, at) for fact, at in data.draw(arrivals(data.draw(facts(span_ms))))]
    until_ms = events[-1].arrival + data.draw(st.sampled_from((0, DAY_MS, 100 * DAY_MS)))
    ticks = data.draw(st.lists(st.tuples(st.integers(START_MS, until_ms), cuts), max_size=6))
    random_cuts = data.draw(st.lists(cuts, min_size=len(events), max_size=len(events)))
    plain = run(rules, events, until_ms=until_ms)
    batch = run(rules, events, [""] * len(events), until_ms=until_ms)
    ticked = run(rules, events, random_cuts, ticks, until_ms)
    assert told(plain.transitions) == told(batch.transitions)
    assert told(plain.transitions) == told(ticked.transitions)


@settings(max_examples=100)
@given(
    st.sampled_from((float(HOUR_MS), 6.0 * HOUR_MS, 14.0 * DAY_MS, 90.0 * DAY_MS)),
    st.lists(st.sampled_from((10.0, 2.3, 7.7, 1.0, -3.0, -10.0)), min_size=1, max_size=5),
    st.sampled_from((2.0, 5.0, 9.0)),
    st.data(),
)
def test_a_meaningless_event_next_to_a_crossing_does_not_move_it(
    half_life_ms: float, worth: list[float], leave: float, data: st.DataObject
) -> None:
    names = [f"s{i}" for i in range(len(worth))]
    signals = tuple(Signal(name, (name,), half_life_ms=half_life_ms) for name in names)
    card = Scorecard(
        "card",
        dict(zip(names, map(Points, worth), strict=True)),
        stages=(Stage("hot", leave * 2, leave, handoff=True),),
    )
    rules = Rules(Model(signals, (card,)))
    events = [
        Fact(name, f"{name}{i}", START_MS + i).event(rules, START_MS + i)
        for i in range(3)
        for name in names
    ]
    until_ms = START_MS + round(half_life_ms) * 40
    quiet = run(rules, events, [""] * len(events), until_ms=until_ms)
    falls = [t.at_ms for t in quiet.transitions if t.cause == "decay"]
    near = data.draw(
        st.lists(st.tuples(st.sampled_from(falls or [until_ms - 100]), st.integers(-3, 40)), min_size=1, max_size=4)
    )
    noise = sorted(at_ms + off for at_ms, off in near)
    events += [Fact("Unheard", f"n{i}", at).event(rules, at) for i, at in enumerate(noise)]
    noisy = run(rules, events, [""] * len(events), until_ms=until_ms)
    assert told(noisy.transitions) == told(quiet.transitions)


@given(st.integers(1, 6), st.lists(cuts, min_size=6, max_size=6))
def test_a_bound_that_is_met_exactly_is_entered_by_the_event_that_meets_it(
    steps: int, random_cuts: list[Cut]
) -> None:
    card = Scorecard("card", {"view": Points(1.0)}, stages=(Stage("hot", float(steps), 0.5, handoff=True),))
    rules = Rules(Model((Signal("view", ("page",), half_life_ms=math.inf),), (card,)))
    events = [Fact("page", f"{i}", START_MS + i).event(rules, START_MS + i) for i in range(6)]
    (entered,) = run(rules, events, random_cuts).transitions
    assert (entered.kind, entered.at_ms, entered.cause) == ("entered", START_MS + steps - 1, "event")
