"""Trying scorecards on the board: page, API, what a role may see, and one change at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from html import escape, unescape
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from app.board import trials
from app.board.masking import FULL
from app.board.routing import BASE
from app.board.trait_conditions import asks_about_traits
from app.board.trial_views import MAX_MESSAGES, list_messages, trial_parts
from app.scorecards.change import measure_change
from streams.clock import now_ms
from streams.scorefile import YamlFileError, load
from streams.scoring.rules import Rules
from streams.store.memory import MemoryStore
from tests.properties.strategies import Fact
from tests.support.board_in_memory import ACCESS, ANA, BEN, EVE, Running, Shards, board_on
from tests.unit.test_scorecards_diff import CHANGED, FILE

TRY = f"{BASE}/try"
BROKEN = FILE.replace("half_life: never}\n  ask", "half_life: 14x}\n  ask")
ANAS = "ana@acme.example"


async def shards() -> Shards:
    """Three leads that asked twice each; one is known by an address."""
    now = now_ms()
    facts = [
        (lead_id, Fact("Asked", f"{lead_id}-{i}", now - 60_000 + i, traits={"title": "CTO"}))
        for lead_id in (ANAS, "l1", "l2")
        for i in range(2)
    ]
    return await Shards(Rules(load(FILE)), text=FILE).take(*facts)


@pytest_asyncio.fixture
async def board() -> AsyncIterator[Running]:
    async with board_on(await shards(), ACCESS) as running:
        yield running


async def post(board: Running, path: str, text: str, token: str = ANA, **headers: str) -> Any:
    data = text.encode() if path == TRY else f"text={quote(text)}".encode()
    return await board.request("POST", path, token, headers, data)


async def page(board: Running, text: str, token: str = ANA, **headers: str) -> str:
    return unescape((await post(board, "/try", text, token, **headers)).body.decode())


# The effect


async def test_the_editor_begins_with_the_scorecards_in_use(board: Running) -> None:
    assert "label: Whole company" in (await board.get("/try", ANA)).body.decode()


async def test_a_change_shows_what_it_means_and_does(board: Running) -> None:
    shown = await page(board, CHANGED)

    assert "points 10 → 20" in shown
    assert "3 alerts would be sent" in shown
    assert "hot from 30" in shown
    assert f'href="/leads/{quote(ANAS, safe="")}?scorecard=default"' in shown


async def test_leads_go_by_their_names_and_equal_changes_are_one_line(board: Running) -> None:
    named = [
        (lead_id, Fact("identify", f"name-{lead_id}", now_ms(), traits={"name": f"<Ann {lead_id}>"}))
        for lead_id in ("l1", "l2")
    ]
    await Shards(board.service.rules, board.service.trials._store.store).take(*named)
    for token, name in ((ANA, "<Ann l2>"), (BEN, "l2")):
        shown = (await post(board, "/try", CHANGED, token)).body.decode()
        assert f'<a href="/leads/l2?scorecard=default">{escape(name)}</a>' in shown
        assert shown.count('<li class="mover">') == 1
        assert "3 leads like this" in shown


async def test_the_api_returns_what_the_command_prints(board: Running) -> None:
    answer = (await post(board, TRY, CHANGED)).json
    old, new = Rules(load(FILE)), Rules(load(CHANGED))

    report = await measure_change(board.service.trials._store.store, 3, old, new, lambda done, total: None)

    assert (answer["mistakes"], answer["withheld"]) == ([], None)
    assert {**answer["report"], "at": ""} == {**report, "at": ""}


async def test_for_htmx_only_the_result_is_rendered(board: Running) -> None:
    headers = {"HX-Target": "tried"}
    part = unescape((await board.request("POST", "/try", ANA, headers, f"text={quote(CHANGED)}")).body.decode())

    assert "3 alerts would be sent" in part
    assert "<html" not in part


async def test_a_file_that_means_the_same_changes_nothing(board: Running) -> None:
    assert "Nothing changes in meaning" in await page(board, FILE + "# a comment\r\n")


# Mistakes


async def test_mistakes_are_those_of_the_command_at_their_line(board: Running) -> None:
    with pytest.raises(YamlFileError) as raised:
        load(BROKEN, "file")
    mistake = raised.value.mistakes[0]
    (answered,) = (await post(board, TRY, BROKEN)).json["mistakes"]

    shown = unescape((await post(board, "/try/check", BROKEN.replace("\n", "\r\n"))).body.decode())

    message = f"{mistake.message}; {mistake.remedy}"
    assert answered == {"line": mistake.line, "column": mistake.column, "message": message}
    assert f"Line {mistake.line}, column {mistake.column}" in shown
    assert message in shown
    assert "The file has 1 mistake: correct it" in await page(board, BROKEN)


async def test_only_the_first_of_many_mistakes_are_listed(board: Running) -> None:
    many = "leadglow: 1\nsignals:\n" + "".join(f"  s{i}: {{half_life: 7x}}\n" for i in range(100)) + "scorecards: {}\n"
    shown = await page(board, many)
    assert shown.count('class="source"') == MAX_MESSAGES
    assert "The file has 201 mistakes" in shown
    assert "101 more are not listed" in shown


def test_a_long_line_is_cut_around_the_mistake() -> None:
    (found,) = list_messages([{"line": 1, "column": 1001, "message": "wrong"}], "a" * 1000 + "b" * 1000)
    assert (found["before"], found["rest"]) == ("…" + "a" * 200, "b" * 200 + "…")


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b", "\x0c"])
def test_only_line_ends_end_a_line(separator: str) -> None:
    text = f"# a{separator}b\nleadglow: [\n"
    (mistake,) = trials.check_text(text).mistakes
    (found,) = list_messages([mistake], text)
    line = text.split("\n")[mistake["line"] - 1]
    assert found["before"] + found["rest"] == line


def test_a_message_comes_with_its_line() -> None:
    (found,) = list_messages([{"line": 2, "column": 4, "message": "wrong"}], "a: 1\nb: x\n")
    assert (found["before"], found["rest"]) == ("b: ", "x")
    assert list_messages([{"line": 9, "column": 1, "message": "wrong"}], "a: 1\n")[0]["rest"] == ""


def test_warnings_have_their_place() -> None:
    text = FILE.replace("half_life: never}\n  ask", "half_life: 6m}\n  ask")
    check = trials.check_text(text)
    assert check.model is not None
    assert check.warnings[0]["line"] == 4
    assert not check.warnings[0]["message"].startswith("warning")


# What a role may see


async def test_ids_are_masked_for_a_role_without_addresses(board: Running) -> None:
    answer = await post(board, TRY, CHANGED, BEN)
    shown = await page(board, CHANGED, BEN)

    assert answer.json["report"]["alerts"] == 3
    assert ANAS.encode() not in answer.body
    assert "hidden." in shown
    assert ANAS not in shown


async def test_a_new_condition_on_traits_is_no_way_to_learn_about_them(board: Running) -> None:
    asked = FILE.replace("fit:\n", "fit:\n      - {trait: email, when: ana@acme.example, points: 90}\n")

    answer = (await post(board, TRY, asked, BEN)).json

    assert answer["withheld"] == trials.WITHHELD
    assert "leads" not in answer["report"]
    assert trials.WITHHELD in await page(board, asked, BEN)
    assert (await post(board, TRY, asked, ANA)).json["withheld"] is None


@pytest.mark.parametrize(
    ("old", "new", "asks"),
    [
        ("points: 5}", "points: 50}", False),
        ("enter: 30", "enter: 25", False),
        ("when: CTO", "when: CEO", True),
        ("trait: title", "trait: email", True),
        ("    fit:\n      - {trait: title, when: CTO, points: 5}\n", "", False),
    ],
)
def test_only_new_conditions_ask_about_traits(old: str, new: str, asks: bool) -> None:
    assert asks_about_traits(load(FILE), load(FILE.replace(old, new))) is asks


# Limits


async def test_another_site_cannot_try_anything(board: Running) -> None:
    for path in ("/try", "/try/check", TRY):
        answer = await post(board, path, CHANGED, ANA, **{"Sec-Fetch-Site": "cross-site"})
        assert answer.status == 403


async def test_without_a_token_nothing_is_tried(board: Running) -> None:
    for path in ("/try", "/try/check", TRY):
        assert (await post(board, path, CHANGED, "")).status == 401


async def test_a_file_that_is_too_large_or_no_text_is_refused(board: Running) -> None:
    large = await board.request("POST", TRY, ANA, data=BytesIO(b"#" * (trials.MAX_TEXT_BYTES + 1)))
    assert (large.status, large.json["message"]) == (413, trials.TOO_LARGE)
    assert (await board.request("POST", "/try", ANA, data=BytesIO(b"text=" + b"#" * 3_001_000))).status == 413
    assert (await board.request("POST", TRY, ANA, data=b"\xff")).json["code"] == "not_utf8"


async def test_one_change_is_measured_at_a_time(board: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    began, held = asyncio.Event(), asyncio.Event()

    async def measure(store: Any, partitions: int, old: Rules, new: Rules, on_progress: Any, undo: Any) -> Any:
        on_progress(2000, 100_000)
        began.set()
        await held.wait()
        return await measure_change(store, partitions, old, new, on_progress)

    monkeypatch.setattr(trials, "measure_change", measure)
    monkeypatch.setattr(trials, "TURN_S", 0.01)
    tried = board.service.trials
    first = asyncio.create_task(tried.try_change(CHANGED, FULL))
    await began.wait()

    busy = await post(board, TRY, CHANGED)
    shown = await post(board, "/try", CHANGED)
    progress = await board.get("/try/progress", ANA)
    held.set()

    assert (busy.status, busy.json["code"], busy.headers["Retry-After"]) == (503, "busy", "2")
    assert (shown.status, trials.BUSY in shown.body.decode()) == (503, True)
    assert "2\u202f000 of 100\u202f000" in progress.body.decode()
    assert (await first)["report"]["alerts"] == 3
    assert tried.progress is None


async def test_htmx_gets_a_refusal_as_text(board: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "TURN_S", 0.0)
    headers = {"HX-Target": "tried", "HX-Request": "true"}
    async with board.service.trials._turn:
        answer = await board.request("POST", "/try", ANA, headers, f"text={quote(CHANGED)}")
    assert (answer.status, answer.body.decode()) == (503, trials.BUSY)


async def test_the_editor_keeps_marks_of_direction(board: Running) -> None:
    text = CHANGED.replace("Whole company", "\u200f\u05d7\u05d1\u05e8\u05d4")
    shown = await page(board, text, EVE)
    assert shown.count(text) == 2  # in the editor, and in the form that publishes


async def test_a_change_is_not_measured_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scan(self: MemoryStore, partition: int) -> AsyncIterator[tuple[str, bytes]]:
        raise OSError
        yield "", b""

    async with board_on(await shards()) as board:
        monkeypatch.setattr(MemoryStore, "scan", scan)
        answer = await post(board, TRY, CHANGED, "")
        assert (answer.status, answer.json["code"]) == (503, "store_away")
        assert not board.service.trials._turn.locked()


def test_a_report_without_leads_has_only_words() -> None:
    report = {"differences": [], "rebuild": {"starts_at_0": [], "incomplete": [], "new_events": []}, "leads": 0}
    assert trial_parts(report)["measured"] is False
