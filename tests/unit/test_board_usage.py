"""The usage of a scorecard: leads by score, and signals and fit lines without effect."""

from __future__ import annotations

from typing import Any

import pytest

from app.board.bounded_store import BoundedStore, spread_evenly
from app.board.distribution import Distribution
from app.board.metrics import Metrics
from app.board.routing import BASE
from app.board.scoring_watch import ScoringWatch
from app.board.usage_views import score_rows
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Limit, Model, Points, Scorecard, Signal, Stage
from streams.scoring.verdicts import VERDICT_EVENTS, SalesCall
from streams.units import DAY_MS
from tests.properties.strategies import Fact
from tests.support.board_in_memory import ACCESS, ANA, BEN, PARTITIONS, Running, Shards, board_on
from tests.unit.test_board_site import NOW, fact, people


async def usage_of(board: Running, card: str = "sales") -> Any:
    answer = await board.get(f"{BASE}/scorecards/{card}/usage")
    assert answer.status == 200, answer.body
    return answer.json


async def test_leads_are_counted_by_score_and_from_each_bound_on() -> None:
    async with board_on(await people()) as board:
        found = await usage_of(board)
    bins = {row["from"]: row["leads"] for row in found["bins"] if row["leads"]}
    assert (found["leads"], found["sampled"], found["range"]) == (7, 7, [0, 100])
    assert sum(bins.values()) == 7
    assert bins[50] == 1  # Ana: an order, and a title that fits
    assert [(s["name"], s["leads_from_enter"], s["leads_from_leave"]) for s in found["stages"]] == [
        ("warm", 4, 4), ("hot", 1, 1),
    ]  # fmt: skip


async def test_leads_and_signals_are_counted_for_metrics_too() -> None:
    shards, metrics = await people(), Metrics()
    await ScoringWatch(BoundedStore(shards.store, PARTITIONS), lambda: shards.rules, metrics).count()

    def sample(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"leadglow_board_{name}", labels)

    samples = [each for metric in metrics.by_score.collect() for each in metric.samples]
    rows = [each for each in samples if each.labels["scorecard"] == "sales"]
    assert sum(each.value for each in rows) == 7
    assert sample("leads_by_score", scorecard="sales", **{"from": "50"}) == 1
    assert [sample("leads_above", scorecard="sales", stage=stage) for stage in ("warm", "hot")] == [4, 1]
    assert (sample("signal_events", signal="away"), (sample("signal_events", signal="order") or 0) > 0) == (0, True)


async def test_a_signal_and_a_fit_line_without_effect_have_a_hint() -> None:
    shards = await people(3)
    await shards.take(("u0", fact("identify", 7, traits={"titel": "CTO"})), ("u1", fact("identify", 8)))
    async with board_on(shards) as board:
        found = await usage_of(board)
    signals = {signal["name"]: signal for signal in found["signals"]}
    assert (signals["order"]["leads"], signals["order"]["hint"]) == (2, None)
    assert signals["away"]["leads"] == 0
    assert "check that it is sent, under exactly this name" in signals["away"]["hint"]
    assert [(line["name"], line["leads"], line["hint"]) for line in found["fit"]] == [("title", 1, None)]
    assert found["fit"][0]["traits"] == [{"name": "title", "leads": 1, "values": [{"value": "CTO", "leads": 1}]}]


async def test_a_signal_of_several_days_has_an_effect_only_for_leads_with_so_many() -> None:
    days = Signal("days", ("page",), limit=Limit(1, "day"), window_ms=7 * DAY_MS, at_least=3, label="Three days")
    rules = Rules(Model((days,), (Scorecard("sales", {"days": Points(15.0)}),)))
    visits = [("ana", NOW - n * DAY_MS) for n in (3, 1)] + [("ben", NOW - n * DAY_MS) for n in (3, 2)]
    shards = await Shards(rules).take(*((who, Fact("page", f"{who}-{at}", at)) for who, at in sorted(visits)))
    async with board_on(shards) as board:
        rare = (await usage_of(board))["signals"][0]
        found = (await board.get(f"{BASE}/scorecards/sales")).json["signals"][0]
        page = (await board.get("/scorecards/sales")).body.decode()
    assert (rare["leads"], rare["fired_7d"], found["fired_7d"], found["points_7d"]) == (0, 4, 4, None)
    assert "it counted 4 in 7 days" in rare["hint"]
    assert "at least 3 times within 1w" in rare["hint"]
    assert "of these leads" in page
    await shards.take(("ana", Fact("page", "today", NOW)))
    async with board_on(shards) as board:
        often = (await usage_of(board))["signals"][0]
    assert (often["leads"], often["hint"]) == (1, None)


