"""The key `sales` of a scorecard: a rejected lead is held out of the stages with handoff until it is recycled."""

from __future__ import annotations

import re

import pytest

from app.lead_views import describe_obstacle
from app.scorecards.differences import find_differences
from app.scorecards.text import describe_block
from streams.scorefile import YamlFileError, load, parse
from streams.scoring.counting import DAY_MS
from streams.scoring.event import Retract
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.scorecard import Target
from streams.scoring.verdicts import ACCEPTED, OPPORTUNITY, RECYCLED, REJECTED, WON, SalesCall, event_of
from streams.shard.alert import show_obstacles
from tests.properties.driver import ShardDriver
from tests.properties.strategies import START_MS, Fact

pytestmark = pytest.mark.usefixtures("implementation")

TEXT = """
leadglow: 1
signals:
  visit: {event: page, half_life: never}
scorecards:
  default:
    points: {visit: 10}
    range: [0, 1000]
    stages:
      - {name: known, enter: 5, leave: 2}
      - {name: ready, enter: 10, leave: 5, handoff: true}
"""
PLAIN = Rules(load(TEXT))
HELD = Rules(load(TEXT + "    sales: {reasons: [no budget, too small], recycle_after: 30d}\n"))
FOREVER = Rules(load(TEXT + "    sales: {}\n"))


def fact(event: str, day: int, kind: int = 0, reason: str = "") -> Fact:
    verdict = SalesCall(kind, reason, "ana") if kind else None
    return Fact(event, f"m{event}{day}", START_MS + day * DAY_MS, verdict=verdict)


def verdict(kind: int, day: int, reason: str = "") -> Fact:
    return fact(event_of(kind), day, kind, reason)


def played(rules: Rules, *facts: Fact, until: int = 0) -> ShardDriver:
    shard = ShardDriver(rules)
    for each in facts:
        shard.take(each.event(rules, each.at))
    if until:
        shard.advance_lead("u", START_MS + until * DAY_MS)
    return shard


