"""Correct scorecards whose result was once surprising: each gives the right result."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from ruamel.yaml import YAML

from streams.scorefile import load
from streams.scoring.rules import Rules
from tests.unit.test_models import DATA, assert_scored

pytestmark = pytest.mark.usefixtures("implementation")

CASES: dict[str, dict[str, Any]] = YAML(typ="safe").load(DATA / "scorecards" / "behaviour.yaml")
SIGNALS = """
leadglow: 1
signals:
  view:  {event: page, half_life: 14d}
  demo:  {event: Demo Requested, half_life: never}
  bye:   {event: Unsubscribed, half_life: never}
  scorn: {event: Complained, half_life: 1d}
  order: {event: Ordered, amount: properties.value, half_life: never}
  seen:  {event: Seen, distinct: properties.value, half_life: never}
"""


@pytest.mark.parametrize("about", CASES)
def test_a_scorecard_gives_the_right_result(about: str) -> None:
    case = CASES[about]
    card = {"points": {"view": 0}, **case["card"]}
    rules = Rules(load(f"{SIGNALS}scorecards: {{main: {json.dumps(card)}}}"))
    rows = case["events"]
    if not case.get("any_order"):
        assert_scored(rules, case, rows)
        return
    last = max(row["day"] for row in rows)
    for order in permutations([{**row, "arrives": last} for row in rows]):
        assert_scored(rules, case, list(order))
