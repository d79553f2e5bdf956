"""What a step of the scorer says, case by case; the laws are in tests/properties."""

from __future__ import annotations

import math
from typing import Any

import pytest

from streams.scoring.bounds import BEYOND_MS
from streams.scoring.counting import DAY_MS, HOUR_MS, WEEK_MS
from streams.scoring.event import ANONYMOUS, USER, Arrived, Erase, Identity, Join, LeadEvent, Retract
from streams.scoring.lead import Erased, Lead, Redirect
from streams.scoring.rules import Rules
from streams.scoring.score import rank_of
from streams.scoring.scorecard import FitLine, Limit, Model, Points, Scorecard, Signal, Stage
from streams.scoring.scorecard import Test as Where
from streams.scoring.stored import decode
from streams.scoring.verdicts import CONTACTED, SalesCall
from tests.properties.driver import Cut, ShardDriver, readings, run
from tests.properties.strategies import START_MS, Fact
from tests.support.implementations import AnyScorer

pytestmark = pytest.mark.usefixtures("implementation")

VIEW = Signal("view", ("page",), half_life_ms=float(DAY_MS))
STAY = Signal("stay", ("Stayed",))
STOP = Signal("stop", ("Stopped",))
CTO = FitLine("title", Where("title", "equals", "CTO"), 20.0)


def rules_of(*stages: Stage, signals: tuple[Signal, ...] = (VIEW, STAY, STOP), **card: Any) -> Rules:
    worth = {"view": Points(10.0), "stay": Points(10.0), "stop": Points(-10.0)}
    points = {signal.name: worth.get(signal.name, Points(1.0)) for signal in signals}
    return Rules(Model(signals, (Scorecard("card", points, stages=stages, **card),)))


def at(rules: Rules, name: str, after_ms: int, late_ms: int = 0, **more: Any) -> LeadEvent:
    message_id = more.pop("message_id", f"{name}-{after_ms}-{late_ms}-{more}")
    return Fact(name, message_id, START_MS + after_ms, **more).event(rules, START_MS + after_ms + late_ms)


def of(lead_id: str, event: LeadEvent) -> LeadEvent:
    event.lead_id = lead_id
    return event


def points_of(rules: Rules, shard: ShardDriver, after_ms: int) -> float:
    (reading,) = readings(rules, shard.lead(), START_MS + after_ms)
    return reading.exact / 1e9


def turns(shard: ShardDriver) -> list[tuple[str, str, int, str, bool]]:
    return [(t.stage, t.kind, t.at_ms - START_MS, t.cause, t.is_alert) for t in shard.transitions]


def test_a_crossing_that_fell_due_comes_before_the_event_that_finds_it() -> None:
    rules = rules_of(Stage("hot", 10.0, 5.0, handoff=True))
    shard = run(rules, [at(rules, "page", 0), at(rules, "page", 3 * DAY_MS)], [""])
    assert turns(shard) == [
        ("hot", "entered", 0, "event", True),
        ("hot", "left", DAY_MS + 1, "decay", True),
        ("hot", "entered", 3 * DAY_MS, "event", True),
    ]


def test_within_the_cooldown_a_stage_changes_in_silence() -> None:
    rules = rules_of(Stage("hot", 10.0, 9.0, cooldown_ms=WEEK_MS, handoff=True))
    shard = run(rules, [at(rules, "page", day * DAY_MS) for day in (0, 3, 7)], until_ms=START_MS + 9 * DAY_MS)
    assert [(kind, heard) for _, kind, _, _, heard in turns(shard)] == [
        ("entered", True),
        ("left", True),
        ("entered", False),
        ("left", False),
        ("entered", True),
        ("left", True),
    ]
    assert [t.silenced for t in shard.transitions] == [False, False, True, True, False, False]


def test_a_block_takes_a_lead_out_and_keeps_it_out() -> None:
    rules = rules_of(Stage("hot", 10.0, 5.0, blocked_by=("stop",), handoff=True))
    events = [at(rules, "Stayed", i) for i in range(3)]
    shard = run(rules, [*events, at(rules, "Stopped", 3), at(rules, "Stayed", 4)])
    assert turns(shard) == [("hot", "entered", 0, "event", True), ("hot", "left", 3, "event", True)]