def turns(shard: ShardDriver) -> list[tuple[str, str, int]]:
    """The changes of the stage with handoff, each with its day."""
    return [(t.kind, t.cause, (t.at_ms - START_MS) // DAY_MS) for t in shard.transitions if t.stage == "ready"]


def why_not(shard: ShardDriver, day: int) -> list[str]:
    found = show_obstacles(shard.rules.cards[0], shard.lead(), START_MS + day * DAY_MS, shard.rules)
    return [describe_obstacle(each) for each in found.get("ready", [])]


def test_a_rejected_lead_comes_back_with_a_new_alert_when_it_is_recycled_and_the_time_is_over() -> None:
    shard = played(HELD, fact("page", 0), verdict(REJECTED, 1, "no budget"), verdict(RECYCLED, 10), until=40)
    assert turns(shard) == [("entered", "event", 0), ("left", "event", 1), ("entered", "decay", 31)]
    assert [t.is_alert for t in shard.transitions if t.stage == "ready"] == [True, True, True]
    assert shard.lead().latches["default/known"].inside


def test_a_lead_recycled_after_that_time_comes_back_at_once() -> None:
    shard = played(HELD, fact("page", 0), verdict(REJECTED, 1), until=40)
    assert turns(shard) == [("entered", "event", 0), ("left", "event", 1)]
    shard.take(verdict(RECYCLED, 41).event(HELD, START_MS + 41 * DAY_MS))
    assert turns(shard)[-1] == ("entered", "event", 41)


@pytest.mark.parametrize("kind", [ACCEPTED, OPPORTUNITY, WON])
def test_a_lead_that_sales_accepts_after_all_comes_back_at_once(kind: int) -> None:
    shard = played(HELD, fact("page", 0), verdict(REJECTED, 1), verdict(kind, 2))
    assert turns(shard) == [("entered", "event", 0), ("left", "event", 1), ("entered", "event", 2)]
    assert why_not(shard, 2) == []


def test_the_block_is_described_with_both_of_its_ends() -> None:
    blocks = HELD.cards[0].stages[1].stage.blocks
    assert [describe_block(block) for block in blocks] == [
        "rejected by sales until recycled by sales",
        "rejected by sales for 30d or until accepted by sales",
    ]


def test_the_reason_is_told() -> None:
    shard = played(HELD, fact("page", 0), verdict(REJECTED, 1, "no budget"))
    first = "rejected by sales since 2026-01-07 (no budget)"
    assert why_not(shard, 2) == [f"{first}; may be recycled from 2026-02-06"]
    assert why_not(shard, 50) == [f"{first}; not recycled yet"]
    shard.take(verdict(RECYCLED, 3).event(HELD, START_MS + 3 * DAY_MS))
    assert why_not(shard, 4) == [f"{first}; recycled, held out until 2026-02-06"]
    assert why_not(shard, 50) == []


@pytest.mark.parametrize("kind", [RECYCLED, ACCEPTED])
def test_without_a_time_the_next_good_verdict_releases_the_lead(kind: int) -> None:
    shard = played(FOREVER, fact("page", 0), verdict(REJECTED, 1), verdict(kind, 2))
    assert turns(shard)[-1] == ("entered", "event", 2)


def test_a_retracted_rejection_lets_the_lead_in_again() -> None:
    shard = played(HELD, fact("page", 0), verdict(REJECTED, 1))
    shard.take(Retract("u", verdict(REJECTED, 1).message_id, START_MS + 2 * DAY_MS))
    assert turns(shard)[-1] == ("entered", "retracted", 2)
    assert shard.lead().verdicts == ()


def test_without_the_key_a_rejection_changes_no_stage() -> None:
    shard = played(PLAIN, fact("page", 0), verdict(REJECTED, 1, "no budget"))
    assert turns(shard) == [("entered", "event", 0)]
    assert [each.detail for each in shard.lead().verdicts] == ["no budget"]
    assert set(shard.lead().signals) == set(PLAIN.by_id)


def test_the_two_signals_are_in_no_list_of_signals() -> None:
    assert (list(HELD.signals), len(HELD.model.signals)) == (["visit"], 1)


def test_leads_that_were_rejected_before_are_held_out_when_the_key_comes_back() -> None:
    shard = played(HELD, fact("page", 0), verdict(REJECTED, 1))
    for day, rules in ((2, PLAIN), (3, HELD)):
        shard.change_rules(RulesChange(shard.rules, rules, START_MS + day * DAY_MS))
        shard.take(fact("page", day).event(rules, START_MS + day * DAY_MS))
    assert [kind for kind, *_ in turns(shard)] == ["entered", "left", "entered", "left"]


@pytest.mark.parametrize(
    ("sales", "place", "message"),
    [
        ("{reasons: [a, b, a]}", "12:29", "the reason is a duplicate of line 12"),
        ("{reasons: []}", "12:22", "the list is empty"),
        (f"{{reasons: [{'x' * 41}]}}", "12:23", "is not a text of 1 to 40 bytes"),
        ("{currencies: [EUR, EUR]}", "12:31", "the currency is a duplicate of line 12"),
        ("{currencies: [eur]}", "12:26", "write `EUR`"),
        ("{recycle_after: 0d}", "12:28", "without it, a lead may be recycled at once"),
        ("{reson: [a]}", "12:13", "write `reasons`"),
        ("30d", "12:12", "`30d` is not the terms of sales"),
    ],
)
def test_mistakes_are_named_at_their_place(sales: str, place: str, message: str) -> None:
    with pytest.raises(YamlFileError) as refused:
        load(f"{TEXT}    sales: {sales}\n")
    assert place in str(refused.value)
    assert message in str(refused.value)


def test_a_target_is_read_and_compared() -> None:
    old, new = (load(f"{TEXT}    target: {text}\n") for text in ("40/week", "10/day"))
    assert old.scorecards[0].target == Target(40, "week")
    assert PLAIN.model.version not in {old.version, new.version}
    (found,) = find_differences(old, new)
    assert found.text == "target 40/week → 10/day"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("40", "write the leads of a period, as in `40/week`"),
        ("40 per week", "write `40/week`"),
        ("0/week", "is not a number of leads per day, week, month or quarter"),
        ("40/hour", "is not a number of leads per day"),
    ],
)
def test_a_wrong_target_is_refused(target: str, message: str) -> None:
    with pytest.raises(YamlFileError, match=re.escape(message)):
        load(f"{TEXT}    target: {target}\n")


@pytest.mark.parametrize(("old", "new"), [(", handoff: true", ""), ("    stages", "    shadow: true\n    stages")])
def test_a_target_that_no_stage_can_meet_is_doubted(old: str, new: str) -> None:
    (warning,) = parse(TEXT.replace(old, new) + "    target: 40/week\n").warnings
    assert "so the target is never met" in warning


def test_terms_without_a_stage_for_sales_are_doubted() -> None:
    (warning,) = parse(TEXT.replace(", handoff: true", "") + "    sales: {recycle_after: 30d}\n").warnings
    assert "no stage has `handoff: true`" in warning
