"""Windows, absence, half-lives by state and blocks that end: amounts and stages change at exact instants."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from app.lead_views import describe_obstacle
from streams.scoring.amounts import amount_at
from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.crossing import next_change, next_flip, next_look
from streams.scoring.event import ANONYMOUS, USER, Identity, Join, Retract
from streams.scoring.explanation import explain
from streams.scoring.lead import Lead
from streams.scoring.obstacles import obstacles_of
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.score import published, read
from streams.scoring.scorecard import Block, Limit, Model, Points, Scorecard, Signal, Stage
from streams.scoring.stages import DECAY, settle
from streams.scoring.stored import decode, encode
from streams.shard.alert import rfc3339, show_obstacles
from tests.properties.driver import ShardDriver, run
from tests.properties.strategies import START_MS, Fact, an_instant, events_of, some_inputs

pytestmark = pytest.mark.usefixtures("implementation")

ACTIVE = Signal("active", ("page",), window_ms=30 * DAY_MS)


def rules_of(*signals: Signal, points: dict[str, Points] | None = None, stages: tuple[Stage, ...] = ()) -> Rules:
    points = points or {signal.name: Points(10.0) for signal in signals}
    return Rules(Model(signals, (Scorecard("card", points, maximum=1000.0, stages=stages),)))


def played(rules: Rules, facts: list[Fact], until_ms: int | None = None) -> ShardDriver:
    return run(rules, [fact.event(rules, fact.at) for fact in facts], until_ms=until_ms)


def visits(count: int, every_ms: int = 1000) -> list[Fact]:
    return [Fact("page", f"m{i}", START_MS + i * every_ms) for i in range(count)]


def exact(rules: Rules, lead: Lead, now_ms: int) -> float:
    return read(rules.cards[0], lead, now_ms).exact / 10**9


def test_an_event_counts_until_exactly_the_end_of_its_window() -> None:
    rules = rules_of(ACTIVE)
    lead = played(rules, visits(1)).lead()
    end_ms = START_MS + 30 * DAY_MS
    assert [exact(rules, lead, at) for at in (START_MS, end_ms - 1, end_ms)] == [10.0, 10.0, 0.0]


def test_of_very_many_events_the_latest_64_count_in_any_order_of_arrival() -> None:
    rules = rules_of(Signal("active", ("page",), window_ms=DAY_MS))
    facts = visits(100)
    arrival = facts[-1].at
    for order in (facts, facts[::-1], Random(1).sample(facts, len(facts))):
        lead = run(rules, [fact.event(rules, arrival) for fact in order]).lead()
        signal = rules.signals["active"]
        assert [amount_at(signal, lead, START_MS + DAY_MS + ms) for ms in (0, 35_999, 36_000, 98_999, 99_000)] == [
            64, 64, 63, 1, 0,
        ]  # fmt: skip
        assert len(lead.ledgers[signal.id].entries) == 64


def test_a_limit_keeps_enough_events_for_a_long_window() -> None:
    rules = rules_of(Signal("active", ("page",), window_ms=100 * DAY_MS, limit=Limit(1, "day")))
    lead = played(rules, visits(90 * 2, DAY_MS // 2)).lead()
    assert exact(rules, lead, lead.clock) == 640.0
    assert exact(rules, lead, START_MS + 189 * DAY_MS - 1) == 10.0


def test_a_retracted_event_no_longer_counts_and_those_before_it_do() -> None:
    rules = rules_of(Signal("active", ("page",), window_ms=DAY_MS, at_least=2))
    shard = played(rules, visits(2))
    assert exact(rules, shard.lead(), shard.lead().clock) == 10.0
    shard.take(Retract("u", "m1", START_MS + 2000))
    assert exact(rules, shard.lead(), shard.lead().clock) == 0.0
    shard.take(Retract("u", "m0", START_MS + 2000))
    assert (shard.lead().signals, shard.lead().ledgers) == ([], {})


def test_joined_leads_count_each_event_once() -> None:
    rules = rules_of(Signal("active", ("page",), window_ms=DAY_MS))
    shard = ShardDriver(rules)
    for lead_id, message_ids in (("a", "wx"), ("u", "xyz")):
        for i, message_id in enumerate(message_ids):
            shard.take(Fact("page", message_id, START_MS + i).event(rules, START_MS + 9, lead_id))
    shard.take(Join(Identity(ANONYMOUS, "a"), Identity(USER, "u"), START_MS + 10))
    shard.drain()
    assert exact(rules, shard.lead(), START_MS + 10) == 40.0


def test_another_window_needs_no_rebuild_and_another_half_life_does() -> None:
    base = rules_of(ACTIVE)
    longer = rules_of(Signal("active", ("page",), window_ms=60 * DAY_MS))
    fading = rules_of(Signal("active", ("page",), half_life_ms=float(DAY_MS)))
    guard = Signal("guard", ("Called",))
    by_state = Signal("active", ("page",), half_life_ms=float(DAY_MS), while_half_lives=(("guard", HOUR_MS),))
    assert longer.signals_to_rebuild(base) == []
    assert fading.signals_to_rebuild(base) == ["active"]
    assert rules_of(by_state, guard).signals_to_rebuild(fading) == ["active"]
    blocked = Stage("hot", 10.0, 5.0, blocks=(Block("active", for_ms=DAY_MS),))
    assert rules_of(ACTIVE, stages=(blocked,)).signals_to_rebuild(base) == ["active"]
    lead = played(base, visits(1)).lead()
    assert exact(longer, lead, START_MS + 31 * DAY_MS) == 10.0


def test_absence_counts_for_a_lead_that_did_nothing() -> None:
    rules = rules_of(ACTIVE, points={"active": Points(1.0, absent=30.0)}, stages=(Stage("hot", 20.0, 10.0),))
    shard = played(rules, [Fact("identify", "m", START_MS, traits={"title": "CTO"})], START_MS + 1)
    (part,) = explain(rules.cards[0], shard.lead(), START_MS, rules).parts
    assert (part.name, part.amount, part.points, part.last_at) == ("active", 0.0, 30.0, None)
    assert [(t.kind, t.cause, t.at_ms) for t in shard.transitions] == [("entered", "event", START_MS)]


def test_absence_ends_with_an_event_and_begins_with_the_end_of_the_window() -> None:
    rules = rules_of(ACTIVE, points={"active": Points(1.0, absent=30.0)}, stages=(Stage("hot", 20.0, 10.0),))
    shard = played(
        rules, [Fact("identify", "i", START_MS, traits={"title": "CTO"}), *visits(2)], START_MS + 99 * DAY_MS
    )
    assert [(t.kind, t.cause, t.at_ms) for t in shard.transitions] == [
        ("entered", "event", START_MS),
        ("left", "event", START_MS),
        ("entered", "decay", START_MS + 1000 + 30 * DAY_MS),
    ]


def test_a_half_life_by_state_reads_both_amounts_and_switches_at_the_instant() -> None:
    contact = Signal("contact", ("Called",), window_ms=HOUR_MS)
    demo = Signal("demo", ("page",), half_life_ms=float(HOUR_MS), while_half_lives=(("contact", 10.0 * HOUR_MS),))
    rules = rules_of(demo, contact, points={"demo": Points(100.0)})
    shard = played(rules, [*visits(1), Fact("Called", "c", START_MS + HOUR_MS)])
    lead, switch_ms = shard.lead(), START_MS + 2 * HOUR_MS
    assert exact(rules, lead, START_MS + HOUR_MS) == pytest.approx(100 * 2**-0.1, abs=1e-6)
    assert exact(rules, lead, switch_ms - 1) == pytest.approx(100 * 2**-0.2, abs=1e-4)
    assert exact(rules, lead, switch_ms) == 25.0
    assert [part.name for part in explain(rules.cards[0], lead, switch_ms, rules).parts] == ["demo"]


def test_a_block_ends_by_another_signal_or_after_a_time_whatever_the_limits() -> None:
    signals = (
        Signal("visit", ("page",)),
        Signal("out", ("Left",), limit=Limit(1, "ever")),
        Signal("back", ("Returned",), limit=Limit(1, "ever")),
        Signal("no", ("Rejected",)),
    )
    stage = Stage("hot", 10.0, 5.0, blocks=(Block("out", "back"), Block("no", for_ms=DAY_MS)))
    rules = rules_of(*signals, points={"visit": Points(10.0)}, stages=(stage,))
    names = ("page", "Left", "Returned", "Left", "Returned", "Rejected")
    facts = [Fact(name, f"m{i}", START_MS + i) for i, name in enumerate(names)]
    shard = played(rules, facts, START_MS + 2 * DAY_MS)
    assert [(t.kind, t.at_ms - START_MS) for t in shard.transitions] == [
        ("entered", 0), ("left", 1), ("entered", 2), ("left", 3), ("entered", 4), ("left", 5), ("entered", DAY_MS + 5),
    ]  # fmt: skip
    shard = played(rules, facts)
    obstacle = {"blocked_by": "no", "since": START_MS + 5, "until": START_MS + 5 + DAY_MS}
    assert obstacles_of(rules.cards[0], shard.lead(), START_MS + 5, rules) == {"hot": [obstacle]}
    shard.take(Retract("u", "m5", START_MS + 6))
    assert shard.transitions[-1].kind == "entered"


def test_a_block_without_an_end_is_shown_with_its_label_since_the_latest_event() -> None:
    stage = Stage("hot", 10.0, 5.0, blocked_by=("out",))
    signals = Signal("visit", ("page",)), Signal("out", ("Left",), label="Unsubscribed")
    rules = rules_of(*signals, points={"visit": Points(10.0)}, stages=(stage,))
    shard = played(rules, [Fact(name, f"m{i}", START_MS + i) for i, name in enumerate(("page", "Left", "Left"))])
    obstacles = show_obstacles(rules.cards[0], shard.lead(), START_MS + 9, rules)
    assert obstacles == {"hot": [{"blocked_by": "out", "label": "Unsubscribed", "since": rfc3339(START_MS + 2)}]}
    assert describe_obstacle(obstacles["hot"][0]) == f"blocked by Unsubscribed since {rfc3339(START_MS)[:10]}"


def test_a_stage_needs_signals_to_enter_only() -> None:
    rules = rules_of(
        Signal("visit", ("page",)), Signal("call", ("Called",), window_ms=HOUR_MS),
        points={"visit": Points(10.0)}, stages=(Stage("hot", 10.0, 5.0, needs_signals=("call",)),),
    )  # fmt: skip
    shard = played(rules, visits(1))
    assert obstacles_of(rules.cards[0], shard.lead(), START_MS, rules) == {"hot": [{"needs_signal": "call"}]}
    shard.take(Fact("Called", "c", START_MS + 5).event(rules, START_MS + 5))
    shard.advance_lead("u", START_MS + DAY_MS)
    assert [(t.kind, t.at_ms) for t in shard.transitions] == [("entered", START_MS + 5)]


def test_a_stored_lead_keeps_its_windows() -> None:
    lead = played(rules_of(ACTIVE), visits(3)).lead()
    again: Any = decode(encode(lead))
    assert again.ledgers[ACTIVE.id].entries == lead.ledgers[ACTIVE.id].entries


def a_stepping_model(chance: Random) -> Rules:
    """Signals that only step, by a few ms."""
    windows = [Signal(f"w{i}", (name,), window_ms=chance.randint(1, 90), at_least=chance.choice((0, 1, 2)))
               for i, name in enumerate(("page", "Asked", "page"))]  # fmt: skip
    never = Signal("never", ("Bought",))
    points = {s.name: Points(chance.choice((10.0, -7.5, 3.0)), chance.choice((math.inf, 12.0)),
                             chance.choice((0.0, 0.0, -4.0, 9.0))) for s in (*windows, never)}  # fmt: skip
    blocks = (Block(chance.choice(("w0", "never")), for_ms=chance.randint(1, 60)),) if chance.random() < 0.4 else ()
    stages = tuple(
        Stage(f"s{i}", enter, enter - 4.0, blocks=blocks, needs_signals=("w1",) if chance.random() < 0.3 else ())
        for i, enter in enumerate((5.0, 12.0))
    )
    card = Scorecard("card", points, minimum=chance.choice((0.0, -50.0)), stages=stages)
    return Rules(Model((*windows, never), (card,)))


@pytest.mark.parametrize("seed", range(60))
def test_the_next_change_and_the_next_crossing_are_those_of_a_look_at_every_millisecond(seed: int) -> None:
    chance = Random(seed)
    rules = a_stepping_model(chance)
    inputs = some_inputs(chance, span_ms=chance.choice((20, 100)))
    lead = run(rules, events_of(rules, inputs)).lead()
    card, now_ms = rules.cards[0], lead.clock
    settle(rules, "u", lead, now_ms, DECAY)  # a lead whose events match nothing is not decided yet
    states = []
    for at_ms in range(now_ms, now_ms + 250):
        reading = read(card, lead, at_ms)
        flip = next_flip(card, lead, at_ms - 1, at_ms) if at_ms > now_ms else None
        states.append((published(reading.exact), reading.whole, flip is not None))
    changes = [now_ms + i for i, (score, _, flips) in enumerate(states) if score != states[0][0] or flips]
    flips = [now_ms + i for i, (_, _, flip) in enumerate(states) if flip]
    assert next_change(card, lead, now_ms) == (changes[0] if changes else None)
    assert next_flip(card, lead, now_ms, now_ms + 249) == (flips[0] if flips else None)
    look = next_look(card, lead, now_ms)
    assert look is None or not changes or look <= changes[0]


def test_leads_leave_and_join_the_table_of_the_accelerator_as_the_scorecards_change() -> None:
    plain = rules_of(Signal("visit", ("page",)))
    timed = rules_of(Signal("visit", ("page",)), Signal("active", ("page",), window_ms=DAY_MS))
    shard = ShardDriver(plain)
    chance = Random(4)
    for i, rules in enumerate((plain, timed, plain, timed)):
        at = START_MS + i * HOUR_MS
        shard.change_rules(RulesChange(shard.rules, rules, at))
        for k in range(3):
            shard.take(Fact("page", f"m{i}{k}", at).event(rules, an_instant(chance, HOUR_MS) + i * HOUR_MS), "step")
        assert exact(rules, shard.lead(), shard.lead().clock) == 10.0 * (
            3 * (i + 1) + (3 if i == 1 else 6 if i == 3 else 0)
        )
