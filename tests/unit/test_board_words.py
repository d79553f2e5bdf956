"""The board and the command line show labels, shadow scorecards, two grades, and leads without a score."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from rich.console import Console

from app.board.openapi import openapi_document
from app.board.routing import BASE
from app.cli.lead import render_lead
from streams.clock import now_ms
from streams.scorefile import load
from streams.scoring.rules import Rules
from tests.properties.strategies import Fact
from tests.support.board_in_memory import Running, Shards, board_on

pytestmark = pytest.mark.asyncio

RULES = Rules(
    load(
        """
leadglow: 1
signals:
  order: {event: Ordered, label: Orders}
scorecards:
  all:
    label: Whole company
    points: {order: 30}
    categories: {intent: {signals: [order], label: Buying intent}}
    fit:
      - {trait: title, when: CTO, points: 10, label: Decision maker}
      - {trait: rating, times: 0.5, max: 20}
      - {where: {country: ES, vip: true}, points: 5, name: spanish_vip}
    grades: {fit: {A: 10, B: 0}, engagement: {1: 30, 2: 0}}
    stages: [{name: hot, enter: 30, leave: 20, keep: {fit: 10}, handoff: true, label: Ready for sales}]
  iberia:
    applies_to: {country: [ES, PT]}
    shadow: true
    points: {order: 50}
    stages: [{name: keen, enter: 50, leave: 20, handoff: true}]
""".replace("[ES, PT]", "{in: [ES, PT]}")
    )
)
NOW = now_ms() - 60_000


@pytest_asyncio.fixture
async def board() -> AsyncIterator[Running]:
    traits = {"ana": {"title": "CTO", "rating": 30}, "eva": {"country": "ES", "vip": True}}
    happened = [(lead_id, Fact("identify", f"i{lead_id}", NOW, traits=found)) for lead_id, found in traits.items()]
    happened += [(lead_id, Fact("Ordered", f"o{lead_id}", NOW)) for lead_id in traits]
    async with board_on(await Shards(RULES).take(*happened)) as running:
        yield running


async def test_only_leads_to_which_a_scorecard_applies_are_in_its_ranking(board: Running) -> None:
    everybody = (await board.get(f"{BASE}/leads?scorecard=all")).json["leads"]
    iberia = (await board.get(f"{BASE}/leads?scorecard=iberia")).json["leads"]
    assert [(row["lead_id"], row["score"], row["grade"]) for row in everybody] == [("ana", 55, "A1"), ("eva", 35, "B1")]
    assert [(row["lead_id"], row["score"], row["applies"]) for row in iberia] == [("eva", 50, True)]
    found = (await board.get(f"{BASE}/leads?scorecard=iberia&q=ana")).json["leads"]
    assert [(row["lead_id"], row["score"], row["applies"]) for row in found] == [("ana", 0, False)]
    graded = (await board.get(f"{BASE}/leads?scorecard=all&grade=B1")).json["leads"]
    assert [row["lead_id"] for row in graded] == ["eva"]
    assert (await board.get(f"{BASE}/leads?scorecard=all&grade=B")).status == 400


async def test_a_lead_shows_where_it_has_no_score(board: Running) -> None:
    card = (await board.get(f"{BASE}/leads/ana")).json["scorecards"]["iberia"]
    assert (card["applies"], card["score"], card["stage"], card["parts"]) == (False, 0, None, [])
    assert card["not_entered"] == {"keen": [{"applies": False}]}
    assert card["next_change"] is None
    page = (await board.get("/leads/ana?scorecard=iberia")).body.decode()
    assert "does not apply" in page
    assert "The scorecard does not apply to this lead." in page
    assert "shadow" in page


async def test_people_read_labels(board: Running) -> None:
    page = (await board.get("/leads/ana")).body.decode()
    for label in ("Ready for sales", "Decision maker", "Orders", "Buying intent", "Whole company"):
        assert label in page
    page = (await board.get("/scorecards/all")).body.decode()
    for text in ("Ready for sales", "Decision maker", "Orders", "Buying intent", "or fit 10", "rating times 0.5"):
        assert text in page
    page = (await board.get("/scorecards/iberia")).body.decode()
    for text in ("country is one of ES, PT", "only tried", "Not handed off to sales."):
        assert text in page
    rows = (await board.get("/?scorecard=all")).body.decode()
    assert "Ready for sales" in rows
    assert "Orders" in rows


async def test_the_fit_of_a_lead_has_the_points_of_each_line(board: Running) -> None:
    card = (await board.get(f"{BASE}/leads/ana")).json["scorecards"]["all"]
    assert [(part["name"], part["points"]) for part in card["parts"] if part["kind"] == "fit"] == [
        ("title", 10.0),
        ("rating", 15.0),
    ]
    lines = await board.service.get_fit("ana", "all", "viewer+pii")
    assert [(line["name"], line["points"], line["holds"]) for line in lines] == [
        ("title", 10.0, True),
        ("rating", 15.0, True),
        ("spanish_vip", 5.0, False),
    ]


async def test_the_command_line_shows_labels_and_where_a_lead_has_no_score(board: Running) -> None:
    console = Console(width=120)
    with console.capture() as printed:
        console.print(render_lead((await board.get(f"{BASE}/leads/ana")).json))
    shown = printed.get()
    assert "Whole company (all): 55 points, grade A1, Ready for sales" in shown
    assert "iberia (shadow): does not apply" in shown
    assert "Decision maker (fit)" in shown


async def test_answers_have_the_documented_fields(board: Running) -> None:
    schemas = openapi_document()["components"]["schemas"]
    lead = (await board.get(f"{BASE}/leads/eva")).json
    assert set(lead["scorecards"]["all"]) == set(schemas["Score"]["properties"])
    card = (await board.get(f"{BASE}/scorecards/all")).json
    assert set(card) == set(schemas["Scorecard"]["properties"])
    assert set(card["stages"][0]) == set(schemas["Stage"]["properties"])
    assert set(card["signals"][0]) == set(schemas["Signal"]["properties"])
