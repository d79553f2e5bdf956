"""Law 5: the printed parts sum exactly to the printed score, and all shown values agree."""

from __future__ import annotations

import json
from decimal import ROUND_FLOOR, Decimal
from random import Random

import pytest
from hypothesis import given, settings

from streams.scoring.blocks import is_blocked, is_open
from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.explanation import Explanation, explain
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.score import read
from streams.scoring.stages import current_stage, standing
from streams.shard.alert import alert, score_record
from tests.properties.driver import ShardDriver, run
from tests.properties.strategies import a_model, chances, events_of, some_inputs

pytestmark = pytest.mark.usefixtures("implementation")


def printed(number: float) -> Decimal:
    return Decimal(json.dumps(number))


def total(numbers: list[float]) -> Decimal:
    return sum((printed(number) for number in numbers), Decimal(0))


def played(chance: Random) -> tuple[Rules, ShardDriver, int]:
    rules = Rules(a_model(chance))
    events = events_of(rules, some_inputs(chance))
    now_ms = events[-1].arrival + chance.choice((0, 1, HOUR_MS, DAY_MS, 50 * DAY_MS))
    return rules, run(rules, events, until_ms=now_ms), now_ms


@settings(max_examples=140)
@given(chances.map(played))
def test_the_parts_sum_to_the_score_as_printed(history: tuple[Rules, ShardDriver, int]) -> None:
    rules, shard, now_ms = history
    for card in rules.cards:
        why = explain(card, shard.lead(), now_ms, rules)
        assert total([part.points for part in why.parts]) == printed(why.exact)
        assert total(list(why.categories.values())) == printed(why.engagement)
        given = [p.points if p.after_caps is None else p.after_caps for p in why.parts if p.kind in {"signal", "fit"}]
        assert float(total(given)) == pytest.approx(why.engagement + why.fit, abs=1e-7)
        clamp = total([part.points for part in why.parts if part.kind == "clamp"])
        assert printed(why.engagement) + printed(why.fit) + clamp == printed(why.exact)


@settings(max_examples=140)
@given(chances.map(played))
def test_score_grade_and_stages_agree_with_the_exact_score(history: tuple[Rules, ShardDriver, int]) -> None:
    rules, shard, now_ms = history
    lead = shard.lead()
    for card in rules.cards:
        why = explain(card, lead, now_ms, rules)
        reading = read(card, lead, now_ms)
        assert (why.exact, why.fit, why.engagement) == tuple(
            units / 10**9 for units in (reading.exact, reading.fit, reading.engagement)
        )
        assert why.score == printed(why.exact).to_integral_value(ROUND_FLOOR)
        check_grade(card, why)
        check_stages(card, lead, why, now_ms)
        row = json.loads(score_record("u", card, standing(card, lead, now_ms), rules.version))
        assert (row["score"], row["grade"], row["stage"]) == (why.score, why.grade, current_stage(card, lead))


def check_grade(card: CardRule, why: Explanation) -> None:
    rated = why.fit if card.card.engagement_grades else why.exact
    axes = [(why.grade[:1], rated, card.card.grades), (why.grade[1:], why.engagement, card.card.engagement_grades)]
    for reached, points, grades in axes:
        bounds = dict(grades)
        assert not grades or points >= bounds[reached] or reached == grades[-1][0]
        assert all(points < bound for grade, bound in grades if grade < reached)


def check_stages(card: CardRule, lead: Lead, why: Explanation, now_ms: int) -> None:
    amounts = {part.name: part.amount for part in why.parts if part.kind == "signal"}
    for rule in card.stages:
        stage, latch = rule.stage, lead.latches.get(rule.key)
        blocked = any(amounts.get(name) for name in stage.blocked_by)
        if latch is not None and latch.inside:
            assert why.applies
            assert why.exact >= stage.leave
            assert why.fit >= rule.keep_fit / 10**9
            assert why.engagement >= rule.keep_engagement / 10**9
            assert not blocked
            assert not is_blocked(rule, lead, now_ms)
        elif is_open(rule, lead, now_ms):
            wanting = why.fit < rule.needs_fit / 10**9 or why.engagement < rule.needs_engagement / 10**9
            assert why.exact < stage.enter or wanting or not why.applies


@settings(max_examples=140)
@given(chances.map(played))
def test_the_reasons_of_an_alert_sum_to_its_score(history: tuple[Rules, ShardDriver, int]) -> None:
    rules, shard, _ = history
    for crossing in shard.crossings:
        if crossing.transition.is_alert:
            data = json.loads(alert(crossing, rules, "https://board.example"))["data"]
            assert total([reason["points"] for reason in data["reasons"]]) == printed(data["score"]["value"])
            value, previous, delta = (printed(data["score"][k]) for k in ("value", "previous", "delta"))
            assert value - previous == delta
