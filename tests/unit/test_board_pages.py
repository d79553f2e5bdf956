"""The board's pages as HTML: what they say, and what they never do with texts from outside."""

import re
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from app.board import formatting, view_models, waterfall
from app.board.assets import Assets
from app.board.identity import Viewer
from app.board.masking import FULL, VIEWER
from app.board.pages import Pages
from app.board.routing import CURRENT_VIEWER
from app.freshness import Freshness, State
from app.http.refusals import Refusal
from streams.shard.alert import rfc3339
from tests.support.board_service import DAY, HOUR, NOON, StandInService

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
PATHS = (
    "/",
    "/leads/u-00000",
    "/leads/u-00000?at=%2B7d",
    "/alerts",
    "/accounts",
    "/accounts/default/acme",
    "/channels",
    "/results",
    "/scorecards",
    "/flow",
)
ANA = Viewer("ana", FULL, can_sign_out=True)
TIME = r'datetime="[^"]+" title="[^"]+ UTC" data-(ago|time|day="(named)?")'
VENDOR = Path(__file__).parents[2] / "app/board/static/vendor"


async def answer(service: StandInService, path: str, target: str = "", viewer: Viewer = ANA) -> web.Response:
    """What a page answers, found by its route."""
    headers = {"HX-Request": "true", "HX-Target": target} if target else {}
    request = make_mocked_request("GET", path, headers)
    request[CURRENT_VIEWER] = viewer
    router = web.UrlDispatcher()
    for method, route, _, handler in Pages(service, Assets()).routes():  # type: ignore[arg-type]
        router.add_route(method, route, handler)
    found = await router.resolve(request)
    request._match_info = found
    answered = await found.handler(request)
    assert isinstance(answered, web.Response)
    return answered


async def html(path: str, target: str = "", service: StandInService | None = None, viewer: Viewer = ANA) -> str:
    text = (await answer(service or StandInService(), path, target, viewer)).text
    assert text is not None
    return text


# Pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_has_one_heading_a_title_landmarks_and_the_way_round(path: str) -> None:
    page = await html(path)

    assert page.count("<h1") == 1
    assert re.search(r"<title>[^<]+ · Leadglow</title>", page)
    for part in ('<html lang="en">', "<main ", "<header ", "<footer ", 'href="#main"', 'aria-current="page"'):
        assert part in page


@pytest.mark.parametrize("path", PATHS)
async def test_hostile_texts_are_texts(path: str) -> None:
    page = await html(path, service=StandInService(lambda text: text + HOSTILE))

    assert "alert(1)" in unescape(page)
    assert "<script>" not in page
    assert "<img" not in page
    assert "{{7*7}}" in unescape(page)


@pytest.mark.parametrize("path", PATHS)
async def test_no_page_has_a_script_style_or_handler_of_its_own(path: str) -> None:
    page = await html(path)

    assert re.findall(r"<script(?! (defer )?src=\"/static/)", page) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://", page) == []


@pytest.mark.parametrize(
    ("path", "target", "begins"),
    [
        ("/?q=ana", "results", '<section id="results"'),
        ("/", "live", '<ol id="live"'),
        ("/?cursor=2", "more", '<li id="lead-'),
        ("/leads/u-1", "lead", '<div id="lead"'),
        ("/alerts", "feed", '<div id="feed"'),
        ("/alerts?cursor=older", "older", '<div id="next"'),
        ("/flow", "flow", '<div id="flow"'),
    ],
)
async def test_a_part_of_a_page_comes_alone(path: str, target: str, begins: str) -> None:
    part = await html(path, target)

    assert part.strip().startswith(begins)
    assert "<html" not in part


async def test_a_list_goes_on_by_a_plain_link() -> None:
    page = await html("/?stage=qualified", service=StandInService(leads=120))

    assert 'href="/?stage=qualified&amp;cursor=50"' in page
    assert page.count('class="lead"') == 50
    assert "The 50 hottest leads" in page


async def test_the_plain_link_leads_further_down_and_stays_there() -> None:
    page = await html("/?cursor=50", service=StandInService(leads=60))

    assert "10 leads further down" in page
    assert 'hx-get="/?cursor=50"' in page


