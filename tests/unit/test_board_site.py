"""The board's site over real sockets and shards in memory: who comes in, what they see, what every answer has."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Sequence
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiokafka.structs import TopicPartition
from yarl import URL

from app.board import bounded_store, ranking, sse
from app.board.access_file import AccessFile
from app.board.costs import Cost
from app.board.identity import identify_viewer
from app.board.openapi import openapi_document
from app.board.routing import BASE
from app.checkup.probing import probe_all
from app.client import Client
from app.freshness import Offsets, ShardPosition
from app.http.refusals import Refusal
from app.lead_views import lead_view, row_view
from app.settings import Settings
from app.wiring import make_board
from streams.clock import now_ms
from streams.events.times import parse_ms
from streams.schemas import RECORDS
from streams.schemas.fields import SCHEMA_TYPE
from streams.scoring.event import USER, Identity
from streams.scoring.lead import Erased, Lead, Redirect
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Category, FitLine, Model, Points, Scorecard, Signal, Stage
from streams.scoring.scorecard import Test as Where
from streams.scoring.stored import decode, encode_erased, encode_redirect
from streams.shard.alert import rfc3339
from streams.store.base import Commit
from streams.store.memory import MemoryStore
from streams.transport.topics import partition_of
from streams.units import DAY_MS
from tests.properties.strategies import Fact
from tests.support.board_in_memory import ACCESS, ANA, BEN, PARTITIONS, TOPICS, Running, Shards, board_on, kafka_record
from tests.support.waiting import until
from tests.unit.test_board_pure import record

pytestmark = pytest.mark.asyncio

RULES = Rules(
    Model(
        (Signal("view", ("page",)), Signal("order", ("Ordered",)), Signal("away", ("Left",))),
        (
            Scorecard(
                "sales",
                {"view": Points(1.0), "order": Points(30.0), "away": Points(-5.0)},
                label="Sales",
                categories=(Category("intent", ("order",)), Category("attention", ("view",))),
                fit=(FitLine("title", Where("title", "equals", "CTO"), 20.0),),
                grades=(("A", 50.0), ("B", 20.0), ("C", 0.0)),
                stages=(Stage("warm", 20.0, 10.0), Stage("hot", 50.0, 40.0, handoff=True)),
            ),
            Scorecard("plants", {"view": Points(2.0)}),
        ),
    )
)
NOW = now_ms() - 60_000
SECRETS = ("ana@acme.example", "Ana Lima", "acme")


def fact(name: str, number: int, **more: Any) -> Fact:
    return Fact(name, f"{name}-{number}", NOW + number, **more)


async def people(count: int = 6) -> Shards:
    """Leads u0, u1, …, each with more orders and views than the one before, and Ana by her address."""
    shards = Shards(RULES)
    happened = [(f"u{i}", fact("page", i * 100 + n)) for i in range(count) for n in range(i + 1)]
    happened += [(f"u{i}", fact("Ordered", i)) for i in range(count) if i % 2]
    traits = {"title": "CTO", "name": "Ana Lima", "email": "ana@acme.example", "company": "Acme"}
    happened += [
        ("ana@acme.example", fact("identify", 1, traits=traits)),
        ("ana@acme.example", fact("Ordered", 99, touch=("google", "cpc", "spring"))),
    ]
    return await shards.take(*happened)


@pytest_asyncio.fixture
async def board() -> AsyncIterator[Running]:
    async with board_on(await people()) as running:
        yield running


@pytest_asyncio.fixture
async def guarded() -> AsyncIterator[Running]:
    async with board_on(await people(), ACCESS) as running:
        running.tails.take_records(TOPICS.handoff, [kafka_record(record(1, "ana@acme.example"))])
        yield running


# The numbers


async def test_a_lead_equals_the_output_of_the_command_line(board: Running) -> None:
    at = "2126-11-25T00:00:00.000Z"
    answer = await board.get(f"{BASE}/leads/u3?at={at}")
    blob = (await board.service._store.store.load(partition_of("u3", PARTITIONS), ["u3"]))[0]
    lead = decode(blob or b"")
    assert isinstance(lead, Lead)
    view = lead_view("u3", lead, RULES, parse_ms(at) or 0)
    assert view["as_of"] == at
    assert answer.body == json.dumps(view, ensure_ascii=False).encode()


async def test_the_ranking_has_the_rows_of_the_command_line_to_the_byte(board: Running) -> None:
    answer = await board.get(f"{BASE}/leads?limit=3")
    rows = []
    for lead_id in ("u5", "ana@acme.example", "u3"):
        lead = decode((await board.service._store.store.load(partition_of(lead_id, PARTITIONS), [lead_id]))[0] or b"")
        assert isinstance(lead, Lead)
        rows.append(row_view(lead_id, lead, RULES.cards[0], RULES, now_ms()))
    rows.sort(key=lambda row: (-row["exact"], row["lead_id"]))
    assert json.dumps(rows, ensure_ascii=False).encode() in answer.body


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_pages_make_up_the_whole_ranking(board: Running, limit: int) -> None:
    found, cursor = [], ""
    while cursor is not None:
        page = (await board.get(f"{BASE}/leads?limit={limit}&cursor={cursor}")).json
        found += [(row["score"], row["lead_id"]) for row in page["leads"]]
        cursor = page["next"]
    assert sorted(lead_id for _, lead_id in found) == sorted({f"u{i}" for i in range(6)} | {"ana@acme.example"})
    assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)


async def test_a_cursor_goes_on_while_scores_move() -> None:
    shards = await people()
    async with board_on(shards) as board:
        first = (await board.get(f"{BASE}/leads?limit=2")).json
        last = first["leads"][-1]["lead_id"]
        await shards.take(*[(last, fact("Ordered", 1000 + n)) for n in range(3)])
        rest = (await board.get(f"{BASE}/leads?limit=50&cursor={first['next']}")).json
        ids = [row["lead_id"] for row in [*first["leads"], *rest["leads"]]]
        assert len(ids) == len(set(ids)) == 7


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("stage=hot", ["ana@acme.example"]),
        ("stage=warm", ["u5", "u3", "u1"]),
        ("grade=A", ["ana@acme.example"]),
        ("grade=B", ["u5", "u3", "u1"]),
        ("grade=C", ["u4", "u2", "u0"]),
        ("category=attention", ["u4", "u2", "u0"]),
        ("category=intent&grade=B", ["u5", "u3", "u1"]),
        ("channel=Google", ["ana@acme.example"]),
        ("q=lima", ["ana@acme.example"]),
        ("q=u4", ["u4"]),
        ("q=nobody", []),
    ],
)
async def test_filters_leave_out_the_others(board: Running, query: str, expected: list[str]) -> None:
    page = (await board.get(f"{BASE}/leads?{query}")).json
    assert [row["lead_id"] for row in page["leads"]] == expected
    assert page["next"] is None


@pytest.mark.parametrize(
    ("query", "code", "word"),
    [
        ("stage=nope", "unknown_stage", "hot"),
        ("grade=Z", "unknown_grade", "A, B"),
        ("category=nope", "unknown_category", "intent"),
        ("limit=1&limit=2", "repeated_parameter", "limit"),
    ],
)
async def test_filters_that_no_lead_can_match_are_refused(board: Running, query: str, code: str, word: str) -> None:
    for path in ("leads", "leads.csv"):
        answer = await board.get(f"{BASE}/{path}?{query}")
        if path == "leads.csv" and "limit" in query:
            continue
        assert answer.status == 400
        assert answer.json["code"] == code
        assert word in answer.json["message"]


@pytest.mark.parametrize(
    ("path", "status", "there"),
    [
        ("/?stage=nope", 400, "warm, hot"),
        ("/?grade=Z", 400, "A, B, C"),
        ("/?scorecard=plants&stage=hot", 400, "none"),
        ("/?scorecard=nope", 404, "sales, plants"),
        ("/channels?scorecard=nope", 404, "sales, plants"),
        ("/leads/u1?scorecard=nope", 404, "sales, plants"),
        ("/scorecards/nope", 404, "sales, plants"),
    ],
)
async def test_a_page_with_an_impossible_filter_lists_the_possible_values(
    board: Running, path: str, status: int, there: str
) -> None:
    answer = await board.get(path)
    assert answer.status == status
    assert f"Known are: {there}." in answer.body.decode()


async def test_a_channel_that_is_not_among_the_choices_is_shown_to_be_chosen(board: Running) -> None:
    page = (await board.get("/?channel=nowhere")).body.decode()
    assert '<option value="nowhere" selected>' in page


async def test_a_time_from_now_may_be_written_as_the_command_line_has_it(board: Running) -> None:
    for at in ("%2B7d", "+7d"):
        answer = await board.get(f"{BASE}/leads/u3?at={at}")
        assert answer.status == 200
        assert (parse_ms(answer.json["as_of"]) or 0) - now_ms() > 6 * 86_400_000


async def test_money_counts_from_where_leads_are_known(board: Running) -> None:
    now = now_ms()
    board.service._costs = lambda: (Cost("google", "", "", 100.0, now - 100 * DAY_MS, now),)
    board.tails.handovers.since_ms = now - 10 * DAY_MS
    for days, money in ((5, 5.0), (30, 10.0)):
        (row,) = (await board.get(f"{BASE}/channels?days={days}")).json["rows"]
        assert row["cost"] == pytest.approx(money, abs=0.1)


async def test_a_viewer_sees_no_address_used_as_a_campaign_name() -> None:
    shards = await people()
    touch = ("leak-source@pii.example", "+49 170 7654321", "leak-campaign@pii.example")
    shards = await shards.take(("leaky", fact("Ordered", 1, touch=touch)))
    async with board_on(shards, ACCESS) as board:
        alert = orjson.loads(record(2, "leaky"))
        touched = dict(zip(("source", "medium", "campaign"), touch, strict=True))
        alert["data"]["channels"] = {"first_touch": touched, "last_touch": touched}
        board.tails.take_records(TOPICS.handoff, [kafka_record(orjson.dumps(alert))])
        asked = ["/", "/channels", "/alerts", "/leads/leaky", *(f"{BASE}/{name}" for name in ("leads", "leads.csv"))]
        for path in (*asked, f"{BASE}/channels", f"{BASE}/alerts", f"{BASE}/leads/leaky"):
            seen = (await board.get(path, BEN)).body.decode()
            assert not any(secret in seen for secret in ("pii", "7654321")), path
        found = f"{BASE}/leads?channel=leak-source@pii.example"
        assert [row["lead_id"] for row in (await board.get(found, ANA)).json["leads"]] == ["leaky"]
        assert (await board.get(found, BEN)).json["leads"] == []


async def test_a_request_looks_at_so_many_leads_and_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "MAX_EXAMINED", 20)
    monkeypatch.setattr(ranking, "CHUNK", 10)
    async with board_on(await Shards(RULES).take(*[(f"x{i:03}", fact("page", i)) for i in range(50)])) as board:
        looked, cursor, found, cut = [], "", [], []
        while cursor is not None:
            page = (await board.get(f"{BASE}/leads?channel=none&cursor={cursor}")).json
            looked.append(page["looked_at"])
            found += page["leads"]
            cut.append(page["truncated"])
            cursor = page["next"]
        assert (max(looked), sum(looked), found, cut) == (20, 50, [], [True, True, False])


async def test_a_lead_searched_by_id_comes_first_at_any_rank(board: Running) -> None:
    page = (await board.get(f"{BASE}/leads?q=ANA@acme.example&limit=1")).json
    assert [row["lead_id"] for row in page["leads"]] == ["ana@acme.example"]
    page = (await board.get(f"{BASE}/leads?q=u0&limit=1")).json
    assert [row["lead_id"] for row in page["leads"]] == ["u0"]
    rest = (await board.get(f"{BASE}/leads?q=u0&limit=1&cursor={page['next']}")).json
    assert (rest["leads"], rest["next"]) == ([], None)


async def test_a_mismatch_in_the_number_of_shards_is_reported() -> None:
    shards = await people()
    await shards.store.meta("partitions", "8")
    async with board_on(shards) as board:
        answer = await board.get(f"{BASE}/leads")
    assert (answer.status, answer.json["code"]) == (503, "wrong_partitions")
    assert "LEADGLOW_PARTITIONS=8" in answer.json["message"]


async def test_the_probes_of_a_board_with_the_old_number_of_partitions_say_why(tmp_path: Path) -> None:
    board = make_board(Settings(partitions=4, scorecards=tmp_path / "none.yaml", board_index=tmp_path))
    board._bounded.store = MemoryStore()
    await board._bounded.store.meta("partitions", "6")
    await board._bounded.check_redis()
    try:
        (found,) = await probe_all([("board", await board.probe("127.0.0.1", 0))])
    finally:
        await board.stop()
    assert (found.is_ready, board.metrics.registry.get_sample_value("leadglow_board_ready")) == (False, 0)
    assert found.reason.startswith("LEADGLOW_PARTITIONS is 4, but Redis holds state for 6 partitions: set")


async def test_a_board_that_can_show_no_leads_says_why_until_it_can(caplog: pytest.LogCaptureFixture) -> None:
    shards = await people()
    async with board_on(shards) as board:
        store = board.service._store
        await shards.store.meta("partitions", "8")
        for _ in range(2):
            await store.check_redis()
        assert "LEADGLOW_PARTITIONS=8" in store.trouble
        page = (await board.get("/freshness")).body.decode()
        assert "LEADGLOW_PARTITIONS=8" in page
        assert "does not respond" not in page

        await shards.store.replace_meta("partitions", "8", str(PARTITIONS))
        await store.check_redis()
        assert store.trouble == ""
    lines = [line for line in caplog.messages if "leads" in line]
    assert [line.partition(":")[0] for line in lines] == ["requests for leads get 503", "leads are shown again"]


@pytest.mark.parametrize(("step", "status"), [("copy", 200), ("clean", 503), ("rename", 503)])
async def test_no_part_of_the_leads_is_shown_while_a_repartition_switches(step: str, status: int) -> None:
    shards = await people()
    await shards.store.meta("repartition", json.dumps({"old": 2, "new": PARTITIONS, "step": step}))
    async with board_on(shards) as board:
        answer = await board.get(f"{BASE}/leads")
    assert answer.status == status
    if status == 503:
        assert answer.json["code"] == "repartition_unfinished"
        assert f"`leadglow repartition --to {PARTITIONS}` has begun and not ended" in answer.json["message"]


async def test_a_system_of_a_newer_release_is_reported() -> None:
    shards = await people()
    await shards.store.meta("format", "9")
    async with board_on(shards) as board:
        answer = await board.get(f"{BASE}/leads")
    assert (answer.status, answer.json["code"]) == (503, "other_format")
    assert "run the newer release" in answer.json["message"]


async def test_the_other_documents_answer(board: Running) -> None:
    assert (await board.get(f"{BASE}/scorecards")).json["scorecards"] == [
        {"name": "sales", "label": "Sales", "shadow": False},
        {"name": "plants", "label": "plants", "shadow": False},
    ]  # fmt: skip
    signals = {s["name"]: s for s in (await board.get(f"{BASE}/scorecards/sales")).json["signals"]}
    assert (signals["order"]["fired_7d"], signals["order"]["points_7d"]) == (4, 120.0)
    assert signals["away"]["never"]
    curve = (await board.get(f"{BASE}/leads/u5/curve?scorecard=plants")).json
    assert [score for _, score in curve["past"]] == [12]
    assert len((await board.get(f"{BASE}/leads/u5/timeline")).json["events"]) == 7
    flow = (await board.get(f"{BASE}/flow")).json
    assert (len(flow["shards"]), sum(shard["leads"] for shard in flow["shards"])) == (PARTITIONS, 7)


async def test_an_answer_that_has_not_changed_is_not_sent_again(board: Running) -> None:
    first = await board.get(f"{BASE}/scorecards/sales")
    again = await board.get(f"{BASE}/scorecards/sales", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])


async def test_only_responses_documented_as_cacheable_have_an_etag(board: Running) -> None:
    for path, methods in openapi_document()["paths"].items():
        if "{" not in path and "/stream/" not in path and "get" in methods:
            answer = await board.get(path)
            assert ("ETag" in answer.headers) == ("304" in methods["get"]["responses"]), path


async def test_page_and_api_have_the_same_default_touch_and_period(board: Running) -> None:
    page = (await board.get("/channels")).body.decode()
    chosen = re.findall(r'<a href="/channels[?][^"]*" aria-current="page">([^<]* touch|[^<]* days)<', page)
    parameters = {p.get("name"): p for p in openapi_document()["paths"]["/api/v1/channels"]["get"]["parameters"]}
    defaults = [parameters[name]["schema"]["default"] for name in ("touch", "days")]
    assert chosen == ["First touch", "30 days"]
    assert defaults == ["first", 30]
    assert [signature(Client.channels).parameters[name].default for name in ("touch", "days")] == defaults


async def test_the_export_has_every_lead_and_no_formula() -> None:
    shards = await Shards(RULES).take(
        ("=1+1", fact("page", 1)), ("@x", fact("identify", 2, traits={"name": "=cmd|x", "company": "-1"}))
    )
    async with board_on(shards) as board:
        answer = await board.get(f"{BASE}/leads.csv")
    lines = answer.body.decode().split("\r\n")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert sorted(line[:5] for line in lines[1:-1]) == ["'=1+1", "'@x,s"]
    assert ",'=cmd|x,,'-1," in answer.body.decode()


async def test_an_export_says_in_its_last_line_that_leads_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.board.export.MAX_EXPORTED", 3)
    async with board_on(await people(5)) as board:
        cut = list(csv.reader(io.StringIO((await board.get(f"{BASE}/leads.csv")).body.decode())))
        whole = list(csv.reader(io.StringIO((await board.get(f"{BASE}/leads.csv?q=u1")).body.decode())))
    assert (len(cut), len(whole)) == (5, 2)
    assert cut[-1][0].startswith("NOTE: Not all leads: this file ends after 3.")
    assert {len(row) for row in cut} == {len(cut[0])}


async def test_answers_say_until_when_everything_is_scored(board: Running) -> None:
    progress = board.service.freshness_watch.progress
    arrived = [ShardPosition(p, p, NOW, False) for p in range(PARTITIONS)]
    progress.add_look(Offsets(dict.fromkeys(range(PARTITIONS), 5), [], NOW), arrived, True, now_ms())
    told = {"scored_until": rfc3339(NOW), "freshness": "behind"}
    for path in ("leads", "alerts", "channels", "flow", "leads/u5/curve", "leads/u5/timeline", "leads/u5/alerts"):
        answer = await board.get(f"{BASE}/{path}")
        assert told.items() <= answer.json.items(), path
    for path in ("leads", "leads/u5", "leads.csv", "scorecards/sales"):
        headers = (await board.get(f"{BASE}/{path}")).headers
        assert (headers["Leadglow-Scored-Until"], headers["Leadglow-Freshness"]) == tuple(told.values()), path
    last = (await board.get(f"{BASE}/leads.csv")).body.decode().splitlines()[-1]
    until = f"All events that arrived until {rfc3339(NOW)} are scored."
    assert last.startswith(f"NOTE: Scoring is behind. {until} Events waiting: 12.")


@pytest.mark.parametrize("lead_id", ["{{7*7}}", "a/b", "a?b#c", "..", "é\u202e", "%2F", "a b", "\x7f"])
async def test_any_id_can_be_asked_for(lead_id: str) -> None:
    async with board_on(await Shards(RULES).take((lead_id, fact("page", 1)))) as board:
        for path in ("", "/curve", "/timeline", "/alerts"):
            url = URL(f"{board.url}{BASE}/leads/{quote(lead_id, safe='')}{path}", encoded=True)
            async with board.session.get(url) as answer:
                assert answer.status == 200
                assert path or (await answer.json())["lead_id"] == lead_id


# Sign-in


async def test_without_an_access_file_only_this_machine_is_named(board: Running) -> None:
    for host in ("localhost", "127.0.0.1:80", "[::1]", "a.localhost"):
        assert (await board.get(f"{BASE}/leads", Host=host)).status == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil", ""):
        answer = await board.get(f"{BASE}/leads", Host=host)
        assert (answer.status, answer.json["code"]) == (403, "bad_host")
    assert (await board.get("/", Host="evil.example")).status == 403
    assert (await board.get(f"{BASE}/stream/alerts", Host="evil.example")).status == 403


@pytest.mark.parametrize("path", ["leads", "leads/u1", "leads.csv", "alerts", "flow", "stream/alerts", "openapi.json"])
async def test_a_request_without_a_token_is_refused(guarded: Running, path: str) -> None:
    for token in ("", "wrong"):
        answer = await guarded.get(f"{BASE}/{path}", token)
        assert (answer.status, answer.json["code"]) == (401, "unknown_token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/", "/leads/u1", "/alerts", "/channels", "/scorecards/sales", "/flow"])
async def test_a_page_asks_who_is_there(guarded: Running, path: str) -> None:
    answer = await guarded.get(path)
    assert answer.status == 401
    assert b"/login" in answer.body
    assert not any(secret.encode() in answer.body for secret in SECRETS)
    assert (await guarded.get(path, BEN)).status == 200


async def test_a_token_is_exchanged_for_a_cookie_and_back(guarded: Running) -> None:
    wrong = await guarded.request("POST", "/login", data={"token": "x", "next": "/flow"})
    assert wrong.status == 401
    answer = await guarded.request("POST", "/login", data={"token": ANA, "next": "/flow"})
    assert (answer.status, answer.headers["Location"]) == (303, "/flow")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie
    assert (await guarded.get(f"{BASE}/leads")).status == 200
    left = await guarded.request("POST", "/logout")
    assert (left.status, left.headers["Location"]) == (303, "/login")
    assert (await guarded.get(f"{BASE}/leads")).status == 401


async def test_over_https_the_cookie_is_for_https_only(guarded: Running) -> None:
    headers = {"X-Forwarded-Proto": "https"}
    answer = await guarded.request("POST", "/login", headers=headers, data={"token": ANA})
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\r\nX: y", ""]
)
async def test_a_login_leads_on_to_this_site_only(guarded: Running, target: str) -> None:
    answer = await guarded.request("POST", "/login", data={"token": ANA, "next": target})
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                {"Sec-Fetch-Site": "same-site", "Origin": "null"}],
)  # fmt: skip
async def test_a_form_of_another_site_is_refused(guarded: Running, headers: dict[str, str]) -> None:
    for path in ("/login", "/logout"):
        answer = await guarded.request("POST", path, headers=headers, data={"token": ANA})
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}])
async def test_a_form_of_this_site_is_taken(guarded: Running, headers: dict[str, str]) -> None:
    assert (await guarded.request("POST", "/login", headers=headers, data={"token": ANA})).status == 303
    same = {"Origin": guarded.url}
    assert (await guarded.request("POST", "/login", headers=same, data={"token": ANA})).status == 303


async def test_a_large_form_is_refused(guarded: Running) -> None:
    assert (await guarded.request("POST", "/login", data={"token": "x" * 9000})).status == 413


async def test_a_trusted_proxy_names_the_viewer(guarded: Running) -> None:
    found = await guarded.get(f"{BASE}/leads/u1", **{"X-Forwarded-User": "cleo"})
    assert found.status == 200
    ask = {"X-Forwarded-User": "cleo", "X-Forwarded-Groups": "other, sales"}
    assert (await guarded.get(f"{BASE}/leads/ana@acme.example", **ask)).status == 200
    assert (await guarded.get(f"{BASE}/leads/ana@acme.example", **{"X-Forwarded-User": "cleo"})).status == 404


@pytest.mark.parametrize("remote", ["10.0.0.1", "::1", "", None, "nonsense", "127.0.0.1.evil"])
async def test_headers_of_an_untrusted_sender_are_ignored(remote: str | None) -> None:
    assert identify_viewer(ACCESS, {"X-Forwarded-User": "cleo"}, None, remote) is None


# What they see


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/leads", f"{BASE}/leads.csv", f"{BASE}/alerts", f"{BASE}/leads?q=ana@acme.example",
        f"{BASE}/leads?q=lima", "/", "/alerts",
    ],
)  # fmt: skip
async def test_a_viewer_is_shown_no_trait_and_no_address(guarded: Running, path: str) -> None:
    everything = (await guarded.get(path, ANA)).body.decode()
    assert any(secret in everything for secret in SECRETS)
    seen = (await guarded.get(path, BEN)).body.decode().replace("q=ana%40acme.example", "")
    assert not any(secret in seen for secret in SECRETS)


async def test_a_viewer_follows_a_hidden_id_and_learns_nothing_from_it(guarded: Running) -> None:
    page = (await guarded.get(f"{BASE}/leads?limit=1", BEN)).json
    hidden = page["leads"][0]["lead_id"]
    assert hidden.startswith("hidden.")
    for path in ("", "/curve", "/timeline", "/alerts"):
        answer = await guarded.get(f"{BASE}/leads/{hidden}{path}", BEN)
        assert answer.status == 200
        assert not any(secret in answer.body.decode() for secret in SECRETS)
    lead = (await guarded.get(f"{BASE}/leads/{hidden}", BEN)).json
    assert lead["lead_id"] == hidden
    assert set(lead["traits"].values()) == {"•••"}
    assert (await guarded.get(f"{BASE}/leads/ana@acme.example", BEN)).status == 404
    assert (await guarded.get(f"/leads/{hidden}", BEN)).status == 200
    assert b"ana" not in (await guarded.get(f"{BASE}/leads?limit=1", BEN)).json["next"].encode().lower()


async def test_alerts_of_an_erased_lead_are_not_shown(guarded: Running) -> None:
    assert len((await guarded.get(f"{BASE}/alerts", ANA)).json["alerts"]) == 1
    store, home = guarded.service._store.store, partition_of("ana@acme.example", PARTITIONS)
    control = await store.control(home)
    erased = {"ana@acme.example": encode_erased(Erased(now_ms() + 10**12))}
    await store.commit(home, Commit(control.version, control.step, "erase", {}, dict(erased)))
    assert (await guarded.get(f"{BASE}/alerts", ANA)).json["alerts"] == []


# What every answer has


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", f"{BASE}/leads", f"{BASE}/nowhere", f"{BASE}/leads/nobody", "/login", f"{BASE}/leads.csv"]
)
async def test_every_answer_keeps_browsers_careful(board: Running, path: str) -> None:
    headers = (await board.get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert policy == "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("leads/nobody", 404, "unknown_lead"),
        ("leads/nobody/curve", 404, "unknown_lead"),
        ("leads/nobody/alerts", 404, "unknown_lead"),
        ("stream/leads/nobody", 404, "unknown_lead"),
        ("leads/" + "x" * 700, 404, "unknown_lead"),
        ("leads?scorecard=none", 404, "unknown_scorecard"),
        ("scorecards/none", 404, "unknown_scorecard"),
        ("stream/leads?scorecard=none", 404, "unknown_scorecard"),
        ("leads?limit=0", 400, "bad_number"),
        ("leads?limit=9999", 400, "bad_number"),
        ("leads?limit=-1", 400, "bad_number"),
        ("leads?cursor=x", 400, "bad_cursor"),
        ("alerts?cursor=x", 400, "bad_cursor"),
        ("leads?stages=hot", 400, "unknown_parameter"),
        ("leads?q=" + "x" * 201, 400, "too_long"),
        ("leads/u1?at=yesterday", 400, "bad_time"),
        ("leads/u1?at=2020-01-01", 400, "bad_time"),
        ("channels?days=400", 400, "bad_number"),
        ("channels?touch=middle", 400, "bad_touch"),
        ("nowhere", 404, "not_found"),
    ],
)
async def test_a_refusal_has_a_code(board: Running, path: str, status: int, code: str) -> None:
    answer = await board.get(f"{BASE}/{path}")
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json["message"].endswith(".")


async def test_an_unknown_page_shows_links_to_the_known_ones(board: Running) -> None:
    page, answer = await board.get("/nope"), await board.get(f"{BASE}/nope")
    assert (page.status, answer.status) == (404, 404)
    assert "There is no such address: the pages are in the menu above." in page.body.decode()
    assert f"{BASE}/openapi.json lists all addresses." in answer.json["message"]


async def test_a_cursor_of_another_list_is_refused(board: Running) -> None:
    cursor = (await board.get(f"{BASE}/leads?limit=1")).json["next"]
    assert (await board.get(f"{BASE}/alerts?cursor={cursor}")).status == 400


async def test_other_methods_are_refused_with_the_allowed_ones(board: Running) -> None:
    answer = await board.request("POST", f"{BASE}/leads")
    assert (answer.status, answer.json["code"], answer.headers["Allow"]) == (405, "method_not_allowed", "GET, HEAD")
    assert (await board.request("HEAD", f"{BASE}/leads")).body == b""


class Away(MemoryStore):
    """A store that does not answer."""

    async def ranked(self, *args: Any, **kwargs: Any) -> list[tuple[str, float]]:
        await asyncio.sleep(60)
        return []

    async def load(self, partition: int, lead_ids: Sequence[str]) -> list[bytes | None]:
        raise ConnectionError


async def test_a_store_that_does_not_answer_is_503_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_store, "QUERY_S", 0.05)
    async with board_on(Shards(RULES), store=Away()) as board:
        for path in (f"{BASE}/leads", f"{BASE}/leads/u1"):
            answer = await board.get(path)
            assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "store_away", "2")
        assert (await board.get("/")).status == 503
        assert not board.service._store.healthy


async def test_readiness_follows_redis_without_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(MemoryStore):
        async def meta(self, name: str, value: str = "") -> str:
            await asyncio.sleep(60)
            return value

    monkeypatch.setattr(bounded_store, "QUERY_S", 0.01)
    store = bounded_store.BoundedStore(Hanging(), PARTITIONS)
    await store.check_redis()
    assert store.trouble == bounded_store.AWAY
    store.store = MemoryStore()
    await store.check_redis()
    assert store.trouble == ""


async def test_reads_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_store, "MAX_WAITING", 2)
    store = bounded_store.BoundedStore(MemoryStore(), PARTITIONS)
    async with store.bounded(), store.bounded():
        with pytest.raises(Refusal) as refused:
            async with store.bounded():
                pass
    assert (refused.value.status, refused.value.code) == (503, "busy")
    async with store.bounded():
        pass


async def test_records_newer_than_the_last_reported_position_are_no_lag(
    board: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    tails, place, now_s = board.tails, TopicPartition(TOPICS.sources[0], 0), 100.0
    monkeypatch.setattr("app.board.topic_tails.monotonic_s", lambda: now_s)
    log = SimpleNamespace(end=0, committed=0)

    async def said(value: Any) -> Any:
        return value

    consumer: Any = SimpleNamespace(
        assignment=lambda: {place},
        end_offsets=lambda _: said({place: log.end}),
        beginning_offsets=lambda _: said({place: 0}),
    )
    member: Any = SimpleNamespace(committed=lambda _: said(log.committed))
    lags = []
    for end, committed in ((0, 0), (300, 0), (600, 0), (900, 600), (1200, 600), (1500, 600), (1500, 600)):
        log.end, log.committed = end, committed
        await tails._read_offsets(consumer, member)
        lags.append(tails.sources[place.topic]["lag"])
        now_s += 2.0
    assert lags == [0, 0, 0, 0, 0, 300, 600]
    assert tails.sources[place.topic]["per_s"] > 0
    assert (await board.get(f"{BASE}/flow")).json["sources"][0]["per_s"] > 0
    now_s += 60.0
    assert (await board.get(f"{BASE}/flow")).json["sources"][0]["per_s"] == 0


async def test_those_who_ask_for_the_same_at_once_are_served_by_one_look(board: Running) -> None:
    store, looks = board.service._store.store, 0
    ranked = store.ranked

    async def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal looks
        looks += 1
        return await ranked(*args, **kwargs)

    store.ranked = counted  # type: ignore[method-assign]
    answers = await asyncio.gather(*(board.get(f"{BASE}/leads") for _ in range(20)))
    assert len({answer.body for answer in answers}) == 1
    assert looks == PARTITIONS


async def test_an_export_that_breaks_off_is_not_taken_for_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.board.export.MAX_LIMIT", 5)
    async with board_on(await people(20)) as board:
        store, asked = board.service._store.store, 0
        ranked = store.ranked

        async def breaks(*args: Any, **kwargs: Any) -> Any:
            nonlocal asked
            asked += 1
            if asked > PARTITIONS:
                raise ConnectionError
            return await ranked(*args, **kwargs)

        store.ranked = breaks  # type: ignore[method-assign]
        with pytest.raises(aiohttp.ClientError):
            await board.get(f"{BASE}/leads.csv")
        assert (await board.get(f"{BASE}/scorecards")).status == 200


async def test_a_stream_ends_where_the_store_is_away(board: Running) -> None:
    stream = await listen(board, "leads/u1")

    async def away(*args: Any) -> Any:
        raise ConnectionError

    store: Any = board.service._store.store
    store.load = away
    row = {"lead_id": "u1", "scorecard": "sales"}
    board.tails.take_records(TOPICS.lead_scores, [kafka_record(orjson.dumps(row))])
    assert await asyncio.wait_for(stream.content.read(), 5) == b""


# Streams


async def lines(answer: aiohttp.ClientResponse, count: int) -> list[str]:
    async with asyncio.timeout(5):
        return [(await answer.content.readline()).decode().rstrip("\n") for _ in range(count)]


async def listen(board: Running, path: str, token: str = "") -> aiohttp.ClientResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await board.session.get(f"{board.url}{BASE}/stream/{path}", headers=headers)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert await lines(answer, 2) == ["retry: 2000", ""]
    return answer


async def test_alerts_are_streamed_as_they_come_and_once(guarded: Running) -> None:
    stream, other = await listen(guarded, "alerts", ANA), await listen(guarded, "alerts", BEN)
    for _ in range(2):
        guarded.tails.take_records(TOPICS.handoff, [kafka_record(record(7, "ana@acme.example"))])
    guarded.tails.take_records(TOPICS.handoff, [kafka_record(b"no alert"), kafka_record(record(8, "u1"))])
    told = await lines(stream, 6)
    assert [told[0], told[3]] == ["event: alert", "event: alert"]
    found = [json.loads(line.removeprefix("data: "))["lead_id"] for line in (told[1], told[4])]
    assert found == ["ana@acme.example", "u1"]
    assert "ana" not in (await lines(other, 3))[1]
    for each in (stream, other):
        each.close()


async def test_changed_leads_are_named_together(board: Running) -> None:
    stream = await listen(board, "leads?scorecard=plants")
    rows = [{"lead_id": f"u{i}", "scorecard": card} for i in (1, 2, 1) for card in ("sales", "plants")]
    board.tails.take_records(TOPICS.lead_scores, [kafka_record(orjson.dumps(row)) for row in rows])
    board.tails.take_records(
        TOPICS.lead_scores, [kafka_record(None, b"gone"), kafka_record(b"nonsense"), kafka_record(b"[]")]
    )
    event, data, _ = await lines(stream, 3)
    assert event == "event: changed"
    assert json.loads(data.removeprefix("data: ")) == {"lead_ids": ["u1", "u2", "gone"], "all": False}
    stream.close()


async def test_a_lead_is_streamed_when_it_changes(board: Running) -> None:
    stream = await listen(board, "leads/u1")
    board.tails.take_records(
        TOPICS.lead_scores, [kafka_record(orjson.dumps({"lead_id": i, "scorecard": "sales"})) for i in ("u2", "u1")]
    )
    event, data, _ = await lines(stream, 3)
    assert (event, json.loads(data.removeprefix("data: "))["lead_id"]) == ("event: lead", "u1")
    stream.close()


async def test_the_stream_of_an_erased_lead_sends_gone_and_ends(board: Running) -> None:
    stream = await listen(board, "leads/u1")
    store, home = board.service._store.store, partition_of("u1", PARTITIONS)
    control = await store.control(home)
    await store.commit(home, Commit(control.version, control.step, "e", {}, {"u1": encode_erased(Erased(now_ms()))}))
    board.tails.take_records(TOPICS.lead_scores, [kafka_record(None, b"u1"), kafka_record(None, b"u1/plants")])
    assert await lines(stream, 3) == ["event: gone", 'data: {"lead_id": "u1"}', ""]
    assert await asyncio.wait_for(stream.content.read(), 5) == b""


async def test_a_lead_that_is_being_merged_is_not_gone(board: Running) -> None:
    stream = await listen(board, "leads/u1")
    store, home = board.service._store.store, partition_of("u1", PARTITIONS)
    control = await store.control(home)
    redirect = encode_redirect(Redirect(Identity(USER, "not-there-yet")))
    await store.commit(home, Commit(control.version, control.step, "e", {}, {"u1": redirect}))
    board.tails.take_records(TOPICS.lead_scores, [kafka_record(None, b"u1")])
    assert await asyncio.wait_for(stream.content.read(), 5) == b""
    for path in (f"{BASE}/leads/u1", "/leads/u1"):
        assert (await board.get(path)).status == 503


async def test_a_quiet_stream_shows_that_it_is_there(board: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)
    stream = await listen(board, "alerts")
    assert (await lines(stream, 2))[0] == ": heartbeat"
    stream.close()


async def test_streams_end_when_the_board_stops(board: Running) -> None:
    stream = await listen(board, "alerts")
    board.tails.broadcast.close()
    assert await asyncio.wait_for(stream.content.read(), 5) == b""


async def test_a_listener_that_is_too_slow_begins_anew(board: Running) -> None:
    stream = await listen(board, "alerts")
    for number in range(2000):
        board.tails.take_records(TOPICS.handoff, [kafka_record(record(number))])
    assert board.tails.broadcast
    assert await asyncio.wait_for(stream.content.read(), 5) == b""
    assert len(board.tails.broadcast) == 0


async def test_any_number_of_changes_is_streamed_at_once_and_ends_no_stream(board: Running) -> None:
    stream = await listen(board, "leads")
    rows = [orjson.dumps({"lead_id": f"u{number % 2500}", "scorecard": "sales"}) for number in range(6000)]
    board.tails.take_records(TOPICS.lead_scores, [kafka_record(row) for row in rows])
    _, data, _ = await lines(stream, 3)
    assert json.loads(data.removeprefix("data: ")) == {"lead_ids": [], "all": True}
    board.tails.take_records(TOPICS.lead_scores, [kafka_record(rows[0])])
    _, data, _ = await lines(stream, 3)
    assert json.loads(data.removeprefix("data: ")) == {"lead_ids": ["u0"], "all": False}
    stream.close()


async def test_streams_are_bounded(board: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.board.broadcast.MAX_LISTENERS", 1)
    stream = await listen(board, "alerts")
    answer = await board.get(f"{BASE}/stream/alerts")
    assert (answer.status, answer.json["code"]) == (503, "too_many_streams")
    stream.close()


async def test_one_viewer_has_a_share_of_the_streams(guarded: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.board.broadcast.MAX_OF_ONE", 1)
    streams = [await listen(guarded, "alerts", ANA), await listen(guarded, "alerts", BEN)]
    answer = await guarded.get(f"{BASE}/stream/alerts", Authorization=f"Bearer {ANA}")
    assert (answer.status, answer.json["code"]) == (503, "too_many_streams")
    streams[0].close()
    await until(lambda: len(guarded.tails.broadcast) == 1)
    streams.append(await listen(guarded, "alerts", ANA))
    for each in streams:
        each.close()


async def test_a_stream_ends_when_its_token_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)
    async with board_on(await people(), ACCESS) as board:
        stream = await listen(board, "alerts", BEN)
        board.access[0] = AccessFile(ACCESS.tokens[:1])
        async with asyncio.timeout(5):
            await stream.content.read()


# The document


async def test_the_document_lists_every_address_of_the_api(board: Running) -> None:
    answer = await board.get(f"{BASE}/openapi.json")
    assert answer.json["openapi"] == "3.1.0"
    routes = {path.replace(":[^/]+", "") for _, path, _, _ in board_routes(board)}
    assert set(openapi_document()["paths"]) == routes


@pytest.mark.parametrize("name", RECORDS)
async def test_the_schemas_of_records_are_served_by_name_and_by_their_id(name: str, board: Running) -> None:
    by_name = await board.get(f"{BASE}/schemas/{name}")
    by_id = await board.get(f"{BASE}/schemas/{RECORDS[name].urn}")
    assert by_name.json == by_id.json == RECORDS[name].to_json()
    assert by_name.headers["Content-Type"].startswith(SCHEMA_TYPE)


async def test_an_unknown_schema_is_refused_with_the_names_of_all(board: Running) -> None:
    answer = await board.get(f"{BASE}/schemas/nothing")
    assert (answer.status, answer.json["code"]) == (404, "unknown_schema")
    assert all(name in answer.json["message"] for name in RECORDS)


def board_routes(board: Running) -> Sequence[tuple[str, str, str, Any]]:
    from app.board.api import Api
    from app.board.sse import EventStreams

    return Api(board.service, EventStreams(board.service, board.metrics)).routes()


async def test_requests_are_counted(board: Running) -> None:
    await board.get(f"{BASE}/leads")
    await board.get(f"{BASE}/leads/nobody")
    found = {(s.name, *s.labels.values()): s.value for m in board.metrics.registry.collect() for s in m.samples}
    assert found["leadglow_board_requests_total", "api_leads", "200"] == 1
    assert found["leadglow_board_requests_total", "api_lead", "404"] == 1
    assert found["leadglow_board_requests_refused_total", "unknown_lead"] == 1
