"""Our snippet in a real browser, against a server that records its requests."""

import gzip
import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_server import Answer, Request, Web, serve
from tests.support.node import Chromium, Page, Visitor
from tests.support.waiting import wait_for

SNIPPET = Path(__file__).parents[2] / "app/collector/static/leadglow.js"
LOADER = re.findall(r"^<script.+</script>$", SNIPPET.read_text(), re.MULTILINE)
MAX_BYTES = 3000
MAX_KEPT = 100
NO_GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {value: true})"
NO_DNT = "Object.defineProperty(Navigator.prototype, 'doNotTrack', {value: '1'})"
FORM = """
<form id="newsletter" onsubmit="return false">
  <input name="company" value="Acme"><input type="email" name="address" value="ana@acme.example">
  <input type="password" name="word" value="hidden"><button>Send</button>
</form>"""
HURRY = "dispatchEvent(new Event('online')), dispatchEvent(new Event('pagehide')), fetch('/').then(() => null)"
"""Sends an event in every possible way, and returns when a later request is answered."""
STORED = "Object.keys(localStorage).length + document.cookie"
Call = dict[str, Any]


class Rig:
    """A site with the snippet, its visitor, and the requests to the collector."""

    def __init__(self, stack: ExitStack, chromium: Chromium, attributes: str, before: str, body: str) -> None:
        self.statuses: deque[int] = deque()
        """What the collector answers next, before it answers 200."""
        self._attributes = attributes
        self._body = body
        self.web: Web = stack.enter_context(serve(self._answer))
        self.visitor: Visitor = stack.enter_context(closing(chromium.visitor(before)))

    def _answer(self, request: Request) -> Answer:
        if request.method == "POST":
            status = self.statuses.popleft() if self.statuses else 200
            return Answer(status, b"{}", {"Access-Control-Allow-Origin": "*"})
        if request.path == "/leadglow.js":
            return Answer(200, SNIPPET.read_bytes(), {"Content-Type": "text/javascript"})
        stub, load = LOADER
        load = load.replace("https://HOST", self.web.address).replace('"WRITE_KEY"', f'"wk_site" {self._attributes}')
        html = f"<!doctype html><title>Acme</title>{stub}{load}<body>{self._body}"
        return Answer(200, html.encode(), {"Content-Type": "text/html"})

    def open(self, path: str = "/", site: str = "www") -> Page:
        return self.visitor.open(self.url(path, site))

    def url(self, path: str, site: str = "www") -> str:
        """The site is on another host than the collector."""
        return f"http://{site}.acme.localhost:{self.web.port}{path}"

    @property
    def posts(self) -> list[Request]:
        return [request for request in self.web.requests if request.method != "GET"]

    @property
    def calls(self) -> list[Call]:
        return [call for post in self.posts for call in json.loads(post.body)["batch"]]

    def wait(self, number: int) -> list[Call]:
        """The calls, as soon as there are so many."""
        wait_for(lambda: len(self.calls) >= number, f"{number} calls")
        assert len(self.calls) == number
        return self.calls

    def wait_idle(self, page: Page) -> None:
        """Return when everything is acknowledged."""
        wait_for(lambda: page.run("localStorage.leadglow_queue") == "[]", "acknowledged")


RigOf = Callable[..., Rig]


@pytest.fixture
def rig_of(chromium: Chromium) -> Iterator[RigOf]:
    """Takes more attributes for the script's tag, a script that pages begin with, and more HTML."""
    with ExitStack() as stack:
        yield lambda attributes="", before="", body="": Rig(stack, chromium, attributes, before, body)


def test_it_is_smaller_than_3_kilobytes() -> None:
    assert len(gzip.compress(SNIPPET.read_bytes())) < MAX_BYTES


# What is sent ---------------------------------------------------------------------------------------------------


