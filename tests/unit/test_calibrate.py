"""Points and bounds learned from outcomes: what is proposed, what is refused, and how it is written into a file."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from app.backtest.export import ExportFile
from app.backtest.session import Order, run_backtest
from app.calibrate.bounds import Volume, best_bound, next_bounds
from app.calibrate.columns import Column
from app.calibrate.proposal import NothingProven, Suggestion, lift_of, suggest_points, write_proposal
from app.calibrate.regression import TooFewOutcomes, Weight, fit_weights
from app.calibrate.report import describe, summary_lines, table_rows
from app.calibrate.session import Calibration, calibrate
from streams.events.times import LAST_MS
from streams.implementation import choose
from streams.scorefile import load
from streams.scoring.rules import Rules
from tests.support.outcome_model import FIT, SIGNALS, card_text, generate_events, generate_rows

NO_LIFT = lift_of([], [])
WEIGHTS = [kind.weight for kind in SIGNALS.values()] + [weight for _, _, weight in FIT.values()]


def signal(name: str, points: float) -> Column:
    return Column("signal", name, "", points)


def suggestion(column: Column, points: float) -> Suggestion:
    return Suggestion(column, NO_LIFT, points, None, None, proven=True)


def test_weights_recover_the_sign_and_the_order_of_the_true_ones() -> None:
    rows, won = generate_rows(8_000, 20)
    weights = [weight for weight in fit_weights(rows, won).weights if weight is not None]
    assert [weight.value for weight in weights] == pytest.approx(WEIGHTS, abs=0.2)
    assert all(weight.is_proven for weight, true in zip(weights, WEIGHTS, strict=True) if true)
    assert all(
        weight.low < true + 0.1 and weight.high > true - 0.1 for weight, true in zip(weights, WEIGHTS, strict=True)
    )
    found = [weight.value for weight in weights]
    assert sorted(range(len(WEIGHTS)), key=found.__getitem__) == sorted(range(len(WEIGHTS)), key=WEIGHTS.__getitem__)


def test_with_few_outcomes_nothing_is_proposed() -> None:
    rows, won = generate_rows(60, 20)
    with pytest.raises(
        TooFewOutcomes, match=r"^\d+ won and \d+ lost leads are too few: at least 90 of each are needed$"
    ):
        fit_weights(rows, won)
    with pytest.raises(TooFewOutcomes, match=r"^0 won and 0 lost leads are too few: at least 20 of each"):
        fit_weights([], [])


def test_points_are_left_alone_while_their_sign_may_be_chance() -> None:
    columns = [signal("sure", 10), signal("unsure", 10), signal("useless", 10), signal("never", 10)]
    rows = [[float(i % 2), float(i % 3), float(i % 5), 0.0] for i in range(30)]
    weights = [Weight(2.0, 1.5, 2.5), Weight(1.0, -1.0, 3.0), Weight(0.01, -0.02, 0.04), None]
    found = suggest_points(columns, rows, [i % 2 == 1 for i in range(30)], weights)
    assert [each.points for each in found] == [10, 10, 0, 10]
    assert [each.proven for each in found] == [True, False, False, False]
    with pytest.raises(NothingProven):
        suggest_points(columns[1:], [row[1:] for row in rows], [True] * 30, weights[1:])


def test_lift_compares_leads_with_a_signal_with_all_leads() -> None:
    lift = lift_of([1.0] * 10 + [0.0] * 30, [True] * 5 + [False] * 5 + [True] * 5 + [False] * 25)
    assert (lift.leads, lift.won, lift.value) == (10, 5, 2.0)
    assert (lift.low, lift.high) == pytest.approx((0.9464, 3.0536), abs=1e-4)  # Wilson: 0.2366 to 0.7634, by 1/4


FILE = """\
leadglow: 1
signals:
  demo: {event: Demo Requested, half_life: 30d}   # asked for one
  visit: {event: page, half_life: 7d}
scorecards:
  other:
    points: {demo: 1}
  main:
    points:
      demo: 30        # the strongest
      "visit": {points: 2, max: 10}
    fit:
      - {trait: size, times: 0.5, max: 20}
      - trait: title
        when: director
        points: 15
    stages: [{name: hot, enter: 60, leave: 40, handoff: true}]
"""


def test_a_proposal_changes_only_numbers() -> None:
    changes = [
        suggestion(signal("demo", 30), 24),
        suggestion(signal("visit", 2), -1.5),
        suggestion(Column("fit line", "title", "", 15, place=1), 9),
    ]
    text = write_proposal(FILE, "main", changes, -12.5)
    assert text == (
        FILE.replace("demo: 30  ", "demo: 24  ").replace("{points: 2,", "{points: -1.5,")
        .replace("points: 15", "points: 9").replace("enter: 60, leave: 40", "enter: 47.5, leave: 27.5")
    )  # fmt: skip
    load(text)


def test_bounds_close_in_on_the_wanted_entries() -> None:
    def count(bounds: list[float]) -> list[Volume]:
        return [Volume(bound, round(10_000 * 0.9**bound)) for bound in bounds]

    volumes, bounds = [], [0.0, 5.0]
    for _ in range(8):
        volumes += count(bounds)
        bounds = next_bounds(volumes, 100, [0.0, 20.0])
    best = best_bound(volumes, 100)
    assert bounds == []
    assert best is not None
    assert 98 <= best.entries <= 100
    assert all(a.enter != b.enter for a, b in pairwise(sorted(volumes, key=lambda v: v.enter)))
    assert best_bound([Volume(10, 101)], 100) is None


def test_a_calibration_of_an_export_meets_the_capacity(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(generate_events(400, 4_800)))
    found = asyncio.run(learn(file, 10))
    assert found.bound is not None
    assert found.bound.found
    assert 0.9 * 10 <= found.bound.reached <= 10
    points = {each.column.name: each.points for each in found.suggestions if each.proven}
    assert points["demo"] > points["download"] > 0 > points["unsubscribed"]
    assert (found.ranking or 0) > (found.ranking_before or 0)

    rules = Rules(load(found.text))
    order = Order(rules, None, choose("auto"), capacity=10)
    replayed = asyncio.run(run_backtest(ExportFile(file, LAST_MS), order, 0, lambda step, count: None))
    assert replayed.cards["main"]["qualified_per_week"] == pytest.approx(found.bound.reached, abs=0.01)

    result = describe(found, ("a.yaml", "b.yaml"))
    assert len(table_rows(result)) == 1 + len(SIGNALS) + len(FIT)
    assert summary_lines(result)[2].startswith("qualified: enter at ")


async def learn(file: Path, capacity: int) -> Calibration:
    order = Order(Rules(load(card_text())), None, choose("auto"), capacity=capacity)
    return await calibrate(ExportFile(file, LAST_MS), order, card_text(), "main", 0, lambda step, count: None)
