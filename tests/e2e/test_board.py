"""The board in Chromium, on a running Leadglow: pages change as events arrive."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from statistics import quantiles

import pytest

from streams.clock import now_ms
from tests.support.board_system import Board, did, identified, qualifying, stream, viewed
from tests.support.node import Chromium, Page, Visitor
from tests.support.waiting import wait_for

CONNECTED = "document.documentElement.dataset.connected === 'yes'"
FIRST = "document.querySelector('#live > li a')?.textContent"
LATEST = "document.querySelector('.alert')?.innerText ?? ''"
SAID = "document.getElementById('said').textContent"
NOISE_PER_S = 2000
NOISE_S = 12
PROBES = 40
SEEN = """
(() => {
  window.seen = {};
  const look = () => {
    for (const row of document.querySelectorAll("#live > li")) window.seen[row.dataset.id] ??= Date.now();
  };
  new MutationObserver(look).observe(document.getElementById("results"), { childList: true, subtree: true });
})()
"""

HELD = """
const Opened = EventSource;
window.EventSource = class extends EventTarget {
  constructor(url) {
    super();
    window.letThrough = () => {
      const source = new Opened(url);
      for (const name of ["open", "changed"])
        source.addEventListener(name, (event) => this.dispatchEvent(new MessageEvent(name, { data: event.data })));
    };
  }
  close() {}
};
"""
"""Streams are opened when the test allows it."""


RANKED = "document.querySelectorAll('.ranking li').length"
CHANGED = "document.body.dispatchEvent(new CustomEvent('board:changed', { detail: { kind: 'look' } }))"
MARKED = """
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, url) {
    this.isMore = url.includes("cursor=");
    open.call(this, method, url);
  };
