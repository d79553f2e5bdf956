"""Events can be generated for any scorecard file, so that its author sees leads before there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.demo.card_traffic import CardTraffic
from app.scorecards.memory import MemoryRun, Source
from app.scorecards.templates import NAMES, read_template
from app.scorecards.trial import Trial, try_out
from streams.scorefile import load
from streams.scoring.rules import Rules
from streams.units import DAY_MS

ROOT = Path(__file__).parents[2]
START_MS = 1_767_571_200_000
HARD = r"""
leadglow: 1
signals:
  all_words:  {event: Seen, where: {properties.a: {prefix: x, suffix: y, contains: m}}}
  between:    {event: Seen, where: {properties.n: {gte: 10, lt: 12}, properties.plan: {not: pro}}}
  nested:     {event: Seen, where: {any: [{properties.b: {glob: 'p*q'}}, {none: {properties.b: {exists: true}}}]}}
  pattern:    {event: [page], where: {properties.path: {matches: '^/(pricing|sales)(/|$)'}}}
  digits:     {event: Seen, where: {properties.zip: {matches: '(?i)\b(de|at)-[0-9]{5}\b'}}}
  amount:     {event: Paid, amount: properties.value}
  each:       {event: page, where: {properties.path: {prefix: /blog/}}, distinct: properties.path}
  impossible: {event: Seen, where: {properties.c: {matches: '^[^a-z]$'}}}
scorecards:
  default:
    points: {between: 1, nested: 1, pattern: 1, digits: 1, amount: 1, each: 1, impossible: 1, all_words: 1}
    fit:
      - {trait: group.size, when: {gte: 10, lte: 20}, points: 5}
      - {trait: email, when: {suffix: '@gmail.com'}, points: -5}
      - {trait: vip, when: true, points: 5}
      - {trait: company.country, when: ES, points: 5}
      - {trait: predicted, times: 0.2, max: 20}
      - {where: {seats: {gte: 5}, region: emea}, points: 5}
"""


def try_generated(text: str, count: int = 2000) -> Trial:
    rules = Rules(load(text))
    run = MemoryRun(rules)
    traffic = CardTraffic(rules.model, 1, 200)
    run.play(Source(*event) for event in traffic.events(count, START_MS, START_MS + 30 * DAY_MS))
    return try_out(run, 3)


@pytest.mark.parametrize("name", NAMES)
def test_every_signal_and_fit_line_of_a_template_happens(name: str) -> None:
    trial = try_generated(read_template(name)[0])

    assert trial.rejected == {}
    assert [(card.never_fired, card.never_held) for card in trial.cards] == [((), ())]
    assert all(stage.entered for card in trial.cards for stage in card.stages)


def test_conditions_are_met_by_trying_values_and_a_signal_that_stays_unmet_is_left_out() -> None:
    (card,) = try_generated(HARD).cards

    assert card.never_fired == ("impossible", "all_words")
    assert card.never_held == ()


def test_leads_differ_in_their_scores() -> None:
    (card,) = try_generated((ROOT / "scorecards.yaml").read_text()).cards

    assert len([count for _, count in card.bands if count]) > 5