def test_a_page_view_has_its_address_and_campaign(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.open("/pricing?utm_source=news+letter&utm_medium=email&utm_campaign=q4&x=1")

    (view,) = rig.wait(1)

    assert view["type"] == "page"
    assert view["properties"]["url"].endswith("/pricing?utm_source=news+letter&utm_medium=email&utm_campaign=q4&x=1")
    assert (view["properties"]["path"], view["properties"]["title"]) == ("/pricing", "Acme")
    assert view["context"]["campaign"] == {"source": "news letter", "medium": "email", "name": "q4"}
    assert "Chrome" in view["context"]["userAgent"]


def test_it_posts_plain_text_without_a_preflight_or_cookies(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.open()
    rig.wait(1)

    (post,) = rig.posts

    assert (post.method, post.path, post.headers["content-type"]) == ("POST", "/v1/batch", "text/plain;charset=UTF-8")
    assert json.loads(post.body)["writeKey"] == "wk_site"
    assert "cookie" not in post.headers


def test_each_pushed_page_is_a_view_with_its_own_title(rig_of: RigOf) -> None:
    rig = rig_of()
    page = rig.open("/")
    page.run("history.pushState({}, '', '/docs'), document.title = 'Docs'")
    rig.wait(2)
    page.run("history.pushState({}, '', '/docs#install')")
    page.run("history.back()")
    page.run("history.back()")

    views = rig.wait(3)

    assert [(view["properties"]["path"], view["properties"]["title"]) for view in views] == [
        ("/", "Acme"), ("/docs", "Docs"), ("/", "Docs"),
    ]  # fmt: skip


def test_clicks_on_links_are_sent_though_the_page_is_left(rig_of: RigOf) -> None:
    rig = rig_of(body='<a href="/pricing"><b>Prices</b></a>')
    page = rig.open()
    rig.wait(1)
    page.run("document.querySelector('b').click()")

    calls = rig.wait(3)

    assert calls[1]["event"] == "Link Clicked"
    assert calls[1]["properties"]["url"] == rig.url("/pricing")
    assert calls[2]["properties"]["path"] == "/pricing"


def test_forms_are_sent_with_names_and_no_values(rig_of: RigOf) -> None:
    rig = rig_of(body=FORM)
    rig.open().run("document.forms[0].requestSubmit()")

    _, submitted = rig.wait(2)

    assert submitted["event"] == "Form Submitted"
    assert submitted["properties"] == {"form": "newsletter", "fields": ["company", "address", "word"]}
    assert "ana@acme.example" not in str(rig.calls)


def test_an_address_in_a_form_identifies_only_if_the_site_allows_it(rig_of: RigOf) -> None:
    rig = rig_of('data-email="true"', body=FORM)
    rig.open().run("document.forms[0].requestSubmit()")

    view, _, identify = rig.wait(3)

    assert identify["type"] == "identify"
    assert identify["traits"] == {"email": "ana@acme.example"}
    assert "userId" not in identify
    assert identify["anonymousId"] == view["anonymousId"]
    assert "hidden" not in str(rig.calls)


def test_calls_before_it_has_loaded_are_kept_in_order(rig_of: RigOf) -> None:
    rig = rig_of(body="<script>leadglow.identify('u-1', {title: 'CTO'}); leadglow.track('Demo', {a: 1})</script>")
    rig.open()

    identify, track, view = rig.wait(3)

    assert (identify["type"], identify["userId"], identify["traits"]) == ("identify", "u-1", {"title": "CTO"})
    assert (track["event"], track["userId"], track["properties"]) == ("Demo", "u-1", {"a": 1})
    assert view["userId"] == "u-1"


def test_the_visitor_is_the_same_on_later_pages_and_other_subdomains(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.open().run("leadglow.identify('u-1')")
    rig.wait(2)
    rig.open("/later")
    rig.wait(3)
    rig.open("/", site="app")

    calls = rig.wait(4)

    assert len({call["anonymousId"] for call in calls}) == 1
    assert calls[2]["userId"] == "u-1"
    assert len({call["messageId"] for call in calls}) == 4


@pytest.mark.parametrize("change", ["leadglow.identify('u-2')", "leadglow.reset(); leadglow.track('Demo')"])
def test_two_known_people_at_one_browser_stay_two(rig_of: RigOf, change: str) -> None:
    rig = rig_of()
    page = rig.open()
    page.run("leadglow.identify('u-1')")
    page.run(change)

    _, first, second = rig.wait(3)

    assert first["anonymousId"] != second["anonymousId"]
    assert second.get("userId") != "u-1"


# Consent --------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_or_stored_before_consent_and_all_of_it_afterwards(rig_of: RigOf) -> None:
    rig = rig_of('data-consent="required"')
    page = rig.open()
    page.run("leadglow.identify('u-1')")
    page.run(HURRY)

    assert (rig.posts, page.run(STORED)) == ([], "0")

    page.run("leadglow.consent(true)")
    calls = rig.wait(2)
    assert [call["type"] for call in calls] == ["page", "identify"]
    assert len({call["anonymousId"] for call in calls}) == 1
    page.go(rig.url("/later"))
    assert rig.wait(3)[2]["anonymousId"] == calls[0]["anonymousId"]


def test_a_refusal_is_remembered_and_nothing_else(rig_of: RigOf) -> None:
    rig = rig_of()
    page = rig.open()
    page.run("leadglow.identify('u-1')")
    rig.wait(2)
    page.run("leadglow.consent(false)")
    page.run("leadglow.track('Demo')")
    page.go(rig.url("/later"))
    page.run(HURRY)

    rig.wait(2)
    assert page.run("[localStorage.leadglow_id, localStorage.leadglow_user, document.cookie]") == [None, None, ""]
    assert (page.run("localStorage.leadglow_queue"), page.run("localStorage.leadglow_consent")) == ("[]", '"no"')
    assert rig.visitor.cookies() == {}


@pytest.mark.parametrize("before", [NO_GPC, NO_DNT], ids=["gpc", "dnt"])
def test_a_refusal_of_the_browser_overrides_the_page(rig_of: RigOf, before: str) -> None:
    rig = rig_of(before=before)
    page = rig.open()
    page.run("leadglow.consent(true)")
    page.run("leadglow.track('Demo')")
    page.run(HURRY)

    assert rig.posts == []
    assert page.run("[localStorage.leadglow_id, localStorage.leadglow_queue, document.cookie]") == [None, None, ""]


# Delivery -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_events_that_the_collector_cannot_accept_now_are_sent_again_with_the_same_ids(
    rig_of: RigOf, status: int
) -> None:
    rig = rig_of()
    rig.statuses += [status]
    page = rig.open()

    first, again = rig.wait(2)
    rig.wait_idle(page)

    assert first == again


def test_events_that_the_collector_refuses_are_not_sent_again(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.statuses += [400]
    page = rig.open()
    rig.wait(1)
    rig.wait_idle(page)
    page.run("leadglow.track('Demo')")

    calls = rig.wait(2)

    assert [call["type"] for call in calls] == ["page", "track"]


def test_undelivered_events_wait_for_the_next_page_in_a_bounded_queue(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.statuses += [503] * 2
    page = rig.open()
    rig.wait(1)
    page.run(f"for (let i = 0; i < {MAX_KEPT}; i++) leadglow.track('Demo', {{i}})")
    page.go(rig.url("/later"))

    wait_for(lambda: rig.statuses == deque() and page.run("localStorage.leadglow_queue") == "[]", "delivered")

    delivered = {call["messageId"]: call for post in rig.posts[2:] for call in json.loads(post.body)["batch"]}
    numbers = [call["properties"].get("i") for call in delivered.values()]
    assert numbers == [*range(1, MAX_KEPT), None]
    assert max(len(post.body) for post in rig.posts) < 64_000


def test_a_page_that_is_closed_at_once_still_delivers(rig_of: RigOf) -> None:
    rig = rig_of()
    page = rig.open()
    rig.wait(1)
    rig.wait_idle(page)
    page.run("leadglow.track('Demo'), location.assign('about:blank')")

    _, demo = rig.wait(2)

    assert demo["event"] == "Demo"


def test_a_tag_that_is_there_twice_counts_once(rig_of: RigOf) -> None:
    rig = rig_of(body='<script src="/leadglow.js" data-key="wk_site"></script>')
    page = rig.open()
    page.run("leadglow.track('Demo')")

    assert [call["type"] for call in rig.wait(2)] == ["page", "track"]