@pytest.mark.parametrize("count", [19, 20])
async def test_signals_of_won_and_lost_leads_are_compared(count: int) -> None:
    names = {True: ("Opportunity Won", "Ordered"), False: ("Opportunity Lost", "page")}
    leads = [(f"{is_won}-{i}", i, *names[is_won]) for is_won in names for i in range(count)]
    verdicts = [(who, fact(end, 900 + n, verdict=SalesCall(VERDICT_EVENTS[end]))) for who, n, end, _ in leads]
    shards = await (await people(0)).take(*((who, fact(does, n)) for who, n, _, does in leads), *verdicts)
    async with board_on(shards) as board:
        found = (await usage_of(board))["outcomes"]
        page = (await board.get("/scorecards/sales")).body.decode()
    assert (found["won"], found["lost"], found["needed"], found["enough"]) == (count, count, 20, count == 20)
    occurs = (
        {"view": "lost", "order": "won", "away": "never"} if count == 20 else dict.fromkeys(("view", "order", "away"))
    )
    assert {each["name"]: each["occurs"] for each in found["signals"]} == occurs
    assert f"{count} were won and {count} were lost" in page
    assert ("more often for won leads" in page, "at least 20 of each are needed" in page) == (count == 20, count == 19)


async def test_a_role_without_traits_gets_no_values() -> None:
    async with board_on(await people(), ACCESS) as board:
        for token, values in ((BEN, []), (ANA, [{"value": "CTO", "leads": 1}])):
            answer = await board.get(f"{BASE}/scorecards/sales/usage", token)
            assert answer.json["fit"][0]["traits"][0]["values"] == values


@pytest.mark.parametrize(
    ("size", "wanted", "positions"),
    [(1, 0.1, [0]), (2, 0.1, [0, 1]), (5, 9.0, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8]), (101, 4.5, [0, 25, 50, 75, 100])],
)  # fmt: skip
def test_a_sample_goes_from_the_first_lead_to_the_last(size: int, wanted: float, positions: list[int]) -> None:
    assert spread_evenly(size, wanted) == positions


def count(card: Scorecard, scores: list[int]) -> dict[str, Any]:
    rows = Distribution(card, min(scores), max(scores))
    return rows.describe([sum(score >= bound for score in scores) for bound in rows.bounds])


def test_scores_outside_the_range_count_at_its_ends() -> None:
    card = Scorecard("c", {}, stages=(Stage("hot", 69.5, 0.0), Stage("never", 120.0, -5.0)))
    found = count(card, [-30, 0, 4, 5, 69, 70, 99, 100, 180])
    assert (found["bins"][0], found["bins"][-1]) == (
        {"from": 0, "to": 4, "leads": 3}, {"from": 95, "to": 100, "leads": 3},
    )  # fmt: skip
    assert sum(row["leads"] for row in found["bins"]) == found["leads"] == 9
    assert [(s["leads_from_enter"], s["leads_from_leave"]) for s in found["stages"]] == [(4, 9), (0, 9)]


def test_a_range_without_ends_is_cut_to_the_scores_that_occur() -> None:
    card = Scorecard("c", {}, minimum=float("-inf"), maximum=float("inf"), stages=(Stage("hot", 500.0, 90.0),))
    found = count(card, [100, 120, 139])
    assert (found["bins"][0]["from"], found["bins"][-1]["to"], found["leads"]) == (100, 139, 3)
    assert (found["stages"][0]["leads_from_enter"], found["stages"][0]["leads_from_leave"]) == (0, 3)
    assert [row["kind"] for row in score_rows(found)][:2] == ["scores", "enter"]


def test_the_rows_end_at_the_scores_and_bounds_in_use() -> None:
    card = Scorecard("c", {}, stages=(Stage("hot", 70.0, 50.0),))
    rows = score_rows(count(card, [11, 12, 33]))
    assert [(row["kind"], row.get("from", row.get("at"))) for row in rows][:3] == [
        ("scores", 70), ("enter", 70.0), ("scores", 65),
    ]  # fmt: skip
    assert rows[-1]["from"] == 10
    assert score_rows({"leads": 0, "bins": [], "stages": []}) == []
