"""Results: what became of leads that were handed over, from the rows of the store to the page."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from app.board.costs import COSTS_FORMAT, Cost
from app.board.handovers import Handover, count_without_alert, find_handovers, valid_rows
from app.board.results import MAX_PERIODS, Asked, Seen, add_up, build_results, first_needed_ms
from app.board.results_csv import COLUMNS, table_of
from app.board.routing import BASE
from app.cli.results import summarize
from streams.clock import now_ms
from streams.events.times import parse_ms
from streams.scorefile import load
from streams.scoring.rules import Rules
from streams.scoring.sales_rows import SalesRow
from streams.scoring.scorecard import SalesTerms, Scorecard, Stage, Target
from streams.scoring.verdicts import ACCEPTED, REJECTED, SalesCall, event_of
from streams.units import DAY_MS, HOUR_MS
from tests.properties.strategies import Fact
from tests.support.board_in_memory import ACCESS, ANA, BEN, SAM, Running, Shards, board_on

MONDAY_MS = parse_ms("2026-11-23T00:00:00Z") or 0
GOOGLE, MAIL = ("google", "cpc", "spring"), ("mail", "", "")
STAGES = (Stage("ready", 10.0, 5.0, handoff=True),)
CARD = Scorecard("main", {}, stages=STAGES, sales=SalesTerms(("no budget",)), target=Target(2, "week"))
NOTHING_SEEN = Seen({}, is_estimate=False)


def alert(lead: str, hour: int = 0, stage: str = "ready", channel: tuple[str, str, str] = GOOGLE) -> SalesRow:
    at_ms = MONDAY_MS + hour * HOUR_MS
    return SalesRow("entered", at_ms, lead, "", (("main", stage, at_ms),), channel, MAIL)


def given(row: SalesRow, kind: str, after_h: int, detail: Any = "", currency: str = "") -> SalesRow:
    at_ms = row.at_ms + after_h * HOUR_MS
    return SalesRow(kind, at_ms, row.lead, f"{row.lead}{kind}{at_ms}", row.about, detail=detail, currency=currency)


def undone(row: SalesRow) -> SalesRow:
    return SalesRow("undone", row.at_ms + 1, row.lead, row.verdict)


def handed(*rows: SalesRow) -> list[Handover]:
    return find_handovers(valid_rows(rows)).get("main", [])


def results(*rows: SalesRow, days: int = 7, seen: Seen = NOTHING_SEEN, costs: tuple[Cost, ...] = ()) -> dict[str, Any]:
    asked = Asked("main", "first", MONDAY_MS, MONDAY_MS + days * DAY_MS)
    return build_results([CARD, replace(CARD, name="other", sales=None)], asked, rows, costs, seen)


# One by one -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "decision", "deal"),
    [
        (["contacted"], "", ""),
        (["accepted"], "accepted", ""),
        (["rejected", "recycled"], "rejected", ""),
        (["rejected", "accepted"], "accepted", ""),
        (["accepted", "opportunity", "won"], "accepted", "won"),
        (["opportunity", "lost", "accepted"], "accepted", "lost"),
        (["opportunity", "rejected"], "rejected", ""),
    ],
)
def test_the_last_decision_after_an_alert_counts(kinds: list[str], decision: str, deal: str) -> None:
    row = alert("u")
    found = handed(row, *(given(row, kind, 1 + i) for i, kind in enumerate(kinds)))
    assert [(each.decision, each.deal) for each in found] == [(decision, deal)]
    (again,) = handed(*reversed([row, *(given(row, kind, 1 + i) for i, kind in enumerate(kinds))]))
    assert again == found[0]


def test_an_undone_verdict_and_a_repeated_one_do_not_count() -> None:
    row = alert("u")
    rejected, accepted = given(row, "rejected", 1, "no budget"), given(row, "accepted", 2)
    assert handed(row, undone(accepted), rejected, accepted, rejected)[0].decision == "rejected"
    assert len(valid_rows([row, rejected, rejected, undone(rejected)])) == 1


def test_each_alert_of_a_lead_has_the_verdicts_after_it() -> None:
    first, second = alert("u"), alert("u", 48)
    found = handed(first, given(first, "rejected", 1, "no budget"), second, given(second, "won", 5, 9.5, "EUR"))
    assert [(each.decision, each.deal, each.amount, each.currency) for each in found] == [
        ("rejected", "", None, ""),
        ("accepted", "won", 9.5, "EUR"),
    ]
    total = add_up(found)
    assert (total["leads"], total["handovers"], total["won"], total["acceptance"]) == (1, 2, 1, 0.5)


def test_a_lead_is_open_if_sales_did_not_decide_since_its_last_alert() -> None:
    early, late, other = alert("u", stage="known"), alert("u", 1), alert("v")
    assert add_up(handed(early, late, given(late, "accepted", 1), other))["open"] == 1
    assert add_up(handed(early, given(early, "rejected", 0), late, other))["open"] == 2


def test_a_verdict_about_a_lead_that_was_joined_since_belongs_to_its_alert() -> None:
    row = alert("visitor")
    (found,) = handed(row, replaced(given(row, "accepted", 1), lead="user"))
    assert (found.lead, found.decision) == ("visitor", "accepted")


def replaced(row: SalesRow, **fields: Any) -> SalesRow:
    return SalesRow(**{**{name: getattr(row, name) for name in row.__struct_fields__}, **fields})


def test_a_decision_without_an_alert_is_counted_apart() -> None:
    alone = replaced(given(alert("u"), "won", 1), about=())
    assert count_without_alert(valid_rows([alone, replaced(alone, kind="contacted", verdict="x")])) == 1
    assert handed(alone) == []


# Added up ---------------------------------------------------------------------------------------------------------


def test_amounts_in_several_currencies_are_not_added() -> None:
    rows = [alert(f"{i}") for i in range(4)]
    won = [
        given(row, "won", 1, amount, currency)
        for row, amount, currency in zip(rows, (100, 50.5, 7, ""), ("EUR", "EUR", "USD", ""), strict=True)
    ]
    assert results(*rows, *won)["total"]["revenue"] == [
        {"currency": "EUR", "amount": 150.5},
        {"currency": "USD", "amount": 7.0},
    ]


def test_an_amount_without_a_currency_is_in_that_of_the_costs() -> None:
    row = alert("u")
    costs = (Cost("google", "", "", 700.0, MONDAY_MS, MONDAY_MS + 7 * DAY_MS, "EUR"),)
    found = results(row, given(row, "opportunity", 1, 90), given(row, "won", 2), costs=costs)
    assert found["total"]["revenue"] == [{"currency": "EUR", "amount": 90.0}]
    (channel,) = found["channels"]
    assert (channel["source"], channel["cost"], channel["cost_per_won"]) == ("google", 700.0, 700.0)
    asked = Asked("main", "first", MONDAY_MS, MONDAY_MS + 7 * DAY_MS, MONDAY_MS + 6 * DAY_MS)
    later = build_results([CARD], asked, (), costs, NOTHING_SEEN)
    assert (later["channels"][0]["cost"], later["costs_since"]) == (100.0, "2026-11-29T00:00:00.000Z")


def test_time_to_contact_is_that_to_the_first_contact() -> None:
    rows = [alert(f"{i}") for i in range(10)]
    found = results(
        *rows, *(given(row, "contacted", 2 + i) for row in rows for i in (0, 9)), given(rows[9], "contacted", 1)
    )
    assert found["contact"] == {"median_hours": 2.0, "p90_hours": 2.0, "within_24_h": 1.0}
    assert results(rows[0])["contact"] == {"median_hours": None, "p90_hours": None, "within_24_h": None}


def test_reasons_are_those_of_the_scorecard() -> None:
    rows = [alert(f"{i}") for i in range(4)]
    given_reasons = ("no budget", "no budget", "ana@acme.example", "")
    found = results(*rows, *(given(row, "rejected", 1, why) for row, why in zip(rows, given_reasons, strict=True)))
    assert [(each["reason"], each["rejected"], each["share"]) for each in found["reasons"]] == [
        ("no budget", 2, 0.5),
        ("", 1, 0.25),
        ("other", 1, 0.25),
    ]


def test_channels_have_all_leads_qualified_and_won_ones() -> None:
    rows = [alert("a"), alert("b"), alert("c", channel=MAIL)]
    seen = Seen({GOOGLE: 10.0, ("direct", "", ""): 4.0}, is_estimate=True)
    found = results(*rows, given(rows[0], "won", 1), seen=seen)
    names = ("source", "seen", "leads", "qualified_share", "won_share")
    assert [tuple(row[name] for name in names) for row in found["channels"]] == [
        ("google", 10, 2, 0.2, 0.5),
        ("mail", 1, 1, 1.0, 0.0),
        ("direct", 4, 0, 0.0, None),
    ]  # fmt: skip
    assert found["seen_is_estimate"]


def test_volume_is_compared_with_the_target_by_calendar_period() -> None:
    found = results(alert("a", -1), alert("a"), alert("a", 5), alert("b", 7 * 24 - 1), days=7)
    assert [(row["from"][:10], row["leads"], row["of_target"], row["is_over"]) for row in found["periods"]] == [
        ("2026-11-30", 0, 0.0, False),
        ("2026-11-23", 2, 1.0, True),
        ("2026-11-16", 1, 0.5, True),
        ("2026-11-09", 0, 0.0, True),
    ]
    assert found["total"]["leads"] == 2
    daily = replace(CARD, target=Target(1, "day"))
    asked = Asked("main", "first", MONDAY_MS, MONDAY_MS + 90 * DAY_MS)
    assert first_needed_ms(CARD, asked._replace(until_ms=MONDAY_MS + 1)) == MONDAY_MS - 21 * DAY_MS
    assert len(build_results([daily], asked, (), (), NOTHING_SEEN)["periods"]) == MAX_PERIODS


def test_the_file_has_the_same_columns_in_each_line() -> None:
    rows = alert("u"), alert("v")
    lines = list(
        table_of(results(*rows, given(rows[0], "rejected", 1, "no budget"), given(rows[1], "won", 2, 5, "EUR")))
    )
    assert {len(line) for line in lines} == {len(COLUMNS)}
    first = dict(zip(COLUMNS, lines[0], strict=True))
    assert (first["part"], first["leads"], first["revenue"], first["currency"]) == ("total", 2, 5.0, "EUR")
    assert {line[0] for line in lines} == {"total", "scorecard", "stage", "reason", "period", "channel"}


def test_the_command_line_names_the_figures() -> None:
    rows = alert("u"), alert("v")
    found = results(*rows, given(rows[0], "contacted", 2), given(rows[0], "won", 3, 1200, "EUR"))
    assert summarize({**found, "truncated": False}) == [
        "main, 2026-11-23 to 2026-11-30",
        "handed over: 2 leads, 2 times; 1 not decided yet",
        "accepted: 1 of 1 decided (100 %)",
        "time to contact: 2 h (median), 100 % within 24 h",
        "won: 1 (50 % of the leads), lost: 0, opportunities: 1; revenue: 1\u202f200.00 EUR",
    ]


def test_a_costs_file_may_name_its_currency() -> None:
    text = 'leadglow_costs: 1\ncurrency: {}\ncosts: [{{source: a, cost: 1, from: "2026-01-01", to: "2026-01-02"}}]\n'
    assert COSTS_FORMAT.load_text(text.format("EUR"))[0].currency == "EUR"
    with pytest.raises(Exception, match="write `EUR`"):
        COSTS_FORMAT.load_text(text.format("eur"))


# On the board -----------------------------------------------------------------------------------------------------

FILE = """
leadglow: 1
signals: {visit: {event: page, half_life: never}}
scorecards:
  main:
    points: {visit: 10}
    sales: {reasons: [no budget]}
    target: 5/week
    stages: [{name: ready, enter: 10, leave: 5, handoff: true}]
