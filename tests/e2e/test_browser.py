"""The SDKs for browsers, as their packages are, and our snippet deliver into a running Leadglow from Chromium.

Each first delivery arrives but is answered 503: it is sent again, and must count once.
"""

import re
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.collector_system import SITE_KEY, Stack
from tests.support.http_server import Stumbling, Web, serve
from tests.support.node import Chromium, Visitor
from tests.support.waiting import wait_for

SNIPPET = Path(__file__).parents[2] / "app/collector/static/leadglow.js"
TOLD_503 = "performance.getEntriesByType('resource').some((each) => each.responseStatus === 503)"
EVENT_ID = r"\beid\W+([0-9a-f-]{36})"
MESSAGE_ID = r'"messageId":"([^"]+)"'
POINTS = 1 + 7 + 30 + 20 + 1
WITHOUT_TRAITS = POINTS - 20
METRICS_MS = 30_000
"""How often analytics-next reports metrics about itself."""
HURRY = (
    "const wait = setTimeout; window.setTimeout = (work, ms, ...rest) => wait(work, ms >= 30000 ? 100 : ms, ...rest);"
)
"""Makes a page wait 100 ms where it would wait for 30 s and more."""
SEGMENT_LIKE = """
analytics.setAnonymousId('anonymous-{0}');
analytics.page();
analytics.track('Demo Requested', {{form: 'demo'}});
analytics.identify('user-{0}', {{title: 'CTO'}});
history.pushState({{}}, '', '/docs');
analytics.page();
null
"""
SNOWPLOW = """
snowplow.trackStructEvent({{category: 'site', action: 'Demo Requested'}});
snowplow.setUserId('user-{0}');
history.pushState({{}}, '', '/docs');
snowplow.trackPageView();
tracker.getDomainUserId()
"""


@pytest.mark.parametrize("sdk", ["segment", "rudder"])
def test_a_browser_sdk_delivers_a_story_that_counts_once(
    stack: Stack, visitor: Visitor, bundled: Callable[[str], str], sdk: str
) -> None:
    name = f"browser-{sdk}"
    stack.pages["/pricing"] = bundled(sdk)
    with serve(Stumbling(stack.url)) as web:
        page = visitor.open(f"{stack.site}/pricing")
        page.run(f"start('{web.address}', '{SITE_KEY}')")
        page.run(SEGMENT_LIKE.format(name))
        wait_for(lambda: len(deliveries(web)) == 5, "sent, and once again")

    lead = stack.wait_scored(f"user-{name}", f"anonymous-{name}", POINTS)

    assert lead["traits"] == {"title": "CTO"}


def test_the_browser_sdk_of_segment_calls_only_the_collector(
    stack: Stack, chromium: Chromium, bundled: Callable[[str], str]
) -> None:
    visitor = chromium.visitor(HURRY)
    stack.pages["/pricing"] = bundled("segment")
    with serve(Stumbling(stack.url)) as web:
        page = visitor.open(f"{stack.site}/pricing")
        page.run(f"start('{web.address}', '{SITE_KEY}')")
        page.run(SEGMENT_LIKE.format("alone"))
        wait_for(lambda: len(deliveries(web)) == 5, "sent, and once again")
        page.run(f"new Promise((done) => setTimeout(() => setTimeout(done, {METRICS_MS}), {METRICS_MS}))")
        requests = page.requests()
    visitor.close()

    assert {re.sub(r"(?<=\w)/.*", "", each) for each in requests} == {stack.site, web.address}


@pytest.mark.parametrize("method", ["post", "get"])
def test_the_snowplow_browser_tracker_delivers_a_story_that_counts_once(
    stack: Stack, visitor: Visitor, bundled: Callable[[str], str], method: str
) -> None:
    name = f"browser-snowplow-{method}"
    stack.pages["/pricing"] = bundled("snowplow")
    with serve(Stumbling(stack.url)) as web:
        page = visitor.open(f"{stack.site}/pricing")
        page.run(f"start('{web.address}', '{SITE_KEY}', '{method}'), snowplow.trackPageView()")
        wait_for(lambda: page.run(TOLD_503), "told to send again")  # it does so with the next event
        alias = page.run(SNOWPLOW.format(name))
        wait_for(lambda: Counter(Counter(ids(web, EVENT_ID)).values()) == {1: 2, 2: 1}, "sent, and once again")

    stack.wait_scored(f"user-{name}", alias, WITHOUT_TRAITS)


def test_the_snippet_delivers_a_story_that_counts_once(stack: Stack, visitor: Visitor) -> None:
    with serve(Stumbling(stack.url)) as web:
        stack.pages["/pricing"] = stack.pages["/docs"] = loader(web.address)
        page = visitor.open(f"{stack.site}/pricing")
        page.run("leadglow.track('Demo Requested'), leadglow.identify('user-snippet', {title: 'CTO'})")
        wait_for(lambda: len(deliveries(web)) == 1, "sent")
        page.go(f"{stack.site}/docs")
        wait_for(lambda: page.run("localStorage.leadglow_queue") == "[]", "delivered")
        sent = Counter(ids(web, MESSAGE_ID))

    lead = stack.wait_scored("user-snippet", visitor.cookies()["leadglow_id"], POINTS)

    assert lead["traits"] == {"title": "CTO"}
    assert len(sent) == 4
    assert max(sent.values()) > 1


def test_the_snippet_delivers_events_while_the_page_is_left(stack: Stack, visitor: Visitor) -> None:
    stack.pages["/pricing"] = loader(stack.url)
    page = visitor.open(f"{stack.site}/pricing")
    alias = page.run("leadglow.track('Demo Requested'), leadglow.identify('user-left'), document.cookie.split('=')[1]")
    page.go("about:blank")

    stack.wait_scored("user-left", alias, 1 + 7 + 30)


def test_the_collector_serves_the_snippet_as_it_is_for_browsers_to_keep(stack: Stack) -> None:
    with urllib.request.urlopen(f"{stack.url}/leadglow.js", timeout=10) as response:
        headers, body = response.headers, response.read()

    assert "max-age" in headers["Cache-Control"]
    assert headers["Content-Type"].startswith("text/javascript")
    assert body == SNIPPET.read_bytes()


def deliveries(web: Web) -> list[str]:
    """The bodies, or addresses, that brought events."""
    return [
        each.body.decode() or each.path for each in web.requests if each.method == "POST" or each.path.startswith("/i?")
    ]


def ids(web: Web, pattern: str) -> list[str]:
    """The ids of all events that came, as often as they came."""
    return [found for each in deliveries(web) for found in re.findall(pattern, each)]


def loader(host: str) -> str:
    return f'<script src="{host}/leadglow.js" data-key="{SITE_KEY}"></script>'