"""
"""Records for each request whether it loads more of the list."""
SLOW = f"""
(() => {{
  {MARKED}
  XMLHttpRequest.prototype.send = function () {{ setTimeout(() => send.call(this), this.isMore ? 1000 : 0); }};
  setInterval(() => {CHANGED}, 100);
}})()
"""
"""The ranking changes all the time, and more of it takes a while."""

HOLDING = f"""
(() => {{
  {MARKED}
  XMLHttpRequest.prototype.send = function () {{
    if (this.isMore || window.letThrough) send.call(this);
    else window.letThrough = () => {{
      this.addEventListener("loadend", () => {{ window.fewest = {RANKED}; }});
      send.call(this);
    }};
  }};
}})()
"""
"""The next refresh is sent when the test allows it."""


REFUSED = """
const Opened = EventSource;
window.EventSource = class extends Opened {
  constructor(url) {
    super(window.isBack ? url : "/no/such/stream");
    window.tries = (window.tries ?? 0) + 1;
  }
};
"""
"""Streams are refused until the test allows them."""


FAILING = """
const { open } = XMLHttpRequest.prototype;
XMLHttpRequest.prototype.open = function (method, url) {
  open.call(this, method, url);
  if (window.isAway) Object.defineProperty(this, "status", { value: 503 });
};
"""
"""Refreshes fail, as without Redis, until the test allows them."""


def opened(visitor: Visitor, board: Board, path: str) -> Page:
    """A page that listens."""
    page = visitor.open(board.url + path)
    wait_for(lambda: page.run(CONNECTED), "listening")
    page.run("window.marked = true")
    return page


def unharmed(page: Page, board: Board) -> None:
    """Assert that the page was not reloaded, logged no errors and sent no requests elsewhere."""
    assert page.run("window.marked")
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith(board.url + "/")] == []


def test_the_ranking_changes_without_a_reload(board: Board, visitor: Visitor) -> None:
    board.send(identified("first", name="Ana First", title="CTO", employees=450), did("first", "Webinar Attended"))
    board.wait_score("first", 55)
    page = opened(visitor, board, "/")
    wait_for(lambda: page.run(FIRST) == "Ana First", "Ana first")

    board.send(identified("second", name="Ben Second", title="CTO", employees=450), did("second", "Demo Requested"))

    wait_for(lambda: page.run(FIRST) == "Ben Second", "Ben first")
    row = page.run("document.querySelector('#live > li').innerText")
    assert "74" in row
    assert "qualified" in row
    unharmed(page, board)


def test_changes_before_a_page_listens_are_shown_at_once(board: Board, chromium: Chromium) -> None:
    visitor = chromium.visitor(before=HELD)
    page = visitor.open(board.url)
    page.run("window.marked = true")
    board.send(identified("early", name="Eva Early", title="CTO", employees=450))
    wait_for(lambda: "Eva Early" in page.run("fetch('/').then((answer) => answer.text())"), "ranked")

    page.run("letThrough()")

    wait_for(lambda: "Eva Early" in page.run("document.getElementById('live').innerText"), "seen", timeout_s=5)
    unharmed(page, board)
    visitor.close()


def test_a_page_shows_that_its_stream_is_refused_until_it_listens(board: Board, chromium: Chromium) -> None:
    visitor = chromium.visitor(before=REFUSED)
    page = visitor.open(board.url)
    state = "document.querySelector('[data-state]').dataset.state"
    wait_for(lambda: page.run(state) == "lost", "said to be lost")
    tried = page.run("window.tries")
    wait_for(lambda: page.run("window.tries") > tried, "tried again")
    assert page.run(state) == "lost"

    page.run("window.isBack = true")

    wait_for(lambda: page.run(state) == "live", "found again")
    visitor.close()


def test_a_page_shows_that_refreshes_fail_until_one_works(board: Board, chromium: Chromium) -> None:
    visitor = chromium.visitor(before=FAILING)
    page = opened(visitor, board, "/")
    state = "document.querySelector('[data-state]').dataset.state"
    assert page.run(state) == "live"

    page.run(f"window.isAway = true, {CHANGED}")
    wait_for(lambda: page.run(state) == "lost", "said to be lost")
    page.run("window.isAway = false")

    wait_for(lambda: page.run(state) == "live", "found again", timeout_s=10)
    visitor.close()


def test_a_lead_is_followed_over_its_threshold_to_the_alert(board: Board, visitor: Visitor) -> None:
    board.send(identified("rising", name="Carla Rising", title="CTO", employees=450))
    board.wait_score("rising", 35)
    page = opened(visitor, board, "/leads/rising")
    alerts = opened(visitor, board, "/alerts")
    assert page.run("document.getElementById('score').textContent") == "35"

    board.send(did("rising", "Demo Requested"))

    wait_for(lambda: page.run("document.getElementById('score').textContent") == "74", "74 points")
    wait_for(lambda: "entered" in page.run("document.getElementById('alerts').innerText"), "the alert on its page")
    wait_for(lambda: "Carla Rising" in alerts.run(LATEST), "the alert in the feed")
    wait_for(lambda: "Carla Rising entered qualified" in alerts.run(SAID), "said")
    assert "demo request +40" in " ".join(alerts.run(LATEST).split())
    unharmed(page, board)
    unharmed(alerts, board)


def test_the_open_page_of_an_erased_lead_shows_that_it_is_gone(board: Board, visitor: Visitor) -> None:
    board.send(identified("leaving", name="Lea Leaving", title="CTO", employees=450))
    board.wait_score("leaving", 35)
    page = opened(visitor, board, "/leads/leaving")

    assert board.system.run("erase", "leaving", "--yes").exit_code == 0

    wait_for(lambda: page.run("document.querySelector('h1').innerText") == "Not found", "gone", timeout_s=5)
    assert "Lea Leaving" not in page.run("document.body.innerText")


def test_the_waterfall_sums_to_the_score(board: Board, visitor: Visitor) -> None:
    paths = [f"/product/{name}" for name in "abcdefg"]
    board.send(*qualifying("summed"), viewed("summed", "/pricing"), viewed("summed", "/jobs/1"))
    board.send(*(viewed("summed", path) for path in paths), did("summed", "Unsubscribed"))
    wait_for(lambda: board.lead("summed"), "known")
    wait_for(lambda: len(board.lead("summed")["scorecards"]["default"]["parts"]) >= 8, "all parts")
    page = visitor.open(f"{board.url}/leads/summed")

    values = "[...document.querySelectorAll('#waterfall {0} data')].map((each) => each.value)"
    read = page.run(f"[{values.format('tbody')}, {values.format('tfoot')}]")  # at once: the page is drawn again
    parts, [total] = ([Decimal(value) for value in each] for each in read)

    card = board.lead("summed")["scorecards"]["default"]
    assert sum(parts) == total
    assert len(parts) == len(card["parts"])
    assert float(total) == pytest.approx(card["exact"], abs=0.01)  # it fades between the two readings
    assert page.run("document.getElementById('score').textContent") == str(card["score"])
    assert page.run("document.getElementById('curve').dataset.drawn") == "yes"


def test_the_curve_shows_when_stages_will_be_left(board: Board, visitor: Visitor) -> None:
    searched = {"path": "/search", "search": "price"}
    board.send(*({**viewed("cooling", "/search"), "properties": searched} for _ in range(4)))
    board.wait_score("cooling", 36)
    page = visitor.open(f"{board.url}/leads/cooling")

    coming = page.run("document.querySelector('.coming').innerText")
    curve = json.loads(page.run("document.getElementById('curve').dataset.curve"))

    assert "Leaves" in coming
    assert [each["kind"] for each in curve["crossings"]] == ["left"]
    assert curve["crossings"][0]["score"] == pytest.approx(20, abs=0.01)


def test_filters_and_search_change_the_list_and_its_address(board: Board, visitor: Visitor) -> None:
    board.send(*qualifying("filtered"), identified("searched", name="Dora Findable"))
    board.wait_score("filtered", 75)
    page = opened(visitor, board, "/")

    page.run("document.getElementById('q').focus()")
    page.type("findable")
    wait_for(lambda: page.run(FIRST) == "Dora Findable", "found")
    assert page.run("location.search") == "?q=findable"
    wait_for(lambda: page.run(SAID) == "1 lead", "said how many")
    page.run("document.getElementById('stage').value = 'qualified'")
    page.run("document.getElementById('stage').dispatchEvent(new Event('change', { bubbles: true }))")

    wait_for(lambda: "No matching leads" in page.run("document.getElementById('results').innerText"), "nobody")
    page.run("history.back()")
    wait_for(lambda: page.run(FIRST) == "Dora Findable", "found again")
    assert page.run("document.getElementById('q').value") == "findable"


def test_another_scorecard_is_shown_with_its_own_choices(board: Board, visitor: Visitor) -> None:
    page = opened(visitor, board, "/?stage=qualified&channel=google")
    page.run(
        "(() => { const select = document.createElement('select'); select.id = select.name = 'scorecard'; "
        "select.append(new Option('default')); document.querySelector('form.filters').prepend(select); "
        "select.dispatchEvent(new Event('change', { bubbles: true })); })()"
    )

    wait_for(lambda: page.run("window.marked") is None, "another page")
    assert page.run("location.search") == "?scorecard=default&channel=google"
    assert page.run("document.getElementById('stage').value") == ""
    assert page.run("document.getElementById('channel').value") == "google"
    assert page.complaints() == []


def test_a_long_list_goes_on_as_it_is_scrolled(board: Board, visitor: Visitor) -> None:
    board.send(*(identified(f"many-{i}", title="CTO", employees=450) for i in range(70)))
    wait_for(lambda: board.lead("many-69"), "all of them")
    page = opened(visitor, board, "/")
    rows = "[...document.querySelectorAll('.ranking li')].map((row) => row.dataset.id)"
    wait_for(lambda: len(page.run(rows)) == 50, "the first page")

    def all_of_them() -> bool:
        """Scroll to the end as a person does who cannot see yet whether it is the end."""
        page.run("scrollTo(0, 0), document.getElementById('further')?.scrollIntoView()")
        return len(page.run(rows)) >= 70

    wait_for(all_of_them, "more")
    lowest = page.run(rows)[-3:]
    board.send(*qualifying("many-69"), *(did(lead_id, "Demo Requested") for lead_id in lowest))

    def as_it_is() -> bool:
        """Every row that is shown, also below the first fifty, is where it belongs now, and there once."""
        shown = page.run(rows)
        ranked = "fetch('/api/v1/leads?limit=100').then((found) => found.json())"
        now = [row["lead_id"] for row in page.run(ranked)["leads"]]
        return len(shown) >= 70 and shown[:100] == now[: len(shown)] and set(lowest) <= set(shown[:50])

    wait_for(as_it_is, "risen, with all others in their places")
    unharmed(page, board)


def test_more_gets_through_while_the_ranking_is_live(board: Board, visitor: Visitor) -> None:
    board.send(*(identified(f"long-{i}", title="CTO", employees=450) for i in range(120)))
    wait_for(lambda: board.lead("long-119"), "all of them")
    page = opened(visitor, board, "/?q=long-")
    wait_for(lambda: page.run(RANKED) == 50, "the first page")
    page.run(SLOW)

    wait_for(lambda: page.run(f"document.getElementById('further')?.scrollIntoView(), {RANKED}") == 120, "all of them")
    unharmed(page, board)


def test_a_refresh_that_was_asked_for_before_drops_no_row_that_scrolling_brought(
    board: Board, visitor: Visitor
) -> None:
    board.send(*(identified(f"late-{i}", title="CTO", employees=450) for i in range(120)))
    wait_for(lambda: board.lead("late-119"), "all of them")
    page = opened(visitor, board, "/?q=late-")
    wait_for(lambda: page.run(RANKED) == 50, "the first page")
    page.run(HOLDING)
    page.run(CHANGED)
    wait_for(lambda: page.run("typeof window.letThrough") == "function", "a refresh is held")
    more = f"document.getElementById('further')?.scrollIntoView(), {RANKED}"
    wait_for(lambda: page.run(more) >= 100, "more", said=lambda: str(page.run(RANKED)))

    page.run("letThrough()")

    wait_for(lambda: page.run("window.fewest"), "refreshed")
    assert page.run("window.fewest") >= 100
    unharmed(page, board)


def test_updates_can_be_paused(board: Board, visitor: Visitor) -> None:
    board.send(identified("paused", title="CTO"))
    board.wait_score("paused", 20)
    page = opened(visitor, board, "/leads/paused")
    shown = "document.getElementById('score').textContent"

    page.run("document.getElementById('pause').click()")
    board.send(did("paused", "Demo Requested"))
    board.wait_score("paused", 60)

    assert page.run("document.getElementById('pause').getAttribute('aria-pressed')") == "true"
    assert page.run(shown) == "20"
    page.run("document.getElementById('pause').click()")
    wait_for(lambda: page.run(shown) == "59", "caught up")


def test_a_change_is_on_the_open_page_soon_after_its_event_arrived(board: Board, visitor: Visitor) -> None:
    page = opened(visitor, board, "/")
    page.run(SEEN)

    rate = asyncio.run(probed(board))

    try:
        wait_for(lambda: len(probes_seen(page)) == PROBES, "every probe")
    except AssertionError as error:
        error.add_note(f"{len(probes_seen(page))} were seen; {page.complaints()}; {rate:,.0f} events/s")
        raise
    waits = sorted(at - int(lead_id.split("-")[1]) for lead_id, at in probes_seen(page).items())
    cuts = quantiles(waits, n=20)
    print(
        f"\nfrom an event's arrival to the open page, at {rate:,.0f} events/s: "
        f"p50 {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms, at most {waits[-1]} ms ({len(waits)} probes)"
    )
    unharmed(page, board)


async def probed(board: Board) -> float:
    """Noise, and a lead that enters the top of the ranking four times a second; its name contains the time."""
    views = (viewed(f"noise-{i % 5000}", f"/blog/{i % 50}") for i in range(NOISE_PER_S * NOISE_S))
    noise = iter([json.dumps(view).encode() for view in views])
    noisy = stream(board.system, noise, NOISE_PER_S)
    rate, _ = await asyncio.gather(noisy, stream(board.system, probes(), PROBES / 10))
    return rate


def probes() -> Iterator[bytes]:
    """Leads whose first event lifts them to the top."""
    for i in range(PROBES):
        event = did(f"probe-{now_ms()}-{i}", "Demo Requested")
        yield json.dumps({**event, "context": {"traits": {"title": "CTO", "employees": 450}}}).encode()


def probes_seen(page: Page) -> dict[str, int]:
    found: dict[str, int] = page.run("window.seen")
    return {lead_id: at for lead_id, at in found.items() if lead_id.startswith("probe-")}