def test_a_stage_is_entered_when_the_last_of_its_needs_is_met() -> None:
    rules = rules_of(Stage("hot", 30.0, 5.0, needs_fit=20.0, needs_engagement=20.0), fit=(CTO,))
    stays = [at(rules, "Stayed", i) for i in range(3)]
    named = at(rules, "identify", 5, traits={"title": "cto"})
    assert [turn[2] for turn in turns(run(rules, [*stays, named]))] == [5]
    first = at(rules, "identify", -5, traits={"title": "CTO"})
    assert [turn[2] for turn in turns(run(rules, [first, *stays]))] == [1]


def test_a_transition_knows_the_score_before_its_cause() -> None:
    rules = rules_of(Stage("hot", 30.0, 5.0, handoff=True), fit=(CTO,))
    stays = [at(rules, "Stayed", i) for i in range(2)]
    (by_event,) = run(rules, [*stays, at(rules, "Stayed", 2)]).transitions
    assert by_event.previous == 20e9
    (by_trait,) = run(rules, [*stays, at(rules, "identify", 2, traits={"title": "CTO"})]).transitions
    assert by_trait.previous == 20e9


@pytest.mark.parametrize(
    ("period", "begin_ms", "width_ms"),
    [
        ("hour", -DAY_MS, HOUR_MS),
        ("day", -DAY_MS, DAY_MS),
        ("week", -DAY_MS, WEEK_MS),  # START_MS is Tuesday, January 6
        ("month", -5 * DAY_MS, 31 * DAY_MS),
        ("quarter", -5 * DAY_MS, 90 * DAY_MS),
        ("year", -5 * DAY_MS, 365 * DAY_MS),
        ("ever", -DAY_MS, 1000 * DAY_MS),
    ],
)
def test_a_limit_counts_the_earliest_of_its_bucket(period: Any, begin_ms: int, width_ms: int) -> None:
    rules = rules_of(signals=(Signal("view", ("page",), limit=Limit(2, period), amount="properties.n"),))
    within = [begin_ms + step for step in (5, 3, 9, width_ms - 1)]
    amounts = dict(zip(within, (1, 10, 100, 1000), strict=True))
    end_ms = begin_ms + width_ms
    events = [
        Fact("page", f"{i}", START_MS + when, {"properties.n": amounts[when]}).event(rules, START_MS + end_ms)
        for i, when in enumerate(within)
    ]
    shard = run(rules, events)
    assert shard.lead().amount == [11.0]
    after = Fact("page", "next", START_MS + end_ms, {"properties.n": 5}).event(rules, START_MS + end_ms)
    shard.take(after)
    assert shard.lead().amount == [11.0 if period == "ever" else 16.0]
    assert shard.tally["limited"] == (3 if period == "ever" else 2)


def test_an_earlier_event_that_takes_the_place_of_a_later_one_may_take_a_lead_out() -> None:
    once = Signal("view", ("page",), half_life_ms=float(DAY_MS), limit=Limit(1, "ever"))
    card = Scorecard("card", {"view": Points(10.0)}, stages=(Stage("hot", 5.0, 4.0, handoff=True),))
    rules = Rules(Model((once,), (card,)))
    earlier = at(rules, "page", 0, late_ms=2 * DAY_MS + 1)
    shard = run(rules, [at(rules, "page", 2 * DAY_MS), earlier, at(rules, "page", 2 * DAY_MS + 2)])
    assert turns(shard) == [
        ("hot", "entered", 2 * DAY_MS, "event", True),
        ("hot", "left", 2 * DAY_MS + 1, "event", True),
    ]


def test_an_earlier_event_that_displaces_a_blocking_one_lets_a_lead_enter_at_once() -> None:
    """The later one has an amount, the earlier one has none: nothing blocks the stage any more."""
    hold = Signal("hold", ("Held",), limit=Limit(1, "day"), amount="properties.amount")
    rules = rules_of(Stage("hot", 10.0, 5.0, blocked_by=("hold",)), signals=(STAY, hold))
    late = at(rules, "Held", 0, 120_000, properties={"properties.amount": 0})
    shard = run(
        rules, [at(rules, "Held", 60_000, properties={"properties.amount": 7}), at(rules, "Stayed", 61_000), late]
    )
    assert turns(shard) == [("hot", "entered", 120_000, "event", False)]


