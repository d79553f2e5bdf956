"""Verdicts of sales on the board: by forms and by the API, for the role sales."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from app.board.routing import BASE
from app.board.verdict_writer import sales_topic
from streams.clock import now_ms
from streams.scorefile import load
from streams.scoring.rules import Rules
from tests.properties.strategies import Fact
from tests.support.board_in_memory import ACCESS, ANA, BEN, EVE, SAM, Answer, Running, Shards, board_on

FILE = """
leadglow: 1
signals: {visit: {event: page, half_life: never}}
scorecards:
  default:
    points: {visit: 10}
    sales: {reasons: [no budget, too small], recycle_after: 30d}
    stages: [{name: ready, enter: 10, leave: 5, handoff: true}]
"""
PATH = f"{BASE}/leads/u/verdicts"


@pytest_asyncio.fixture
async def shards() -> Shards:
    at = now_ms() - 60_000
    visits = ("u", Fact("page", "m", at)), ("v", Fact("page", "n", at, traits={"owner": "ida"}))
    return await Shards(Rules(load(FILE))).take(*visits)


@pytest_asyncio.fixture
async def board(shards: Shards) -> AsyncIterator[Running]:
    async with board_on(shards, ACCESS) as running:
        yield running


async def post(board: Running, path: str = PATH, token: str = SAM, **body: Any) -> Answer:
    return await board.request("POST", path, token, {}, json.dumps(body).encode())


async def send(board: Running, path: str, token: str = SAM, **fields: str) -> Answer:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return await board.request("POST", path, token, headers, urlencode(fields).encode())


async def sales(board: Running, lead_id: str = "u") -> dict[str, Any]:
    found: dict[str, Any] = (await board.get(f"{BASE}/leads/{lead_id}", SAM)).json["sales"]
    return found


async def test_a_verdict_by_the_api_is_shown_and_can_be_taken_back(board: Running, shards: Shards) -> None:
    done = await post(board, kind="rejected", reason="no budget")
    assert done.json["applied"]
    shown = await sales(board)
    assert (shown["state"], shown["reason"], shown["by"]) == ("rejected", "no budget", "sam")
    assert [each["message_id"] for each in shown["history"]] == [done.json["message_id"]]
    sent = json.loads(shards.sent[0])
    assert (sent["event"], sent["anonymousId"], sent["context"]) == ("Lead Rejected", "u", {"by": "sam"})

    undone = await post(board, f"{PATH}/undo", message_id=done.json["message_id"])
    assert undone.json["applied"]
    assert await sales(board) == {"state": "new", "owner": None, "history": []}


async def test_the_page_has_the_form_the_state_and_the_history(board: Running) -> None:
    page = (await board.get("/leads/u", SAM)).body.decode()
    assert '<option value="no budget">' in page
    assert 'name="currency"' not in page
    assert page.count('maxlength="40" data-bytes="40"') == 3
    assert "at most 40 letters" in page
    done = await send(board, "/leads/u/verdicts", kind="rejected", reason="no budget", scorecard="default")
    assert (done.status, done.headers["Location"]) == (303, "/leads/u?scorecard=default")
    page = (await board.get("/leads/u", SAM)).body.decode()
    assert "rejected by sales since" in page
    assert "(no budget); may be recycled from" in page
    assert 'class="chip" id="sales-state">rejected<' in page
    assert (await board.get("/", SAM)).body.decode().count('<span class="chip">rejected</span>') == 1
    (row,) = (await sales(board))["history"]
    await send(board, "/leads/u/verdicts/undo", message_id=row["message_id"])
    assert 'id="sales-state"' not in (await board.get("/leads/u", SAM)).body.decode()


async def test_owner_and_amount_are_shown(board: Running) -> None:
    for body in ({"kind": "owner", "owner": "eva"}, {"kind": "opportunity", "amount": 1200}, {"kind": "won"}):
        assert (await post(board, **body)).json["applied"]
    shown = await sales(board)
    assert (shown["state"], shown["owner"], shown["amount"]) == ("won", "eva", 1200)
    assert (await sales(board, "v"))["owner"] == "ida"


async def test_an_amount_may_name_its_currency(board: Running, shards: Shards) -> None:
    await post(board, kind="won", amount=900, currency="USD")
    assert json.loads(shards.sent[0])["properties"] == {"amount": 900, "currency": "USD"}
    assert (await board.get(f"{BASE}/results", SAM)).json["total"]["revenue"] == [{"currency": "USD", "amount": 900.0}]


async def test_the_form_offers_the_currencies_of_the_scorecards() -> None:
    at = now_ms() - 60_000
    for currencies, shown in (
        ("EUR", 'type="hidden" name="currency" value="EUR"'),
        ("EUR, USD", "<option>USD</option>"),
    ):
        rules = Rules(load(FILE.replace("recycle_after", f"currencies: [{currencies}], recycle_after")))
        shards = await Shards(rules).take(("u", Fact("page", "m", at)))
        async with board_on(shards, ACCESS) as board:
            assert shown in (await board.get("/leads/u", SAM)).body.decode()
            await send(board, "/leads/u/verdicts", kind="won", amount="9,5", currency=currencies[-3:])
            assert json.loads(shards.sent[0])["properties"] == {"amount": 9.5, "currency": currencies[-3:]}


async def test_a_repeated_request_counts_once(board: Running) -> None:
    first, again = [await post(board, kind="contacted", id="crm-1") for _ in range(2)]
    assert first.json == again.json
    assert len((await sales(board))["history"]) == 1


@pytest.mark.parametrize("token", [ANA, BEN])
async def test_other_roles_give_no_verdicts(board: Running, shards: Shards, token: str) -> None:
    refused = await post(board, token=token, kind="contacted")
    assert (refused.status, refused.json["code"]) == (403, "not_sales")
    assert (await send(board, "/leads/u/verdicts", token, kind="contacted")).status == 403
    assert '/verdicts"' not in (await board.get("/leads/u", token)).body.decode()
    assert shards.sent == []


async def test_an_editor_may_give_verdicts_but_no_other_site(board: Running) -> None:
    assert (await post(board, token=EVE, kind="contacted")).status == 200
    body = json.dumps({"kind": "contacted"}).encode()
    answer = await board.request("POST", PATH, EVE, {"Sec-Fetch-Site": "cross-site"}, body)
    assert (answer.status, answer.json["code"]) == (403, "other_site")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "bought"}, "bad_kind"),
        ({"kind": "owner"}, "no_owner"),
        ({"kind": "note", "note": " "}, "no_note"),
        ({"kind": "note", "note": "x" * 41}, "too_long"),
        ({"kind": "rejected", "reason": "é" * 21}, "too_long"),
        ({"kind": "won", "amount": -1}, "bad_amount"),
        ({"kind": "won", "amount": "much"}, "bad_body"),
        ({"kind": "won", "amount": 1, "currency": "euro"}, "bad_currency"),
        ({"kind": "won", "id": "x" * 151}, "too_long"),
        ({}, "bad_body"),
    ],
)
async def test_wrong_verdicts_are_refused(board: Running, body: dict[str, Any], code: str) -> None:
    refused = await post(board, **body)
    assert (refused.status, refused.json["code"]) == (400, code)


async def test_an_unknown_lead_is_refused(board: Running) -> None:
    assert (await post(board, f"{BASE}/leads/nobody/verdicts", kind="contacted")).status == 404


def test_the_topic_is_that_of_the_crm() -> None:
    assert sales_topic(("web-events", "acme-crm", "mail")) == "acme-crm"
    assert sales_topic(("web", "mail")) == "mail"
