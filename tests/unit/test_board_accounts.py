"""Accounts on the board, in the API and on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest_asyncio
from rich.console import Console

from app.account_views import account_view
from app.cli.account import render_account
from app.cli.accounts import find_rule
from app.lead_lookup import find_account, load_top_accounts
from streams.scoring.event import Contribution
from streams.scoring.lead import Erased
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Accounts, Stage
from streams.scoring.stored import encode_erased
from streams.store.base import Commit
from streams.transport.topics import partition_of
from tests.support.board_in_memory import ACCESS, ANA, BEN, PARTITIONS, Running, Shards, board_on, kafka_record
from tests.unit.test_board_site import NOW, RULES, fact

MODEL = RULES.model
CARD = replace(
    MODEL.scorecards[0],
    accounts=Accounts("email domain", "sum", stages=(Stage("target", 60.0, 40.0, label="Target account"),)),
)
WITH_ACCOUNTS = Rules(replace(MODEL, scorecards=(CARD, *MODEL.scorecards[1:])))


def gives(account: str, lead_id: str, score: int | None, offset: int = 1) -> Contribution:
    return Contribution("sales", account, lead_id, score, offset, NOW, NOW)


async def companies() -> Shards:
    """Acme with Ana and a lead that left, and a smaller one."""
    traits = {"title": "CTO", "name": "Ana Lima", "email": "ana@acme.example"}
    shards = await Shards(WITH_ACCOUNTS).take(
        ("ana@acme.example", fact("identify", 1, traits=traits)), ("ana@acme.example", fact("Ordered", 2))
    )
    acme, globex = "acme.example", "globex.example"
    return await shards.give(
        gives(acme, "ana@acme.example", 50), gives(acme, "u7", 20), gives(globex, "u8", 9), gives(globex, "u9", 1),
        gives(globex, "u9", None, 2),
    )  # fmt: skip


@pytest_asyncio.fixture
async def board() -> AsyncIterator[Running]:
    async with board_on(await companies(), ACCESS) as running:
        yield running


async def test_accounts_are_ranked_and_each_has_its_leads(board: Running) -> None:
    found = (await board.get("/api/v1/accounts", ANA)).json
    rows = [(row["account"], row["score"], row["stage"], row["leads"]) for row in found["accounts"]]
    assert rows == [("acme.example", 70, "target", 2), ("globex.example", 9, None, 1)]
    assert (found["scorecard"], found["next"]) == ("sales", None)

    account = (await board.get("/api/v1/accounts/sales/acme.example", ANA)).json
    assert [(each["name"], each["score"], each["title"]) for each in account["people"]] == [
        ("Ana Lima", 50, "CTO"),
        ("u7", 20, None),
    ]
    assert (account["key"], account["roll_up"], account["stages"][0]["inside"]) == ("email domain", "sum", True)


async def test_a_page_of_accounts_goes_on_where_the_one_before_ends(board: Running) -> None:
    first = (await board.get("/api/v1/accounts?limit=1", ANA)).json
    second = (await board.get(f"/api/v1/accounts?limit=1&cursor={first['next']}", ANA)).json
    assert [page["accounts"][0]["account"] for page in (first, second)] == ["acme.example", "globex.example"]


async def test_a_viewer_sees_no_names_of_companies_and_people(board: Running) -> None:
    listed = await board.get("/api/v1/accounts", BEN)
    hidden = listed.json["accounts"][0]["account"]
    shown = await board.get(f"/api/v1/accounts/sales/{hidden}", BEN)
    page = await board.get(f"/accounts/sales/{hidden}", BEN)
    assert shown.json["score"] == 70
    for answer in (listed, shown, page):
        assert "acme" not in answer.body.decode()
        assert "Ana Lima" not in answer.body.decode()
    assert (await board.get("/api/v1/accounts/sales/acme.example", BEN)).status == 404


async def test_the_pages_show_accounts_and_their_leads(board: Running) -> None:
    ranking = (await board.get("/accounts", ANA)).body.decode()
    assert ranking.index("acme.example") < ranking.index("globex.example")
    account = (await board.get("/accounts/sales/acme.example", ANA)).body.decode()
    assert "Target account" in account
    assert 'href="/leads/ana%40acme.example?scorecard=sales"' in account
    assert (await board.get("/accounts/sales/nobody.example", ANA)).status == 404
    assert (await board.get("/accounts/plants/acme.example", ANA)).status == 404


def crossed(kind: str, at: str, score: float, of: str = "acme.example") -> Any:
    """A record of handoff about an account."""
    data = {
        "account": {"key": "email domain", "value": of, "leads": 2}, "scorecard": {"name": "sales", "version": "v"},
        "stage": {"name": "target", "label": "Target account", "kind": kind, "episode": 1}, "cause": "event",
        "score": {"value": score, "previous": 20.0}, "leads": [{"lead_id": "ana@acme.example", "score": 50}],
    }  # fmt: skip
    event = {"id": f"{kind} {at}", "time": f"2026-11-25T{at}:00.000Z", "subject": f"account:{of}", "data": data}
    return kafka_record(json.dumps(event).encode())


async def test_alerts_about_accounts_are_on_their_page_and_on_that_of_all_alerts(board: Running) -> None:
    named = "/accounts/sales/acme.example"
    assert "none of the latest" in (await board.get(named, ANA)).body.decode()
    board.tails.take_records("handoff", [crossed("entered", "10:00", 70), crossed("left", "11:00", 30)])
    board.tails.take_records(
        "handoff", [crossed("entered", "12:00", 90, "globex.example"), crossed("left", "11:00", 30)]
    )

    page = (await board.get(named, ANA)).body.decode()
    assert re.findall(r"Score (\d+), previously 20", page) == ["30", "70"]
    assert "the scores of its leads added: 50 + 20" in page
    everything = (await board.get("/alerts", ANA)).body.decode()
    assert everything.index("globex.example") < everything.index("acme.example")
    found = (await board.get(f"/api/v1{named}/alerts?limit=1", ANA)).json
    assert [(each["kind"], each["account"], each["members"]) for each in found["alerts"]] == [
        ("left", "acme.example", 2)
    ]
    older = (await board.get(f"/api/v1{named}/alerts?cursor={found['next']}", ANA)).json
    assert ([each["kind"] for each in older["alerts"]], older["next"]) == (["entered"], None)


async def test_programs_get_alerts_about_leads_unless_they_ask_for_those_about_accounts(board: Running) -> None:
    board.tails.take_records("handoff", [crossed("entered", "10:00", 70)])
    assert (await board.get("/api/v1/alerts", ANA)).json["alerts"] == []
    for about in ("accounts", "all"):
        [alert] = (await board.get(f"/api/v1/alerts?about={about}", ANA)).json["alerts"]
        assert (alert["account"], alert["leads"]) == ("acme.example", [{"lead_id": "ana@acme.example", "score": 50}])
    assert (await board.get("/api/v1/alerts?about=nobody", ANA)).status == 400
    assert board.service.tails.handovers.since_ms is None


async def test_alerts_about_accounts_do_not_name_erased_leads(board: Running) -> None:
    board.tails.take_records("handoff", [crossed("entered", "10:00", 70)])
    assert "ana@acme.example" in (await board.get("/alerts", ANA)).body.decode()
    store, home = board.service._store.store, partition_of("ana@acme.example", PARTITIONS)
    control = await store.control(home)
    erased = {"ana@acme.example": encode_erased(Erased(NOW + 10**12))}
    await store.commit(home, Commit(control.version, control.step, "erase", {}, dict(erased)))
    assert "ana@acme.example" not in (await board.get("/alerts", ANA)).body.decode()


async def test_alerts_about_accounts_name_nobody_to_a_viewer(board: Running) -> None:
    board.tails.take_records("handoff", [crossed("entered", "10:00", 70)])
    hidden = (await board.get("/api/v1/accounts", BEN)).json["accounts"][0]["account"]
    for path in ("/alerts", "/api/v1/alerts?about=all", f"/accounts/sales/{hidden}"):
        text = (await board.get(path, BEN)).body.decode()
        assert "hidden." in text
        assert "acme" not in text
    assert (await board.get("/api/v1/accounts/sales/acme.example/alerts", BEN)).status == 404


async def test_an_account_says_why_it_is_in_a_stage_or_what_it_lacks(board: Running) -> None:
    stages = [
        (await board.get(f"/api/v1/accounts/sales/{each}", ANA)).json["stages"][0]
        for each in ("acme.example", "globex.example")
    ]
    assert [(each["inside"], each["missing"]) for each in stages] == [(True, 0.0), (False, 51.0)]
    assert "it leaves below 40" in (await board.get("/accounts/sales/acme.example", ANA)).body.decode()
    page = (await board.get("/accounts/sales/globex.example", ANA)).body.decode()
    assert "Not in Target account: score 9 of 60." in page


async def test_a_board_without_accounts_says_how_to_have_some() -> None:
    async with board_on(await Shards(RULES).take(("u1", fact("page", 1)))) as board:
        assert "accounts: {key: email domain}" in (await board.get("/accounts")).body.decode()
        assert (await board.get("/api/v1/accounts")).json["accounts"] == []
        assert (await board.get("/api/v1/accounts?scorecard=sales")).status == 404


async def test_the_command_line_finds_accounts() -> None:
    store, rule = (await companies()).store, find_rule(WITH_ACCOUNTS, None)
    top = await load_top_accounts(store, PARTITIONS, rule.ranking, 5)
    assert [account.value for account in top] == ["acme.example", "globex.example"]
    found = await find_account(store, PARTITIONS, "sales", "acme.example")
    assert found is not None
    screen = Console(width=100, file=StringIO())
    screen.print(render_account(account_view(found, rule, 1)))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "acme.example" in text
    assert "● Target account" in text
    assert "and 1 more" in text