async def test_rows_join_those_brought_up_to_date_only_where_a_look_gets_so_far() -> None:
    class Deep(StandInService):
        async def list_leads(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            return {**await super().list_leads(*args, **kwargs), "next": "deeper"}

    assert 'data-most="250"' in await html("/", service=StandInService(leads=120))
    assert 'data-most="250"' in await html("/", service=StandInService(leads=3))
    assert 'data-most="3"' in await html("/?q=ana", service=Deep(leads=3))


async def test_filters_reach_the_desk_and_stay_in_the_form_and_in_the_address() -> None:
    service = StandInService()

    found = await answer(service, "/?q=+ana+&stage=qualified&grade=&channel=google", "results")

    assert (service.asked[0].q, service.asked[0].stage, service.asked[0].grade) == ("ana", "qualified", None)
    assert found.headers["HX-Push-Url"] == "/?stage=qualified&channel=google&q=ana"


async def test_who_is_not_known_by_this_id_but_by_another_is_found_there() -> None:
    elsewhere = await answer(StandInService(), "/leads/known-as?scorecard=plants")

    assert (elsewhere.status, elsewhere.headers["Location"]) == (302, "/leads/u-00000?scorecard=plants")


async def test_an_unknown_lead_and_a_time_that_is_over_are_refused() -> None:
    with pytest.raises(Refusal, match="nobody"):
        await answer(StandInService(), "/leads/nobody")
    with pytest.raises(Refusal, match="bad_time"):
        await answer(StandInService(), "/leads/u-1?at=1999-01-01")


async def test_a_forecast_shows_its_time_and_has_no_live_updates() -> None:
    page = await html("/leads/u-1?at=%2B7d")

    assert "Forecast <strong>" in page
    assert "data-stream" not in page


async def test_a_viewer_without_personal_data_sees_a_notice() -> None:
    assert "does not show names" in await html("/", viewer=Viewer("ben", VIEWER))


async def test_empty_pages_explain_the_next_step() -> None:
    class Empty(StandInService):
        async def list_alerts(
            self, cursor: str | None, limit: int, role: str, lead_id: str | None = None, about: str = "leads"
        ) -> dict[str, Any]:
            return {"alerts": [], "next": None, "truncated": False}

        async def list_channels(self, scorecard: str, role: str, touch: str, days: int) -> dict[str, Any]:
            return {"rows": [], "total": 0, "since": "2026-11-01T00:00:00.000Z", "stages": [], "truncated": False}

    service = Empty(leads=0)

    assert "No leads yet" in await html("/", service=service)
    assert "No matching leads" in await html("/?q=x", service=service)
    assert "handoff: true" in await html("/alerts", service=service)
    assert "none of the latest 5\N{NARROW NO-BREAK SPACE}000 is about this lead" in await html(
        "/leads/u-1", service=service
    )
    assert "No qualified leads" in await html("/channels", service=service)


@pytest.mark.parametrize("path", PATHS)
async def test_a_banner_says_on_every_page_that_scores_are_late(path: str) -> None:
    service = StandInService()
    assert 'class="notice late"' not in await html(path, service=service)

    service.freshness = Freshness(State.BEHIND, NOON, 1200)

    page = await html(path, service=service)
    assert "Scoring is behind." in page
    assert f'<time datetime="{rfc3339(NOON)}" title="21 Nov 2026, 12:00:00 UTC" data-time>' in page
    assert "1\N{NARROW NO-BREAK SPACE}200 events are waiting." in page


async def test_the_banner_comes_alone_and_without_a_text_while_scores_are_current() -> None:
    service = StandInService()
    assert "<p" not in await html("/freshness", "freshness", service)

    service.freshness = Freshness(State.NO_WORKER, None, 1)

    part = await html("/freshness", "freshness", service)
    assert part.startswith('<div id="freshness"')
    assert "No worker is running: new events are not scored." in part
    assert "No event is scored yet. 1 event is waiting." in part


async def test_a_search_and_a_list_that_stop_say_so() -> None:
    class Cut(StandInService):
        async def list_leads(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            cut = {"next": "deeper", "looked_at": 2000, "truncated": True}
            return {**await super().list_leads(*args, **kwargs), **cut}

    some, none = await html("/?q=ana", service=Cut(leads=3)), await html("/?q=ana", service=Cut(leads=0))

    assert "2\N{NARROW NO-BREAK SPACE}000 leads were searched. There are more" in some
    assert "2\N{NARROW NO-BREAK SPACE}000 leads were searched, none of them matches. There are more" in none
    assert "older ones are only in Kafka" in await html("/alerts?cursor=x")


@pytest.mark.parametrize("path", PATHS)
async def test_every_time_has_utc_in_its_title(path: str) -> None:
    page = await html(path)

    times = re.findall(r"<time ([^>]*)>", page)
    assert all(re.fullmatch(TIME, each) for each in times), times
    assert ":00 UTC" not in re.sub(r"<time [^>]*>[^<]*</time>", "", re.sub(r'data-curve="[^"]*"', "", page))


# Files ----------------------------------------------------------------------------------------------------------


async def test_files_are_kept_for_ever_under_the_hash_of_their_content() -> None:
    page = await html("/")
    for url in re.findall(r"/static/[^\"]+", page):
        found = await answer(StandInService(), url)
        assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    with pytest.raises(Refusal):
        await answer(StandInService(), "/static/000000000000/board.css")


def test_vendored_files_are_those_that_their_list_names() -> None:
    listed = (VENDOR / "README.md").read_text()

    for path in VENDOR.iterdir():
        if path.suffix in {".js", ".css"}:
            assert f"| {path.name} |" in listed
            assert sha256(path.read_bytes()).hexdigest() in listed


# Words and drawings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "now"),
        (-59_000, "59 s ago"),
        (-HOUR, "1 h ago"),
        (-49 * HOUR, "2 d ago"),
        (90_000, "in 1 min"),
        (DAY, "in 1 d"),
        (7 * DAY - 1300, "in 7 d"),
        (7 * DAY - 2 * HOUR, "in 6 d"),
        (-7 * DAY + 1300, "6 d ago"),
        (DAY - 500, "in 1 d"),
        (2 * HOUR - 1000, "in 2 h"),
        (HOUR - 1000, "in 1 h"),
        (HOUR - 90_000, "in 58 min"),
    ],
)
def test_times_are_formatted_for_people(ms: int, said: str) -> None:
    assert formatting.ago(rfc3339(NOON + ms), NOON) == said