@pytest.mark.parametrize("cut", ["", "show", "reload"])
def test_a_value_that_moves_to_an_earlier_day_lets_another_one_in_at_once(cut: Cut) -> None:
    """Of two values on a day one counts; the first turns out to be of the day before, so that the other one does."""
    buy = Signal("stay", ("Bought",), limit=Limit(1, "day"), distinct="properties.item", amount="properties.amount")
    rules = Rules(Model((buy,), (Scorecard("card", {"stay": Points(4.0)}, stages=(Stage("hot", 10.0, 5.0),)),)))
    events = [
        at(rules, "Bought", 1, properties={"properties.item": "a", "properties.amount": 1}, message_id="first"),
        at(rules, "Bought", 2, properties={"properties.item": "b", "properties.amount": 20}, message_id="other"),
        at(rules, "Bought", -DAY_MS, DAY_MS + 3, properties={"properties.item": "a", "properties.amount": 1}),
    ]
    shard = run(rules, events, [cut] * 3, until_ms=START_MS + DAY_MS)
    assert turns(shard) == [("hot", "entered", 3, "event", False)]


def test_a_score_of_half_a_point_that_nothing_fades_from_is_never_due() -> None:
    rules = rules_of(signals=(STAY,), fit=(FitLine("title", Where("title", "equals", "CTO"), 12.5),))
    scorer = AnyScorer(rules)
    scorer.put_lead("u", None)
    scorer.apply(at(rules, "identify", 0, traits={"title": "CTO"}))
    scorer.finish()
    scorer.update_ranking(["u"])
    assert scorer.finish().due == {}


def test_an_event_that_comes_after_its_bucket_is_too_old_does_not_count() -> None:
    rules = rules_of(signals=(Signal("view", ("page",), limit=Limit(1, "day")),))
    for late_ms, count in ((4 * DAY_MS, 1), (4 * DAY_MS + 1, 0)):
        shard = run(rules, [at(rules, "page", 0, late_ms)])
        assert sum(shard.lead().amount) == count
        assert shard.tally["late"] == 1 - count


@pytest.mark.parametrize(
    ("amount", "counted"),
    [(2, 2.0), ("2.5", 2.5), (-1, 0.0), (2e6, 1e6), (None, None), ("much", None), ([], None), ("nan", None)],
)
def test_an_amount_is_clamped_and_one_that_cannot_be_read_does_not_match(amount: Any, counted: Any) -> None:
    rules = rules_of(signals=(Signal("view", ("page",), amount="properties.n"),))
    lead = run(rules, [at(rules, "page", 0, properties={"properties.n": amount})]).lead()
    assert lead.amount == ([] if counted is None else [counted])


def test_a_step_names_everything_that_it_changed() -> None:
    rules = rules_of(Stage("hot", 10.0, 5.0, handoff=True))
    scorer = AnyScorer(rules)
    scorer.put_lead("u", None)
    scorer.apply(at(rules, "page", 0))
    outcome = scorer.finish()
    assert list(outcome.blobs) == ["u"]
    assert outcome.dirty == {"u"}
    assert [crossing.transition.kind for crossing in outcome.crossings] == ["entered"]
    assert outcome.tally["leads"] == 1
    again = scorer.finish()
    assert (again.blobs, again.due, again.ranks, again.dirty, again.crossings) == ({}, {}, {}, set(), [])


def test_a_changed_lead_has_a_rank_and_a_due_time() -> None:
    rules = rules_of(Stage("hot", 10.0, 5.0, handoff=True))
    scorer = AnyScorer(rules)
    scorer.put_lead("u", None)
    scorer.apply(at(rules, "page", 0))
    scorer.finish()
    scorer.update_ranking(["u", "unknown"])
    assert scorer.unsent(["u", "unknown"]) == ["u", "unknown"]
    outcome = scorer.finish()
    assert outcome.ranks == {"card": {"u": rank_of(10, START_MS)}}
    due = outcome.due["u"]
    assert due is not None
    assert START_MS < due <= START_MS + DAY_MS * 0.075
    assert (outcome.blobs, outcome.dirty) == ({}, set())
    scorer.mark_sent(["u"])
    scorer.apply(at(rules, "Nothing", 0))
    scorer.finish()
    scorer.update_ranking(["u"])
    assert scorer.unsent(["u"]) == []


def test_a_lead_whose_score_cannot_fall_is_never_due() -> None:
    rules = rules_of()
    scorer = AnyScorer(rules)
    scorer.put_lead("u", None)
    scorer.apply(at(rules, "Stayed", 0))
    scorer.update_ranking(["u"])
    assert scorer.finish().due.get("u") is None
    scorer.advance_due(["u"], START_MS + DAY_MS)
    assert scorer.finish().due == {"u": None}


