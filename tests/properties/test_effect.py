"""The effect of a change of the scorecards is that of a live shard that takes the new rules at that instant."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings

from app.scorecards.report import report_change
from streams.scoring.change import Change
from streams.scoring.counting import DAY_MS
from streams.scoring.effect import measure_effect
from streams.scoring.fit import UNIT
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.score import published
from streams.scoring.scorecard import Model
from streams.scoring.stages import Transition
from streams.scoring.stored import decode
from tests.properties.driver import run
from tests.properties.strategies import a_model, a_scorecard, chances, events_of, some_inputs
from tests.support.implementations import AnyScorer

pytestmark = pytest.mark.usefixtures("implementation")
LEADS = ("u", "v", "w")


def a_change(chance: Random) -> tuple[Rules, Rules]:
    """Old and new rules: other scorecards over the same signals, or a few over others, too."""
    old = a_model(chance)
    names = [signal.name for signal in old.signals]
    cards = tuple(a_scorecard(chance, f"card{i}", names) for i in range(chance.randint(1, 2)))
    new = a_model(chance) if chance.random() < 0.2 else Model(old.signals, cards)
    if new.signals == old.signals and chance.random() < 0.3:  # only the stages change
        pairs = zip(old.scorecards, new.scorecards, strict=False)
        new = Model(old.signals, tuple(replace(mine, stages=other.stages) for mine, other in pairs))
    return Rules(old), Rules(new)


def some_blobs(chance: Random, rules: Rules) -> tuple[dict[str, bytes], int]:
    """Stored leads, and an instant at which all their events have arrived."""
    blobs, latest_ms = {}, 0
    for lead_id in LEADS:
        events = events_of(rules, some_inputs(chance))
        latest_ms = max(latest_ms, events[-1].arrival)
        blobs[lead_id] = run(rules, events).blobs["u"]
    return blobs, latest_ms


def change_live(
    blobs: dict[str, bytes], old: Rules, new: Rules, now_ms: int
) -> tuple[list[Transition], dict[str, list[int]]]:
    """What a change causes in a live shard: the transitions, and the published scores after it."""
    scorer = AnyScorer(old)
    for lead_id, blob in blobs.items():
        scorer.put_lead(lead_id, blob)
    scorer.advance_due(blobs, now_ms)
    scorer.finish()
    scorer.change_rules(new, now_ms)
    scorer.advance_due(blobs, now_ms)
    caused = [crossing.transition for crossing in scorer.finish().crossings]
    standings = scorer.standings(blobs, now_ms)
    return caused, {lead_id: [published(one.score.exact) for one in found] for lead_id, found in standings.items()}


@settings(max_examples=100)
@given(chances)
def test_the_transitions_of_a_change_are_those_of_a_live_shard(chance: Random) -> None:
    old, new = a_change(chance)
    blobs, latest_ms = some_blobs(chance, old if chance.random() < 0.7 else new)  # stages may be those of other rules
    now_ms = latest_ms + chance.choice((0, 1, chance.randint(0, DAY_MS), chance.randint(0, 60 * DAY_MS)))
    caused, scores = change_live(blobs, old, new, now_ms)
    change, found, after = Change(old, new), list[Transition](), dict[str, list[int]]()
    for lead_id, blob in blobs.items():
        lead = decode(blob)
        assert isinstance(lead, Lead)
        result = change.apply(lead_id, lead, now_ms)
        found += result.transitions
        after[lead_id] = [published(result.after[card.name].exact) for card in new.cards]
    assert sorted(found, key=lambda t: t.alert_id) == sorted(caused, key=lambda t: t.alert_id)
    assert after == scores
    effect = measure_effect(blobs.items(), old, new, now_ms)
    assert (effect.leads, effect.alerts) == (len(LEADS), sum(t.is_alert for t in caused))


@settings(max_examples=40)
@given(chances)
def test_the_reasons_of_a_mover_sum_to_the_difference_of_its_scores(chance: Random) -> None:
    old, new = a_change(chance)
    blobs, latest_ms = some_blobs(chance, old)
    now_ms = latest_ms + chance.randint(0, 10 * DAY_MS)
    report = report_change(old, new, measure_effect(blobs.items(), old, new, now_ms), now_ms)
    for card in report["scorecards"].values():
        for mover in card["movers"]:
            difference = mover["after"]["exact"] - mover["before"]["exact"]
            assert round(sum(part["change"] * UNIT for part in mover["why"])) == round(difference * UNIT)