"""


@pytest_asyncio.fixture
async def board() -> AsyncIterator[Running]:
    at_ms = now_ms() - 2 * HOUR_MS
    leaky = ("ben@acme.example", "", "")
    happened = [(lead, Fact("page", f"m{lead}", at_ms, touch=leaky if lead == "w" else GOOGLE)) for lead in "uvw"]
    verdicts = [
        ("u", ACCEPTED, SalesCall(ACCEPTED)),
        ("v", REJECTED, SalesCall(REJECTED, "no budget")),
    ]
    happened += [
        (lead, Fact(event_of(kind), f"n{lead}", at_ms + HOUR_MS, verdict=call)) for lead, kind, call in verdicts
    ]
    async with board_on(await Shards(Rules(load(FILE))).take(*happened), ACCESS) as running:
        yield running


async def test_page_api_and_file_agree(board: Running) -> None:
    found = (await board.get(f"{BASE}/results", ANA)).json
    assert (found["total"]["leads"], found["total"]["acceptance"], found["target"]) == (
        3,
        0.5,
        {"leads": 5, "period": "week"},
    )
    assert [(row["source"], row["seen"], row["leads"]) for row in found["channels"]] == [
        ("google", 2, 2), ("ben@acme.example", 1, 1),
    ]  # fmt: skip
    text = (await board.get(f"{BASE}/results.csv?days=90&touch=last", ANA)).body.decode()
    first = next(csv.DictReader(io.StringIO(text)))
    assert (first["part"], first["leads"], first["acceptance"], first["rejected"]) == ("total", "3", "0.5", "1")
    page = (await board.get("/results", ANA)).body.decode()
    assert "<b>50 %</b>" in page
    assert "accepted: 1 of 2 decided" in page
    assert '<a href="/results?scorecard=main&amp;touch=first&amp;days=30" aria-current="page">' in page


async def test_the_page_says_from_when_on_there_are_results(board: Running) -> None:
    assert "Results begin on" in (await board.get("/results?days=365", ANA)).body.decode()
    async with board_on(Shards(Rules(load(FILE)))) as empty:
        page = (await empty.get("/results")).body.decode()
        assert "Results begin on" not in page
        assert "Alerts of versions that kept no results are not shown" in page


async def test_a_verdict_and_its_undo_change_the_results(board: Running) -> None:
    async def accepted() -> int:
        return int((await board.get(f"{BASE}/results", SAM)).json["total"]["accepted"])

    body = b'{"kind": "won", "amount": 900}'
    done = await board.request("POST", f"{BASE}/leads/w/verdicts", SAM, {}, body)
    assert (done.status, await accepted()) == (200, 2)
    undo = b'{"message_id": "%s"}' % done.json["message_id"].encode()
    await board.request("POST", f"{BASE}/leads/w/verdicts/undo", SAM, {}, undo)
    assert await accepted() == 1


async def test_a_viewer_sees_no_addresses(board: Running) -> None:
    for path in ("/results", f"{BASE}/results", f"{BASE}/results.csv"):
        assert "ben@acme.example" not in (await board.get(path, BEN)).body.decode()
        assert "ben@acme.example" in (await board.get(path, ANA)).body.decode()


@pytest.mark.parametrize("query", ["touch=middle", "days=0", "days=366", "channel=x", "scorecard=nope"])
async def test_wrong_questions_are_refused(board: Running, query: str) -> None:
    assert (await board.get(f"{BASE}/results?{query}", ANA)).status in {400, 404}