@pytest.mark.parametrize(
    ("points", "digits", "text"),
    [(69.999999999, 2, "69.99"), (70.0, 2, "70"), (0.29, 2, "0.29"), (69.3, 1, "69.3"), (1.1, 1, "1.1")],
)
def test_a_score_is_never_shown_before_it_is_reached(points: float, digits: int, text: str) -> None:
    assert formatting.score(points, digits) == text


def test_numbers_have_no_needless_digits_and_a_sign_where_it_matters() -> None:
    assert formatting.number(1234567.5) == "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567.5"
    assert [formatting.signed(each) for each in (10.0, 0.75, 0.0, -0.001)] == ["+10", "+0.75", "0", "0"]
    assert formatting.signed(-2.25) == "\N{MINUS SIGN}2.25"
    assert [formatting.span(each) for each in (52.5, 0.25, 0.001)] == ["2 d 4 h", "15 min", "under a minute"]
    assert [formatting.percent(each) for each in (0.5, 0.0456, 0)] == ["50 %", "4.6 %", "0 %"]


def test_the_steps_of_a_waterfall_follow_one_another_and_end_at_the_score() -> None:
    parts = [
        {"kind": "signal", "name": "a", "amount": 1.0, "points": 30.1},
        {"kind": "cap", "name": "a", "points": -10.1},
        {"kind": "signal", "name": "b", "amount": 1.0, "points": -25.0},
        {"kind": "fit", "name": "title", "points": 5.0},
    ]

    steps = waterfall.build_steps(parts)

    assert [step.kind for step in steps] == ["fit", "signal", "signal", "cap"]
    assert [step.total for step in steps] == [5.0, 35.1, 10.1, 0.0]
    assert all(0 <= step.x <= 100 and step.x + step.width <= 101 for step in steps)
    assert waterfall.build_steps([]) == []


def test_a_curve_has_its_crossings_on_it_and_few_rows_in_its_table() -> None:
    curve = {
        "past": [[NOON - DAY + i, i] for i in range(100)],
        "coming": [[NOON + i * HOUR, 50 - i] for i in range(40)],
        "crossings": [{"at": "2026-11-21T22:00:00.000Z", "stage": "engaged", "kind": "left"}],
        "now": NOON,
    }

    parts = view_models.curve_parts(curve)

    assert parts["curve"]["crossings"][0]["score"] == 40
    assert parts["curve"]["past"][-1] == [NOON, 99]
    assert len(parts["curve_rows"]) == 2 * view_models.TABLE_ROWS


async def test_an_alert_shows_what_the_lead_did() -> None:
    page = unescape(await html("/alerts"))
    assert "Asked for a demo <q>Demo of the plant view</q> <small>Ask us · /demo</small>" in page
    assert "<span>pricing visit</span>" in page
    assert page.count('aria-label="What Ana Aalto did"') == 4
    assert "What Ana Aalto did" not in await html("/leads/u-1")


async def test_direction_marks_do_not_affect_the_text_next_to_them() -> None:
    turned = "\u202e\u200fABC\u2066evil\u2069 \u05d7"

    class Turning(StandInService):
        async def list_alerts(self, *asked: Any, **more: Any) -> dict[str, Any]:
            found = await super().list_alerts(*asked, **more)
            return {**found, "alerts": [{**alert, "lead_id": turned, "lead": {}} for alert in found["alerts"]]}

    page = await html("/alerts", service=Turning(leads=1))
    assert "ABCevil \u05d7" in page
    assert not set("\u202e\u200f\u2066\u2069") & set(page)
