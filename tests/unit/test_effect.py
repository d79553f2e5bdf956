"""The effect of a change of the scorecards, case by case; that it equals a live shard is a property."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from streams.scoring.counting import DAY_MS
from streams.scoring.effect import FIRST, MOVERS, CardEffect, Effect, StageEffect, measure_effect
from streams.scoring.event import USER, Identity
from streams.scoring.lead import Erased, Redirect
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.scorecard import FitLine, Model, Points, Scorecard, Signal, Stage
from streams.scoring.scorecard import Test as Where
from streams.scoring.stored import encode_erased, encode_redirect
from tests.properties.strategies import START_MS, Fact

VIEW = Signal("view", ("page",), half_life_ms=float(DAY_MS))
ASK = Signal("ask", ("Asked",))
HOT = Stage("hot", 30.0, 20.0, handoff=True)
CTO = FitLine("title", Where("title", "equals", "CTO"), 15.0)
CARD = Scorecard("card", {"view": Points(10.0), "ask": Points(10.0)}, stages=(HOT,))


def rules_of(*cards: Scorecard, signals: tuple[Signal, ...] = (VIEW, ASK)) -> Rules:
    return Rules(Model(signals, cards))


OLD = rules_of(CARD)


def leads_with(*asked: int, rules: Rules = OLD, title: str = "CTO") -> list[tuple[str, bytes]]:
    """Leads ``l0``, ``l1``, … that asked so often."""
    replay = Replay(rules)
    for number, times in enumerate(asked):
        for i in range(times):
            fact = Fact("Asked", f"m{number}-{i}", START_MS, traits={"title": title})
            replay.play(fact.event(rules, START_MS, f"l{number}"))
    replay.end_step()
    return list(replay.blobs.items())


def effect_of(new: Rules, *asked: int, old: Rules = OLD) -> Effect:
    return measure_effect(leads_with(*asked, rules=old), old, new, START_MS + DAY_MS)


def with_stages(*stages: Stage) -> Rules:
    return rules_of(replace(CARD, stages=stages))


def shape(stage: StageEffect) -> tuple[int, int, int, int, dict[str, int], int]:
    return stage.before, stage.after, stage.entered, stage.left, dict(stage.alerts), stage.silenced.total()


def content(effect: Effect) -> dict[str, Any]:
    """All that an effect holds, as values that can be compared."""

    def of_stage(stage: StageEffect) -> tuple[Any, ...]:
        return *shape(stage), list(stage.first_entered), list(stage.first_left)

    def of_card(card: CardEffect) -> tuple[Any, ...]:
        stages = {name: of_stage(stage) for name, stage in card.stages.items()}
        return card.before, card.after, card.risen, card.fallen, list(card.movers), stages

    return {"leads": effect.leads} | {name: of_card(card) for name, card in effect.cards.items()}


def test_a_lower_bound_lets_leads_enter_and_sends_their_alerts() -> None:
    effect = effect_of(with_stages(replace(HOT, enter=20.0, leave=15.0)), 1, 2, 3, 4)
    stage = effect.cards["card"].stages["hot"]
    assert shape(stage) == (2, 3, 1, 0, {"entered": 1}, 0)
    assert [one.lead_id for one in stage.first_entered] == ["l1"]
    assert (effect.leads, effect.alerts, effect.alerted) == (4, 1, 1)


def test_a_higher_bound_lets_leads_leave() -> None:
    effect = effect_of(with_stages(replace(HOT, enter=80.0, leave=35.0)), 1, 3, 4)
    stage = effect.cards["card"].stages["hot"]
    assert shape(stage) == (2, 1, 0, 1, {"left": 1}, 0)
    assert [one.lead_id for one in stage.first_left] == ["l1"]


def test_a_removed_stage_is_left_with_alerts() -> None:
    effect = effect_of(with_stages(), 3, 4)
    assert shape(effect.cards["card"].stages["hot"]) == (2, 0, 0, 2, {"left": 2}, 0)
    assert effect.alerts == 2


def test_a_stage_without_handoff_sends_nothing() -> None:
    quiet = replace(HOT, name="warm", enter=10.0, leave=5.0, handoff=False)
    effect = effect_of(with_stages(quiet, HOT), 1, 3)
    assert shape(effect.cards["card"].stages["warm"]) == (0, 2, 2, 0, {}, 0)
    assert effect.alerts == 0


def test_within_the_cooldown_an_entry_is_silenced() -> None:
    patient = replace(HOT, cooldown_ms=7 * DAY_MS)
    old = with_stages(patient)
    replay = Replay(old)
    for i in range(3):
        replay.play(Fact("page", f"m{i}", START_MS).event(old, START_MS, "l0"))
    replay.end_step()  # at 30 it enters; a day later it is at 15 and has left
    new = with_stages(replace(patient, enter=10.0, leave=5.0))
    effect = measure_effect(replay.blobs.items(), old, new, START_MS + DAY_MS)
    assert shape(effect.cards["card"].stages["hot"]) == (0, 1, 1, 0, {}, 1)


def test_scores_are_counted_before_and_after() -> None:
    effect = effect_of(rules_of(replace(CARD, points={"ask": Points(20.0), "view": Points(1.0)})), 1, 2, 2)
    card = effect.cards["card"]
    assert (card.before, card.after) == ({10: 1, 20: 2}, {20: 1, 40: 2})
    assert (card.risen, card.fallen) == (3, 0)
    assert [(one.lead_id, one.units) for one in card.movers] == [("l1", 20e9), ("l2", 20e9), ("l0", 10e9)]


def test_a_wide_range_is_counted_in_steps() -> None:
    wide = replace(CARD, maximum=10_000.0)
    effect = measure_effect(leads_with(4), rules_of(wide), rules_of(wide), START_MS)
    assert (effect.cards["card"].step, effect.cards["card"].before) == (10, {40: 1})


def test_a_new_signal_is_worth_nothing_yet_and_a_forgotten_one_nothing_any_more() -> None:
    other = Signal("other", ("Asked",))
    card = Scorecard("card", {"other": Points(10.0)}, stages=(HOT,))
    effect = effect_of(rules_of(card, signals=(VIEW, other)), 4)
    assert effect.cards["card"].after == {0: 1}


def test_changed_fit_applies_to_known_traits() -> None:
    effect = effect_of(rules_of(replace(CARD, fit=(CTO,))), 2)
    assert effect.cards["card"].after == {35: 1}
    assert effect.alerts == 1


def test_scorecards_that_come_and_go_have_scores_on_one_side() -> None:
    effect = effect_of(rules_of(replace(CARD, name="fresh")), 1, 3)
    assert (effect.cards["card"].before, effect.cards["card"].after) == ({10: 1, 30: 1}, {})
    assert (effect.cards["fresh"].before, effect.cards["fresh"].after) == ({}, {10: 1, 30: 1})
    assert list(effect.cards["fresh"].movers) == []
    assert shape(effect.cards["fresh"].stages["hot"]) == (0, 1, 1, 0, {"entered": 1}, 0)


def test_crossings_by_decay_before_the_change_are_not_its_effect() -> None:
    replay = Replay(OLD)
    for i in range(3):
        replay.play(Fact("page", f"m{i}", START_MS).event(OLD, START_MS, "l0"))
    replay.end_step()  # inside at 30; below 20 it leaves within a day, though no timer acts
    effect = measure_effect(replay.blobs.items(), OLD, OLD, START_MS + DAY_MS)
    assert shape(effect.cards["card"].stages["hot"]) == (0, 0, 0, 0, {}, 0)


def test_redirects_and_erased_leads_are_skipped() -> None:
    leads = [("r", encode_redirect(Redirect(Identity(USER, "u")))), ("e", encode_erased(Erased(START_MS)))]
    assert measure_effect(leads, OLD, OLD, START_MS).leads == 0


@pytest.mark.parametrize("parts", [2, 3])
def test_the_effects_on_parts_sum_to_the_effect_on_all(parts: int) -> None:
    leads = leads_with(*(1 + number % 7 for number in range(3 * MOVERS)))
    new = rules_of(replace(CARD, points={"ask": Points(25.0)}, stages=(replace(HOT, enter=25.0),)))
    whole, merged = measure_effect(leads, OLD, new, START_MS), Effect(OLD, new)
    for part in range(parts):
        effect = measure_effect(leads[part::parts], OLD, new, START_MS)
        merged.merge(pickle.loads(pickle.dumps(effect)))
    assert content(merged) == content(whole)
    assert len(list(whole.cards["card"].movers)) == MOVERS
    assert len(list(whole.cards["card"].stages["hot"].first_entered)) == FIRST
