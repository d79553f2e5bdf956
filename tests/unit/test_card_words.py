"""Check ``keep``, ``applies_to``, fit lines over several traits, ``shadow``, grades on two axes and labels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.scoring.counting import DAY_MS
from streams.scoring.explanation import explain
from streams.scoring.obstacles import obstacles_of
from streams.scoring.rules import Rules
from streams.scoring.scorecard import (
    EVERYTHING,
    Category,
    FitLine,
    Group,
    Model,
    Points,
    Scorecard,
    Signal,
    Stage,
)
from streams.scoring.scorecard import (
    Test as Where,
)
from streams.shard.alert import alert, score_record
from tests.properties.driver import ShardDriver, run
from tests.properties.strategies import START_MS, Fact
from tests.support.implementations import AnyScorer

pytestmark = pytest.mark.usefixtures("implementation")

VIEW = Signal("view", ("page",), half_life_ms=float(DAY_MS), label="Page views")
CTO = FitLine("title", Where("title", "equals", "CTO"), 20.0)
IBERIA = Where("country", "in", ("ES", "PT"))
HOT = Stage("hot", 9.0, 5.0, handoff=True)


def rules_of(*stages: Stage, **card: Any) -> Rules:
    return Rules(Model((VIEW,), (Scorecard("card", {"view": Points(10.0)}, stages=stages, **card),)))


def view(rules: Rules, after_ms: int) -> Any:
    return Fact("page", f"v{after_ms}", START_MS + after_ms).event(rules, START_MS + after_ms)


def told(rules: Rules, after_ms: int, **traits: Any) -> Any:
    return Fact("identify", f"t{after_ms}", START_MS + after_ms, traits=traits).event(rules, START_MS + after_ms)


def turns(shard: ShardDriver) -> list[tuple[str, int, str, bool]]:
    return [(t.kind, t.at_ms - START_MS, t.cause, t.is_alert) for t in shard.transitions]


def fit_of(line: FitLine, traits: dict[str, Any]) -> float:
    (card,) = rules_of(fit=(line,)).cards
    return card.fit.of(traits) / 1e9


def test_a_lead_leaves_when_its_fit_falls_below_what_the_stage_keeps() -> None:
    rules = rules_of(Stage("hot", 10.0, 5.0, handoff=True, keep_fit=20.0), fit=(CTO,))
    shard = run(rules, [view(rules, 0), view(rules, 1), told(rules, 2, title="CTO"), told(rules, 3, title="Cook")])
    assert turns(shard) == [("entered", 2, "event", True), ("left", 3, "event", True)]


def test_a_lead_leaves_at_the_instant_at_which_engagement_falls_below_what_the_stage_keeps() -> None:
    rules = rules_of(Stage("hot", 10.0, 5.0, handoff=True, keep_engagement=10.0), fit=(CTO,))
    events = [told(rules, 0, title="CTO"), view(rules, 1)]
    assert turns(run(rules, events, until_ms=START_MS + 9 * DAY_MS)) == [
        ("entered", 1, "event", True),
        ("left", 2, "decay", True),
    ]
    events = [told(rules, 0, title="CTO"), view(rules, 1), view(rules, 1 + DAY_MS)]
    assert turns(run(rules, events, until_ms=START_MS + 9 * DAY_MS))[-1][1] > 1.5 * DAY_MS


def test_a_scorecard_scores_only_the_leads_to_which_it_applies() -> None:
    rules = rules_of(HOT, applies_to=IBERIA, minimum=3.0, grades=(("A", 10.0), ("B", 3.0)))
    shard = run(rules, [view(rules, 0), told(rules, 5, country="PT"), told(rules, 9, country="FR")], ["step"])
    assert turns(shard) == [("entered", 5, "event", True), ("left", 9, "not_applicable", True)]
    (card,) = rules.cards
    why = explain(card, shard.lead(), START_MS + 9, rules)
    assert (why.score, why.exact, why.fit, why.engagement, why.grade, why.parts) == (0, 0.0, 0.0, 0.0, "B", ())
    assert not why.applies
    assert why.categories == {"other": 0.0}
    assert obstacles_of(card, shard.lead(), START_MS + 9, rules) == {"hot": [{"applies": False}]}
    left = json.loads(alert(shard.crossings[-1], rules, ""))["data"]
    assert (left["score"]["value"], left["score"]["delta"], left["reasons"]) == (0.0, -left["score"]["previous"], [])
    assert left["triggering_event"]["event_id"] == "t9"


def test_a_lead_to_which_a_scorecard_does_not_apply_has_no_rank() -> None:
    rules = rules_of(HOT, applies_to=IBERIA)
    scorer = AnyScorer(rules)
    ranked = []
    for event in (view(rules, 0), told(rules, 5, country="PT"), told(rules, 9, country="FR")):
        scorer.apply(event)
        scorer.finish()
        scorer.update_ranking(["u"])
        ranked.append(scorer.finish().ranks["card"]["u"])
        (standing,) = scorer.standings(["u"], START_MS + 9)["u"]
        row = json.loads(score_record("u", rules.cards[0], standing, rules.version))
        assert (row["applies"], row["score"], row["stage"]) == ((True, 9, "hot") if ranked[-1] else (False, 0, None))
        assert scorer.unsent(["u"]) == ["u"]
        assert scorer.ahead({"u": [standing]}) == []
        scorer.mark_sent(["u"])
    assert ranked[0] is None
    assert int(ranked[1] or 0) == 9
    assert ranked[2] is None
    scorer.advance_due(["u"], START_MS + 400 * DAY_MS)
    assert scorer.finish().due["u"] is None


def test_a_shadow_scorecard_sends_no_alerts() -> None:
    rules = rules_of(HOT, shadow=True)
    shard = run(rules, [view(rules, 0)], until_ms=START_MS + 9 * DAY_MS)
    assert turns(shard) == [("entered", 0, "event", False), ("left", DAY_MS + 1, "decay", False)]
    assert not any(t.silenced for t in shard.transitions)


@pytest.mark.parametrize(
    ("number", "points"), [(50, 10.0), ("45.5", 9.1), (1000, 20.0), (-3, 0.0), (True, 0.0), ([50], 0.0), ("", 0.0)]
)
def test_a_fit_line_multiplies_the_number_in_a_trait(number: Any, points: float) -> None:
    assert fit_of(FitLine("rating", EVERYTHING, 0.0, times=0.2, maximum=20.0), {"rating": number}) == points


def test_a_product_is_finite_and_within_its_bounds() -> None:
    line = FitLine("rating", EVERYTHING, 0.0, times=-2.5, minimum=-10.0, maximum=-4.0)
    assert [fit_of(line, {"rating": n}) for n in (1, 3, 10**400, -(10**400))] == [-4.0, -7.5, -10.0, -4.0]
    assert fit_of(line, {}) == 0.0
    assert fit_of(FitLine("n", EVERYTHING, 0.0, times=1e9), {"n": 1e308}) == 1e9


def test_a_fit_line_may_need_several_traits() -> None:
    line = FitLine("", Group("all", (IBERIA, Where("employees", "gte", 200))), 15.0)
    assert line.part == "country, employees"
    assert fit_of(line, {"country": "ES", "employees": "450"}) == 15.0
    assert fit_of(line, {"country": "ES"}) == fit_of(line, {"employees": 450}) == 0.0
    (card,) = rules_of(fit=(line,), applies_to=Where("vip", "equals", True)).cards
    assert card.fit.traits == {"country", "employees", "vip"}


def test_a_grade_on_two_axes_is_both() -> None:
    axes: Any = {"grades": (("A", 20.0), ("B", 0.0)), "engagement_grades": (("1", 15.0), ("2", 5.0))}
    (card,) = rules_of(fit=(CTO,), **axes).cards
    assert card.grade(0.0, 20.0, 15.0) == "A1"
    assert card.grade(99.0, 0.0, 5.0) == "B2"
    assert card.grade(99.0, -5.0, -5.0) == "B2"


def test_parts_have_the_labels_of_the_file() -> None:
    lines = (FitLine("title", Where("title", "equals", "CTO"), 20.0, "boss", "Boss"), CTO)
    capped = (Category("behavior", ("view",), maximum=5.0, label="Behavior"),)
    rules = rules_of(fit=lines, categories=capped)
    shard = run(rules, [told(rules, 0, title="CTO"), view(rules, 1)])
    why = explain(rules.cards[0], shard.lead(), START_MS + 1, rules)
    assert [(part.kind, part.name, part.label) for part in why.parts] == [
        ("signal", "view", "Page views"),
        ("cap", "behavior", "Behavior"),
        ("fit", "boss", "Boss"),
        ("fit", "title", ""),
    ]
    assert [part.row().get("label") for part in why.parts] == ["Page views", "Behavior", "Boss", None]