def test_a_tick_returns_the_next_change_of_the_score() -> None:
    rules = rules_of()
    scorer = AnyScorer(rules)
    scorer.put_lead("u", None)
    scorer.apply(at(rules, "page", 0))
    scorer.finish()
    scorer.advance_due(["u"], START_MS + DAY_MS // 2)
    outcome = scorer.finish()
    assert outcome.ranks == {"card": {"u": rank_of(7, START_MS)}}
    expected = START_MS + DAY_MS * math.log2(10 / 7)
    assert outcome.due["u"] == pytest.approx(expected, abs=2)


def test_a_score_that_rounding_alone_changes_at_the_end_of_decay_is_due() -> None:
    """10 points for good and less and less against them: the sum is below 10 for long, and comes to be 10."""
    signals = (Signal("away", ("page",), half_life_ms=DAY_MS), Signal("order", ("Ordered",)))
    points = {"away": Points(-0.4), "order": Points(10.0)}
    rules = Rules(Model(signals, (Scorecard("card", points),)))
    now_ms: float | None = START_MS + 1
    before = AnyScorer(rules)
    before.put_lead("u", None)
    for event in (at(rules, "page", 0), at(rules, "Ordered", 0)):
        before.apply(event)
    scorer, published = AnyScorer(rules), list[float | None]()
    scorer.put_lead("u", before.finish().blobs["u"])
    while now_ms is not None:
        scorer.advance_due(["u"], now_ms)
        outcome = scorer.finish()
        published += [math.floor(ranks["u"] or 0.0) for ranks in outcome.ranks.values()]
        now_ms = outcome.due["u"]
    assert published == [9, 10]


def test_leads_beyond_the_range_are_ranked_by_their_score_before_it_then_by_who_was_seen_last() -> None:
    rules = rules_of(signals=(Signal("v", ("page",), half_life_ms=DAY_MS), STAY))
    scorer = AnyScorer(rules)
    for i, lead_id in enumerate("abcd"):
        scorer.put_lead(lead_id, None)
        for k in range(40 if lead_id == "b" else 30):
            scorer.apply(of(lead_id, at(rules, "Stayed", 100 * i, message_id=f"{i}-{k}")))
    scorer.finish()
    scorer.update_ranking("abcd")
    ranks = scorer.finish().ranks["card"]
    assert sorted(ranks, key=lambda lead_id: -(ranks[lead_id] or 0.0)) == ["b", "d", "c", "a"]
    scorer.mark_sent("a")
    scorer.apply(of("a", at(rules, "Nothing", 1000)))
    scorer.finish()
    scorer.update_ranking("a")
    assert scorer.finish().ranks == {"card": {"a": rank_of(math.floor(ranks["a"] or 0.0), START_MS + 1000)}}
    assert scorer.unsent("a") == []


def test_a_rank_that_changes_beyond_the_range_alone_publishes_nothing() -> None:
    rules = rules_of()
    scorer = AnyScorer(rules)
    scorer.put_lead("u", None)
    for k in range(20):
        scorer.apply(at(rules, "page", 0, message_id=f"{k}"))
    scorer.finish()
    scorer.update_ranking(["u"])
    due_ms = scorer.finish().due["u"]
    assert due_ms is not None
    assert START_MS + BEYOND_MS <= due_ms < START_MS + DAY_MS
    scorer.mark_sent(["u"])
    scorer.advance_due(["u"], round(due_ms))
    assert scorer.finish().ranks == {"card": {"u": rank_of(199, START_MS)}}
    assert scorer.unsent(["u"]) == []
    scorer.advance_due(["u"], START_MS + DAY_MS + 1)
    assert scorer.finish().ranks == {"card": {"u": rank_of(99, START_MS)}}
    assert scorer.unsent(["u"]) == ["u"]


@pytest.mark.parametrize("order", [1, -1])
def test_traits_that_a_scorecard_reads_stay_whatever_else_a_lead_has(order: int) -> None:
    lines = (CTO, FitLine("zone", Where("zone", "contains", "vip"), 15.0))
    rules = rules_of(fit=lines)
    crm = Fact("identify", "crm", START_MS, traits={f"field_{i:02}": i for i in range(70)})
    mine = Fact(
        "identify", "mine", START_MS + 1, traits={"zone": ["x", "VIP"], "title": "CTO", "owner": "ana", "zz": 1}
    )
    shard = run(rules, [fact.event(rules, START_MS + 1) for fact in (crm, mine)[::order]])
    assert points_of(rules, shard, 1) == 35
    assert set(shard.lead().traits) == {"zone", "title", "owner", *(f"field_{i:02}" for i in range(64))}
    assert shard.tally["traits_left_out"] == 7


@pytest.mark.parametrize("order", [1, -1])
def test_null_takes_a_trait_back_by_event_time(order: int) -> None:
    rules = rules_of(fit=(CTO,))
    said = [Fact("identify", f"{i}", START_MS + i, traits={"title": title}) for i, title in enumerate(("CTO", None))]
    shard = run(rules, [fact.event(rules, START_MS + 9) for fact in said[::order]])
    assert shard.lead().trait_values() == {}
    assert points_of(rules, shard, 9) == 0
    shard.take(Fact("identify", "9", START_MS + 9, traits={"title": "CTO"}).event(rules, START_MS + 9))
    assert points_of(rules, shard, 9) == 20


def test_the_timer_does_not_read_a_lead_again_at_an_older_instant() -> None:
    rules = rules_of()
    scorer = AnyScorer(rules)
    scorer.put_lead("u", None)
    scorer.apply(at(rules, "page", 0))
    scorer.finish()
    scorer.advance_due(["u"], START_MS + DAY_MS)
    assert scorer.finish().ranks == {"card": {"u": rank_of(5, START_MS)}}
    scorer.update_ranking(["u"])
    assert scorer.unsent(["u"]) == ["u"]
    again = scorer.finish()
    assert (again.ranks, again.due) == ({}, {})


def test_new_weights_apply_at_once_with_their_cause() -> None:
    signals = (VIEW, STAY, STOP)
    before = rules_of(Stage("hot", 15.0, 5.0, handoff=True), signals=signals)
    card = before.model.scorecards[0]
    after = Rules(Model(signals, (Scorecard("card", {"stay": Points(20.0)}, stages=card.stages),), "1" * 64))
    scorer = AnyScorer(before)
    scorer.put_lead("u", None)
    scorer.apply(at(before, "Stayed", 0))
    assert scorer.finish().crossings == []
    scorer.change_rules(after, START_MS + HOUR_MS)
    scorer.advance_due(["u"], START_MS + 2 * HOUR_MS)
    (crossing,) = scorer.finish().crossings
    assert crossing.transition.cause == "scorecard_changed"
    assert crossing.transition.kind == "entered"


def test_a_join_leaves_a_redirect_and_sends_the_state_on() -> None:
    rules = rules_of()
    anonymous, user = Identity(ANONYMOUS, "a"), Identity(USER, "u")
    shard = ShardDriver(rules)
    shard.take(Fact("Stayed", "1", START_MS).event(rules, START_MS, "a"))
    shard.take(Join(anonymous, user, START_MS + 1))
    state = decode(shard.blobs["a"])
    assert isinstance(state, Redirect)
    assert state.target == user
    (arrived,) = shard.waiting
    assert isinstance(arrived, Arrived)
    assert (arrived.lead_id, arrived.origin) == ("u", "a")
    shard.drain()
    assert points_of(rules, shard, 1) == 10.0
    shard.take(Fact("Stayed", "2", START_MS + 2).event(rules, START_MS + 2, "a"))
    shard.drain()
    assert points_of(rules, shard, 2) == 20.0
    shard.take(Join(anonymous, user, START_MS + 3))
    assert shard.waiting == []


def test_a_merge_that_enters_a_stage_has_the_cause_merged() -> None:
    rules = rules_of(Stage("hot", 20.0, 5.0, handoff=True))
    shard = ShardDriver(rules)
    for lead_id in "ua":
        shard.take(Fact("Stayed", lead_id, START_MS).event(rules, START_MS, lead_id))
    shard.take(Join(Identity(ANONYMOUS, "a"), Identity(USER, "u"), START_MS + 1))
    shard.drain()
    assert turns(shard) == [("hot", "entered", 1, "merged", True)]


def test_a_merged_lead_that_was_inside_leaves_by_decay() -> None:
    rules = rules_of(Stage("hot", 10.0, 5.0, handoff=True))
    shard = ShardDriver(rules)
    shard.take(Fact("page", "1", START_MS).event(rules, START_MS, "a"))
    shard.take(Join(Identity(ANONYMOUS, "a"), Identity(USER, "u"), START_MS + 1))
    shard.drain()
    shard.advance_lead("u", START_MS + 3 * DAY_MS)
    assert [(t.lead_id, t.kind, t.at_ms - START_MS, t.cause, t.joined_to) for t in shard.transitions] == [
        ("a", "entered", 0, "event", ""),
        ("a", "left", 1, "merged", "u"),
        ("u", "entered", 1, "merged", ""),
        ("u", "left", DAY_MS + 1, "decay", ""),
    ]


def test_an_erasure_follows_the_aliases_both_ways() -> None:
    rules = rules_of()
    for erased in "ua":
        shard = ShardDriver(rules)
        shard.take(Fact("Stayed", "1", START_MS).event(rules, START_MS, "a"))
        shard.take(Join(Identity(ANONYMOUS, "a"), Identity(USER, "u"), START_MS + 1))
        shard.drain()
        shard.take(Erase(erased, START_MS + 2))
        shard.drain()
        assert all(isinstance(decode(blob), Erased) for blob in shard.blobs.values())
        assert set(shard.blobs) == {"u", "a"}


def test_who_entered_before_handoff_was_turned_on_leaves_without_an_alert() -> None:
    shard = ShardDriver(rules_of(Stage("hot", 10.0, 5.0)))
    shard.take(at(shard.rules, "page", 0))
    shard.rules = rules_of(Stage("hot", 10.0, 5.0, handoff=True))
    shard.reload_leads()
    shard.advance_lead("u", START_MS + 3 * DAY_MS)
    shard.take(at(shard.rules, "page", 4 * DAY_MS))
    assert [turn[1:2] + turn[4:] for turn in turns(shard)] == [("entered", False), ("left", False), ("entered", True)]


def test_an_erased_lead_leaves_its_stages_with_alerts_that_contain_nothing_else_about_it() -> None:
    rules = rules_of(Stage("hot", 10.0, 5.0, handoff=True), Stage("seen", 1.0, 0.5))
    shard = ShardDriver(rules)
    shard.take(at(rules, "page", 0, traits={"title": "CTO"}))
    shard.take(Erase("u", START_MS + 2))
    assert turns(shard)[2:] == [("hot", "left", 2, "erased", True), ("seen", "left", 2, "erased", False)]
    crossing = shard.crossings[2]
    assert (crossing.transition.episode, crossing.transition.previous > 0) == (1, True)
    snapshot = decode(crossing.snapshot)
    assert isinstance(snapshot, Lead)
    assert (snapshot.traits, snapshot.signals, snapshot.touches, snapshot.aliases) == ({}, [], [], [])


def test_a_crossing_before_an_erasure_is_not_lost_if_the_timer_is_late() -> None:
    rules = rules_of(Stage("hot", 10.0, 5.0, handoff=True))
    for timer in (False, True):
        shard = ShardDriver(rules)
        shard.take(at(rules, "page", 0))
        if timer:
            shard.advance_lead("u", START_MS + 3 * DAY_MS)
        shard.take(Erase("u", START_MS + 4 * DAY_MS))
        assert [turn[1:4] for turn in turns(shard)] == [("entered", 0, "event"), ("left", DAY_MS + 1, "decay")]


def test_alert_ids_differ_by_lead_and_episode_and_are_the_same_for_ever() -> None:
    rules = rules_of(Stage("hot", 10.0, 9.0, handoff=True))
    shard = run(rules, [at(rules, "page", day * DAY_MS) for day in (0, 3)], until_ms=START_MS + 9 * DAY_MS)
    ids = [t.alert_id for t in shard.transitions]
    assert len(set(ids)) == 4


def test_a_signal_with_another_half_life_is_counted_anew() -> None:
    def rules(half_life_ms: float, *names: str) -> Rules:
        signals = tuple(Signal(name, ("page",), half_life_ms=half_life_ms) for name in names)
        return Rules(Model(signals, (Scorecard("card", {name: Points(1.0) for name in names}),)))

    assert rules(DAY_MS, "a", "b").signals_to_rebuild(rules(DAY_MS, "b", "a")) == []
    assert rules(DAY_MS, "a", "new").signals_to_rebuild(rules(HOUR_MS, "a", "gone")) == ["a"]


def test_a_verdict_publishes_the_score_anew_and_so_does_its_undo() -> None:
    rules = rules_of()
    scorer = AnyScorer(rules)
    scorer.put_lead("u", None)
    scorer.apply(at(rules, "Stayed", 0))
    for item in (
        at(rules, "Called", 1, message_id="verdict", verdict=SalesCall(CONTACTED)),
        Retract("u", "verdict", START_MS + 2),
    ):
        scorer.finish()
        scorer.update_ranking("u")
        scorer.finish()
        scorer.mark_sent("u")
        assert scorer.unsent("u") == []
        scorer.apply(item)
        assert scorer.finish().dirty == {"u"}
        assert scorer.unsent("u") == ["u"]
