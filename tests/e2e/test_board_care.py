"""The board in Chromium: accessibility and security."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.board_system import TOKEN, VIEWER_TOKEN, Board, access_file, did, identified, qualifying, viewed
from tests.support.node import Chromium, Page, Visitor
from tests.support.system import CollectorProcess
from tests.support.waiting import wait_for

PHONE, DESK = (320, 640), (1280, 900)
PAGES = (
    "/",
    "/?q=nobody-is-like-this",
    "/?sort=name&columns=owner",
    "/leads/watched",
    "/leads/watched?at=%2B7d",
    "/leads/nobody",
    "/alerts",
    "/channels",
    "/results",
    "/scorecards",
    "/versions",
    "/try",
    "/flow",
)
FOCUSED = "document.activeElement.innerText || document.activeElement.id || document.activeElement.tagName"
HOSTILE = "<script>alert(1)</script>\"'><img src=//evil.example/x onerror=alert(2)><a href=javascript:alert(3)>{{7*7}}"
LOADED = "' ' + document.readyState"
UNWANTED = "img, style, script:not([src]), [style]:not(.plot *), [onerror], [href^=javascript]"
DRAWN = """
(() => {
  const text = document.createElement("canvas").getContext("2d");
  const { fontSize, fontFamily } = getComputedStyle(document.querySelector(".lead"), "::before");
  text.font = `${fontSize} ${fontFamily}`;
  return Math.floor(text.measureText("8888").width);
})()
"""
"""How wide a rank of four digits is."""
SUMMARY = "document.querySelector('#curve-table summary')"
OUTLINE = "getComputedStyle(document.activeElement.closest('.lead') ?? document.activeElement).outlineStyle"


@pytest.fixture(scope="package")
def watched(board: Board) -> Board:
    """A board with something on every page."""
    campaign = {"campaign": {"source": "google", "medium": "cpc", "name": "spring"}}
    board.send(viewed("watched", "/pricing", **campaign), *qualifying("watched"), viewed("watched", "/jobs/1"))
    board.send({**identified("watched"), "anonymousId": "w-anonymous"}, {"type": "nonsense"})
    board.wait_score("watched", 70)
    return board


@pytest.fixture(scope="package")
def closed(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """Another board on the same leads, with an access file."""
    access = access_file(tmp_path_factory.mktemp("access"))
    with board.system.board(board_access=str(access)) as process:
        process.wait_ready()
        yield process


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_on_any_page(
    watched: Board, closed: CollectorProcess, chromium: Chromium, scheme: str, size: tuple[int, int]
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    visitor = chromium.visitor(viewport=viewport, colorScheme=scheme, reducedMotion="reduce")
    page = visitor.open(watched.url)
    found: dict[str, list[str]] = {}

    for address in [*(watched.url + path for path in PAGES), f"{closed.url}/login"]:
        page.go(address)
        wide = page.run("document.documentElement.scrollWidth > innerWidth")
        found[address] = page.violations() + (["it is wider than the screen"] if wide else [])

    assert {address: violations for address, violations in found.items() if violations} == {}
    visitor.close()


def test_hostile_texts_show_as_texts_on_every_page(board: Board, visitor: Visitor) -> None:
    lead = f"h {HOSTILE} h"  # at its end, the merge tag would make it a placeholder
    campaign = {"source": HOSTILE, "medium": HOSTILE, "name": HOSTILE}
    traits = {"name": HOSTILE, "company": HOSTILE, "email": f"{HOSTILE}@evil.example", HOSTILE: HOSTILE}
    board.send(
        {**identified(lead, title="CTO", employees=450, **traits), "anonymousId": f"a {HOSTILE} a"},
        viewed(lead, f"/product/{HOSTILE}", campaign=campaign, referrer=HOSTILE),
        {**did(lead, "Demo Requested", note=HOSTILE), "messageId": HOSTILE},
        {"type": HOSTILE, "userId": HOSTILE},
    )
    board.wait_score(lead, 75)
    page = visitor.open(board.url)
    wait_for(lambda: HOSTILE in page.run("document.querySelector('#live').innerText"), "its name")
    href = page.run("[...document.querySelectorAll('#live a')].find((a) => a.innerText.includes('<script>')).href")

    shown = {}
    for path in (*PAGES, "/?q=%3Cscript%3E", "/?channel=%3Cscript%3E", "/leads/%3Cscript%3Ex"):
        page.go(board.url + path)
        shown[path] = page.run("document.body.innerText")
    page.go(href)
    shown["lead"] = page.run("document.body.innerText")

    wait_for(lambda: HOSTILE in _text(page, f"{board.url}/alerts"), "its alert")
    assert shown["lead"].count(HOSTILE) >= 6
    assert page.run(f"document.querySelectorAll('{UNWANTED}').length") == 0
    assert [each for each in page.complaints() if "404" not in each] == []
    assert [url for url in page.requests() if not url.startswith(board.url + "/")] == []


def _text(page: Page, url: str) -> str:
    page.go(url)
    text: str = page.run("document.body.innerText")
    return text


def test_the_keyboard_alone_leads_everywhere(watched: Board, visitor: Visitor) -> None:
    page = visitor.open(watched.url)

    page.press("Tab")
    assert page.run(FOCUSED) == "Skip to content"
    page.press("Enter")
    assert page.run("location.hash") == "#main"
    page.press("Tab")
    assert page.run(FOCUSED) == "q"
    page.type("watched")
    wait_for(lambda: page.run("document.querySelectorAll('#live > li').length") == 1, "found")
    lead = tab_to(page, lambda: page.run("document.activeElement.closest('.lead') !== null"))
    assert page.run(OUTLINE) == "solid"
    page.press("Enter")
    wait_for(lambda: page.run(f"location.pathname + {LOADED}") == "/leads/watched complete", "the lead")
    tab_to(page, lambda: page.run(FOCUSED) == "The curve as a table")
    page.press("Enter")
    assert page.run("document.getElementById('curve-table').open")
    assert lead < 20


def test_a_late_answer_to_older_filters_does_not_replace_a_newer_search(watched: Board, visitor: Visitor) -> None:
    page = visitor.open(watched.url)
    wait_for(lambda: page.run("document.querySelectorAll('#live > li').length") > 0, "leads")
    page.run(
        "(() => { const live = document.getElementById('live'); "
        "document.body.addEventListener('htmx:afterRequest', () => { document.body.dataset.answered = 'yes' }); "
        "document.body.dispatchEvent(new CustomEvent('board:changed', { detail: {} })); "
        "live.setAttribute('hx-get', '/?q=nobody'); })()"
    )
    wait_for(lambda: page.run("document.body.dataset.answered === 'yes'"), "an answer")
    merged_from = page.run("document.getElementById('live').getAttribute('hx-get')")
    assert merged_from == "/?q=nobody"


def test_more_rows_of_an_older_list_are_not_added_to_a_newer_search(watched: Board, visitor: Visitor) -> None:
    watched.send(*qualifying("beside"))
    watched.wait_score("beside", 75)
    page = visitor.open(f"{watched.url}/?q=watched")
    page.run(
        "(() => { const next = document.getElementById('next'), sought = document.createElement('a'); "
        "for (const [name, value] of [['get', '/'], ['target', '#more'], ['swap', 'beforeend'], ['trigger', 'click']]) "
        "sought.setAttribute(`hx-${name}`, value); "
        "next.append(sought); htmx.process(sought); "
        "const { send } = XMLHttpRequest.prototype; "
        "XMLHttpRequest.prototype.send = function (...all) { "
        "this.addEventListener('loadend', () => { document.body.dataset.answered = this.status }); "
        "return send.apply(this, all); }; "
        "sought.click(); sought.setAttribute('hx-get', '/?q=watched'); })()"
    )
    wait_for(lambda: page.run("document.body.dataset.answered === '200'"), "an answer")
    assert page.run("[...document.querySelectorAll('#live > li, #more > li')].map((row) => row.dataset.id)") == [
        "watched"
    ]


def tab_to(page: Page, reached: Callable[[], bool], most: int = 60) -> int:
    """Press Tab until something has the focus, which must be seen everywhere on the way; how often it took."""
    for i in range(most):
        page.press("Tab")
        assert page.run(OUTLINE) == "solid", page.run(FOCUSED)
        if reached():
            return i + 1
    message = "it cannot be reached"
    raise AssertionError(message)


def test_focus_and_open_details_survive_a_change(watched: Board, visitor: Visitor) -> None:
    page = visitor.open(f"{watched.url}/leads/watched")
    wait_for(lambda: page.run("document.documentElement.dataset.connected === 'yes'"), "listening")
    page.run(f"{SUMMARY}.click(), {SUMMARY}.focus()")
    before = page.run("document.querySelectorAll('#waterfall tbody tr').length")

    watched.send(did("watched", "Webinar Attended"))

    wait_for(lambda: page.run("document.querySelectorAll('#waterfall tbody tr').length") > before, "one part more")
    assert page.run(FOCUSED) == "The curve as a table"
    assert page.run("document.getElementById('curve-table').open")
    assert page.run("document.querySelectorAll('.plot canvas').length") == 1


def test_a_rank_of_four_digits_fits_on_one_line(watched: Board, visitor: Visitor) -> None:
    page = visitor.open(watched.url)
    page.run("document.querySelector('.ranking').style.counterReset = 'rank 8887'")
    rank = "getComputedStyle(document.querySelector('.lead'), '::before')"
    for size in (DESK, PHONE):
        page.resize(*size)
        assert page.run(f"parseFloat({rank}.height)") < 30
        assert page.run(DRAWN) <= page.run(f"parseFloat({rank}.width)")


def test_a_long_name_of_a_trait_leaves_room_for_the_values(board: Board, visitor: Visitor) -> None:
    board.send(identified("wordy", title="CTO", **{"numberOfEmployeesAsTheFormOfTheWebinarCalledIt": "some hundred"}))
    board.wait_score("wordy", 20)
    page = visitor.open(f"{board.url}/leads/wordy")
    share = "document.querySelector('.pairs dd').offsetWidth / document.querySelector('.pairs').offsetWidth"
    for size in (DESK, PHONE):
        page.resize(*size)
        assert page.run(share) > 0.5
        assert page.run("[...document.querySelectorAll('dt')].every((name) => name.scrollWidth <= name.offsetWidth)")


def test_the_theme_is_the_systems_until_it_is_chosen(board: Board, chromium: Chromium) -> None:
    visitor = chromium.visitor(colorScheme="dark")
    page = visitor.open(board.url)
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.run(paper)

    page.run("document.getElementById('theme').click()")
    light = page.run(paper)
    page.go(f"{board.url}/alerts")

    assert light != dark
    assert page.run(paper) == light
    assert page.run("document.getElementById('theme').getAttribute('aria-pressed')") == "false"
    assert page.run("localStorage.leadglow_theme") == "light"
    visitor.close()


def test_pages_need_a_token_and_a_viewer_sees_no_names(
    watched: Board, closed: CollectorProcess, visitor: Visitor
) -> None:
    page = visitor.open(f"{closed.url}/leads/watched")
    assert page.run("document.querySelector('h1').innerText") == "Sign in"

    sign_in(page, "a-wrong-one")
    wait_for(
        lambda: "token is unknown" in page.run("document.querySelector('[role=alert]')?.innerText ?? ''"), "refused"
    )
    sign_in(page, VIEWER_TOKEN)
    wait_for(lambda: page.run("document.querySelector('h1').innerText") == "watched", "the lead by its id")
    assert page.run("document.querySelector('#traits-title + dl').innerText").count("•••") == 2
    page.run("document.querySelector('form[action=\"/logout\"] button').click()")
    wait_for(lambda: page.run("document.querySelector('h1')?.innerText") == "Sign in", "signed out")
    page.go(f"{closed.url}/login")  # a refresh of the lead may have led to its own sign-in
    sign_in(page, TOKEN)
    wait_for(lambda: page.run("document.querySelectorAll('#live > li').length") > 0, "the leads")
    assert "leadglow" not in page.run("document.cookie")


def sign_in(page: Page, token: str) -> None:
    wait_for(lambda: page.run("document.activeElement.id") == "token", "the field has the focus")
    page.type(token)
    page.press("Enter")
