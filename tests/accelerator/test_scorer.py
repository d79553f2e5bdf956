"""The accelerated scorer produces the same bytes, alerts and counts as the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from random import Random
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings

from streams.accelerator.batch import ColumnBatch
from streams.accelerator.scorer import AcceleratedScorer
from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.event import LeadEvent, Retract
from streams.scoring.interface import PlainBatch
from streams.scoring.lead import MAX_IDS, OLDER, Lead, id_hash
from streams.scoring.outcome import Outcome
from streams.scoring.rules import LATENESS_MS, Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.scorecard import Forgetting, Limit, Model, Points, Scorecard, Signal, Stage
from streams.scoring.scorer import Scorer
from streams.scoring.stored import decode, encode
from tests.accelerator.columns import batch_of
from tests.properties.hovering import a_hovering_lead, events_for
from tests.properties.strategies import START_MS, Fact, a_model, chances, events_of, some_inputs

LIMITS = (
    None, Limit(2, "hour"), Limit(1, "day"), Limit(40, "day"), Limit(3, "week"), Limit(4, "month"), Limit(5, "ever"),
    Limit(100, "ever"),
)  # fmt: skip


def some_model(chance: Random, ordinary: bool) -> Model:
    """Random scorecards; ``ordinary`` ones use only compiled features."""
    terms = chance.choice((None, Forgetting(20 * DAY_MS, 2 * DAY_MS), Forgetting(inf, 7 * DAY_MS)))
    model = replace(a_model(chance), forget=terms)
    if not ordinary:
        return model
    return replace(model, signals=tuple(replace(s, limit=None, distinct=None, amount=None) for s in model.signals))


def some_events(chance: Random, rules: Rules, ordinary: bool) -> list[LeadEvent]:
    """Random events of three leads; few ``ordinary`` ones have traits or campaigns."""
    found = []
    for lead_id in "abc":
        for _ in range(chance.choice((1, 1, 6))):
            for event in events_of(rules, some_inputs(chance)):
                more: dict[str, Any] = {"traits": None, "touch": None} if ordinary and chance.random() < 0.95 else {}
                more["known"] = chance.random() < 0.1
                found.append(msgspec.structs.replace(event, lead_id=lead_id, **more))
    return found


def same(mine: Outcome, theirs: Outcome) -> None:
    assert mine.all_blobs() == theirs.all_blobs()
    assert mine.dirty == theirs.dirty
    assert mine.ranks == theirs.ranks
    assert mine.due == theirs.due
    assert +mine.tally == +theirs.tally
    assert +mine.fired == +theirs.fired
    assert mine.counts() == theirs.counts()
    assert sorted((c.transition.alert_id, c.transition, c.snapshot) for c in mine.crossings) == sorted(
        (c.transition.alert_id, c.transition, c.snapshot) for c in theirs.crossings
    )


def load(fast: AcceleratedScorer, slow: Scorer, stored: Mapping[str, bytes | None], lead_ids: set[str]) -> None:
    missing = [lead_id for lead_id in sorted(lead_ids) if not fast.knows(lead_id)]
    fast.put_leads({lead_id: decode(blob) if (blob := stored.get(lead_id)) else None for lead_id in missing})
    for lead_id in lead_ids - slow.states.keys():
        slow.put_lead(lead_id, stored.get(lead_id))


def test_trim_removes_the_leads_loaded_first() -> None:
    rules = Rules(Model((Signal("view", ("page",)),), (Scorecard("card", {"view": Points(1.0)}),)))
    fast = AcceleratedScorer(rules)
    ids = [f"lead-{i}" for i in range(10)]
    for lead_id in ids:
        fast.put_lead(lead_id, None)
    fast.apply_batch(
        asked(fast, batch_of(rules, [Fact("page", "m", START_MS).event(rules, START_MS, i) for i in ids[5:]]))
    )
    blobs = fast.finish().all_blobs()
    fast.trim(4)
    assert [lead_id for lead_id in ids if fast.knows(lead_id)] == [*ids[3:5], *ids[8:]]
    fast.put_lead("lead-5", blobs["lead-5"])
    assert isinstance(fast.state("lead-5"), Lead)


def test_trim_keeps_the_leads_with_the_latest_events() -> None:
    rules = Rules(Model((Signal("view", ("page",)),), (Scorecard("card", {"view": Points(1.0)}),)))
    fast = AcceleratedScorer(rules)
    for at_ms, ids in enumerate(("abcd", "ac"), START_MS):
        events = [Fact("page", f"m-{at_ms}", at_ms).event(rules, at_ms, lead_id) for lead_id in ids]
        batch = batch_of(rules, events)
        fast.put_leads(dict.fromkeys(fast.missing(batch)))
        fast.apply_batch(batch)
        fast.finish()
    fast.trim(2)
    assert [lead_id for lead_id in "abcd" if fast.knows(lead_id)] == ["a", "c"]


def asked(fast: AcceleratedScorer, batch: ColumnBatch) -> ColumnBatch:
    assert fast.missing(batch) == []
    return batch


def apply_in_table(
    fast: AcceleratedScorer, slow: Scorer, stored: dict[str, bytes | None], events: list[LeadEvent]
) -> None:
    """Apply events of lead a, none of which may be left to the reference, and compare."""
    load(fast, slow, stored, {"a"})
    with patch.object(Scorer, "apply_batch", side_effect=AssertionError):
        fast.apply_batch(asked(fast, batch_of(fast.rules, events)))
    slow.apply_batch(PlainBatch(list(enumerate(events))))
    mine, theirs = fast.finish(), slow.finish()
    same(mine, theirs)
    stored |= theirs.blobs


@settings(max_examples=150, deadline=None)
@given(chances)
def test_batches_of_events_score_like_single_events(chance: Random) -> None:
    ordinary = chance.random() < 0.7
    rules = Rules(some_model(chance, ordinary), chance.choice((0, HOUR_MS, LATENESS_MS)))
    events = sorted(some_events(chance, rules, ordinary), key=lambda event: event.arrival)
    fast, slow = AcceleratedScorer(rules), Scorer(rules)
    stored: dict[str, bytes | None] = {}
    while events:
        size = chance.randint(1, 40)
        step, events = events[:size], events[size:]
        load(fast, slow, stored, {event.lead_id for event in step})
        fast.apply_batch(asked(fast, batch_of(rules, step)))
        for i, event in enumerate(step):
            slow.apply_batch(PlainBatch([(i, event)]))
        mine, theirs = fast.finish(), slow.finish()
        same(mine, theirs)
        stored |= theirs.blobs
        if chance.random() < 0.3:
            fast.update_ranking(sorted(stored))
            slow.update_ranking(sorted(stored))
            assert fast.unsent(sorted(stored)) == slow.unsent(sorted(stored))
            same(fast.finish(), slow.finish())
        if chance.random() < 0.5:
            load(fast, slow, stored, set(stored))
            now_ms = step[-1].arrival + chance.choice((0, 1, 10**6, 10**8))
            fast.advance_due(sorted(stored), now_ms)
            slow.advance_due(sorted(stored), now_ms)
            same(fast.finish(), slow.finish())
        if chance.random() < 0.1:
            fast.clear()
            slow.states.clear()


@pytest.mark.parametrize("seed", [5369, 6525, 6538])
def test_an_event_before_the_last_timer_run_changes_a_stage_at_once(seed: int) -> None:
    test_batches_of_events_score_like_single_events.hypothesis.inner_test(Random(seed))  # type: ignore[attr-defined]


@settings(max_examples=80, deadline=None)
@given(chances)
def test_a_score_that_hovers_at_a_bound_is_decided_the_same(chance: Random) -> None:
    rules, lead = a_hovering_lead(chance)
    fast, slow = AcceleratedScorer(rules), Scorer(rules)
    load(fast, slow, {"u": encode(lead)}, {"u"})
    for event in events_for(chance, rules, lead):
        if chance.random() < 0.5:
            fast.update_ranking(["u"])
            slow.update_ranking(["u"])
            fast.advance_due(["u"], event.arrival)
            slow.advance_due(["u"], event.arrival)
            same(fast.finish(), slow.finish())
        fast.apply_batch(asked(fast, batch_of(rules, [event])))
        slow.apply_batch(PlainBatch([(0, event)]))
        same(fast.finish(), slow.finish())


@pytest.mark.parametrize("seed", [775, 826, 1489])
def test_a_score_beyond_nine_million_points_is_decided_the_same(seed: int) -> None:
    """Beyond 2^53 units a float does not show every unit, so both implementations add up floats."""
    test_a_score_that_hovers_at_a_bound_is_decided_the_same.hypothesis.inner_test(Random(seed))  # type: ignore[attr-defined]


def counting_rules(chance: Random) -> Rules:
    """Signals of page views with limits, distinct values and windows, some of them without points."""
    counted = [(limit, distinct) for limit in LIMITS for distinct in (None, "properties.path")]
    signals = tuple(
        replace(Signal(f"s{i}", ("page",), limit=limit, distinct=distinct), **some_fading(chance))
        for i, (limit, distinct) in enumerate(chance.sample(counted, 4))
        if not (distinct and i > 0) or chance.random() < 0.3
    )
    points = {signal.name: Points(chance.choice((-3.0, 1.0, 5.0))) for signal in signals if chance.random() < 0.9}
    stage = Stage("hot", 20.0, 15.0, blocked_by=("s0",) if signals[0].name == "s0" and chance.random() < 0.1 else ())
    lateness_ms = chance.choice((0, HOUR_MS, LATENESS_MS))
    return Rules(Model(signals, (Scorecard("card", points, stages=(stage,)),)), lateness_ms)


def advanced_alike(fast: AcceleratedScorer, slow: Scorer, now_ms: int) -> Mapping[str, bytes | None]:
    """Rank and advance the lead "a" with both scorers; returns what is stored."""
    for scorer in (fast, slow):
        scorer.update_ranking(["a"])
    same(fast.finish(), slow.finish())
    for scorer in (fast, slow):
        scorer.advance_due(["a"], now_ms)
    mine, theirs = fast.finish(), slow.finish()
    same(mine, theirs)
    return theirs.blobs


def some_fading(chance: Random) -> dict[str, Any]:
    """How long the events of a signal count."""
    if chance.random() < 0.5:
        return {"half_life_ms": chance.choice((HOUR_MS, 30 * DAY_MS))}
    window_ms, at_least = chance.choice((HOUR_MS, DAY_MS, 7 * DAY_MS)), chance.choice((0, 0, 2, 5, 60))
    return {"half_life_ms": inf, "window_ms": window_ms, "at_least": at_least}


@settings(max_examples=60, deadline=None)
@given(chances)
def test_limits_and_distinct_values_count_the_same_over_a_long_time(chance: Random) -> None:
    """Enough events to fold buckets, drop values, fill windows, and enter and leave stages."""
    rules = counting_rules(chance)
    fast, slow, stored = AcceleratedScorer(rules), Scorer(rules), dict[str, bytes | None]()
    now_ms, sent = START_MS, 0
    for _ in range(chance.randint(3, 12)):
        if chance.random() < 0.1:
            change = RulesChange(rules, counting_rules(chance), now_ms)
            rules = change.new
            fast.change_rules(change)
            slow.change_rules(change)
        events = []
        for _ in range(60):
            now_ms += chance.choice((0, 1000, 10 * 60_000, 3 * HOUR_MS))
            at = now_ms - int(chance.random() ** 6 * 5 * DAY_MS)
            fact = Fact("page", f"m{sent}", at, {"properties.path": f"/{int(chance.random() ** 2 * 90)}"})
            events.append(fact.event(rules, now_ms, "a"))
            sent += chance.random() < 0.95
        load(fast, slow, stored, {"a"})
        fast.apply_batch(asked(fast, batch_of(rules, events)))
        for i, event in enumerate(events):
            slow.apply_batch(PlainBatch([(i, event)]))
        mine, theirs = fast.finish(), slow.finish()
        same(mine, theirs)
        stored |= theirs.blobs
        if chance.random() < 0.5:
            stored |= advanced_alike(fast, slow, now_ms + chance.choice((0, HOUR_MS, 3 * DAY_MS)))
        if chance.random() < 0.3:
            fast.clear()
            slow.states.clear()


def test_a_signal_with_a_window_that_loses_its_limit_counts_its_latest_events() -> None:
    """The limit kept more events than a window counts."""

    def rules(limit: Limit | None) -> Rules:
        signal = Signal("often", ("page",), half_life_ms=inf, window_ms=7 * DAY_MS, limit=limit)
        return Rules(Model((signal,), (Scorecard("card", {"often": Points(1.0)}),)))

    before, after = rules(Limit(100, "ever")), rules(None)
    fast, slow = AcceleratedScorer(before), Scorer(before)
    load(fast, slow, {}, {"a"})
    for used, first in ((before, 0), (after, 100)):
        if used is after:
            change = RulesChange(before, after, START_MS + first * 60_000)
            for scorer in (fast, slow):
                scorer.change_rules(change)
            advanced_alike(fast, slow, change.at_ms)
            for scorer in (fast, slow):
                scorer.finish_change()
        times = [START_MS + k * 60_000 for k in range(first, first + 100)]
        events = [Fact("page", f"m{at}", at).event(used, at, "a") for at in times]
        fast.apply_batch(asked(fast, batch_of(used, events)))
        slow.apply_batch(PlainBatch(list(enumerate(events))))
        same(fast.finish(), slow.finish())


@pytest.mark.parametrize("limit", [None, Limit(40, "day")])
def test_leads_with_many_events_in_windows_stay_in_the_table(limit: Limit | None) -> None:
    signal = Signal("often", ("page",), half_life_ms=inf, window_ms=7 * DAY_MS, limit=limit)
    rules = Rules(Model((signal,), (Scorecard("card", {"often": Points(1.0)}),)), lateness_ms=0)
    fast, slow, stored = AcceleratedScorer(rules), Scorer(rules), dict[str, bytes | None]()
    for step in range(12):
        at = [START_MS + (50 * step + i) * HOUR_MS // 2 for i in range(50)]
        events = [Fact("page", f"m{each}", each).event(rules, each, "a") for each in at]
        apply_in_table(fast, slow, stored, events)
        stored |= advanced_alike(fast, slow, events[-1].arrival)
        fast.clear()
        slow.states.clear()


@pytest.mark.parametrize("older", [OLDER, OLDER + 1, MAX_IDS])
def test_a_merged_lead_with_many_older_ids_stays_in_the_table(older: int) -> None:
    rules = Rules(Model((Signal("view", ("page",)),), (Scorecard("card", {"view": Points(1.0)}),)))

    def events(names: Iterable[str], at: int) -> list[LeadEvent]:
        return [Fact("page", name, at + i).event(rules, at + i, "a") for i, name in enumerate(names)]

    first = Scorer(rules)
    first.put_lead("a", None)
    first.apply_batch(PlainBatch(list(enumerate(events((f"m{i}" for i in range(60)), START_MS)))))
    lead = first.state("a")
    assert isinstance(lead, Lead)
    lead.ring = b"".join(id_hash(f"old{i}") for i in range(older))
    stored: dict[str, bytes | None] = {"a": encode(lead)}
    fast, slow = AcceleratedScorer(rules), Scorer(rules)
    for step in range(6):
        repeated = [f"old{older - 1 - 30 * step}", f"m{10 * step}", f"s{step - 1}-49"]
        batch = events([*repeated, *(f"s{step}-{i}" for i in range(50))], START_MS + 100 * (step + 1))
        apply_in_table(fast, slow, stored, batch)
        if step % 2:
            fast.clear()
            slow.states.clear()


def test_columns_keep_their_values_when_they_grow() -> None:
    signals = tuple(Signal(name, (name,)) for name in ("page", "screen", "call"))
    rules = Rules(
        Model(signals, (Scorecard("card", {"page": Points(1.0), "screen": Points(-1.0), "call": Points(2.0)}),))
    )
    chance, sent = Random(1), 0
    with patch.multiple("streams.accelerator.table", ROWS=1, PLACES=1, BLOCKS=1, WIDTH=1):
        fast = AcceleratedScorer(rules)
        slow = Scorer(rules)
        for step in range(1, 40):
            events = []
            for i in range(100):
                fact = Fact(chance.choice(("page", "screen", "call")), f"m{sent + i}", START_MS + 1000 * step + i)
                events.append(fact.event(rules, fact.at, f"lead-{int(step * chance.random() ** 3)}"))
            sent += len(events)
            load(fast, slow, {}, {event.lead_id for event in events})
            fast.apply_batch(asked(fast, batch_of(rules, events)))
            for i, event in enumerate(events):
                slow.apply_batch(PlainBatch([(i, event)]))
            same(fast.finish(), slow.finish())
    assert len(fast) > 20


def test_a_lead_that_forgets_all_its_events_in_one_step_can_continue() -> None:
    rules = Rules(Model((Signal("view", ("page",)),), (Scorecard("card", {"view": Points(1.0)}),)))
    fast, slow = AcceleratedScorer(rules), Scorer(rules)
    sent = [Fact("page", f"m{i}", START_MS + i).event(rules, START_MS + i, "a") for i in range(70)]
    back = [Retract("a", f"m{i}", START_MS + 100) for i in range(10, 70)]
    more = [Fact("page", f"n{i}", START_MS + i).event(rules, START_MS + 200 + i, "a") for i in range(8)]
    for inputs in (sent, back, more, [sent[0], sent[-1], more[0]]):
        load(fast, slow, {}, {"a"})
        fast.apply_batch(asked(fast, batch_of(rules, inputs)))
        slow.apply_batch(PlainBatch(list(enumerate(inputs))))
        if inputs is back:
            assert (fast._table.leads["recents"][0], fast._table.leads["first"][0]) == (0, 0)
        same(fast.finish(), slow.finish())
