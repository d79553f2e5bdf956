"""The story of a lead, from its visits to the won deal: page, API, alerts, messages and metrics agree."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from standardwebhooks import Webhook

from app.embedded.server import free_port
from app.wiring import make_producer
from streams.clock import now_ms
from streams.events.times import parse_ms
from streams.transport.topics import partition_of
from tests.support.collector_system import SITE_KEY, Stack, start_stack
from tests.support.examples import Examples, run_examples
from tests.support.http_server import Answer, Request, serve
from tests.support.node import Page, Visitor
from tests.support.servers import Running
from tests.support.system import PARTITIONS, WorkerProcess
from tests.support.waiting import wait_for

MOST_S = 2
"""From the arrival of an event to the messages about its alert."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SCORECARDS = """
leadglow: 1
signals:
  pricing: {event: page, where: {properties.path: {prefix: /pricing}}, half_life: never}
  demo: {event: Demo Requested, half_life: never}
scorecards:
  default:
    points: {pricing: 20, demo: 40}
    sales: {reasons: [no budget, too small]}
    stages: [{name: qualified, label: Ready for sales, enter: 30, leave: 20, handoff: true}]
"""
ROUTES = """
leadglow_routes: 1
destinations:
  team: {{slack: {{url: {{file: {slack}}}}}, allow_networks: 127.0.0.1}}
  plain: {{webhook: {{url: "{plain}", secrets: {{file: {secret}}}}}, allow_networks: 127.0.0.1}}
  python: {{webhook: {{url: "{python}", secrets: {{file: {secret}}}}}, allow_networks: 127.0.0.1}}
  typescript: {{webhook: {{url: "{typescript}", secrets: {{file: {secret}}}}}, allow_networks: 127.0.0.1}}
routes:
  - {{name: team, to: team, when: {{stages: [qualified], directions: [entered]}}}}
  - {{name: plain, to: plain}}
  - {{name: python, to: python}}
  - {{name: typescript, to: typescript}}
"""
BODY = "document.querySelector('main').innerText"


@dataclass
class Everything:
    """A whole installation, with receivers of its messages and the examples of the documentation."""

    stack: Stack
    board: str
    worker: WorkerProcess
    notifier: WorkerProcess
    examples: Examples
    slack: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Arrival in ms since the epoch, message."""
    hook: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def api(self, path: str) -> Any:
        """The answer of the board's API."""
        with urllib.request.urlopen(f"{self.board}/api/v1/{path}", timeout=15) as answer:
            return json.loads(answer.read())

    def alerts(self, lead_id: str) -> list[dict[str, Any]]:
        """The alerts about a lead that the plain webhook got, in their order."""
        return [event for _, event in self.hook if event["subject"] == lead_id]


@pytest.fixture(scope="module")
def everything(kafka: Running, redis_server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    folder = tmp_path_factory.mktemp("story")
    scorecards, routes, port = folder / "scorecards.yaml", folder / "routes.yaml", free_port()
    scorecards.write_text(SCORECARDS)
    settings = {"scorecards": str(scorecards), "link_base_url": f"http://127.0.0.1:{port}"}
    with ExitStack() as opened:
        stack = opened.enter_context(start_stack(kafka, redis_server.address, folder, **settings))
        got: dict[str, list[tuple[int, dict[str, Any]]]] = {"/slack": [], "/hook": []}
        web = opened.enter_context(serve(lambda request: _take(request, got[request.path])))
        topic = stack.system.settings.handoff
        examples = opened.enter_context(run_examples(kafka.address, topic, SECRET, folder))
        files = {"slack": folder / "slack", "secret": folder / "secret"}
        files["slack"].write_text(f"{web.address}/slack")
        files["secret"].write_text(SECRET)
        routes.write_text(ROUTES.format(**files, plain=f"{web.address}/hook", **examples.hooks))
        board = opened.enter_context(stack.system.board(board_port=str(port)))
        notifier = opened.enter_context(stack.system.notifier(routes))
        board.wait_ready()
        notifier.wait_ready()
        yield Everything(stack, board.url, stack.worker, notifier, examples, got["/slack"], got["/hook"])
        assert (notifier.stop()[0], board.stop()[0]) == (0, 0)


def _take(request: Request, got: list[tuple[int, dict[str, Any]]]) -> Answer:
    if request.path == "/hook":
        Webhook(SECRET).verify(request.body, request.headers)
    got.append((now_ms(), json.loads(request.body)))
    return Answer(200, b"ok")


def test_a_visitor_is_qualified_rejected_recycled_and_won(everything: Everything, visitor: Visitor) -> None:
    stack = everything.stack
    stack.pages["/pricing"] = stack.pages["/pricing/teams"] = (
        f'<script src="{stack.url}/leadglow.js" data-key="{SITE_KEY}"></script>'
    )
    site = visitor.open(f"{stack.site}/pricing")
    site.run("leadglow.identify('ann', {name: 'Ann Ash', company: 'Acme'})")
    wait_for(lambda: site.run("localStorage.leadglow_queue") == "[]", "sent")
    site.go(f"{stack.site}/pricing/teams")

    wait_for(lambda: everything.slack, "a message in Slack", said=everything.examples.said)
    [(_, message)] = everything.slack
    assert message["text"] == "Ann Ash entered Ready for sales"
    [button] = [each for block in message["blocks"] if block["type"] == "actions" for each in block["elements"]]
    page = visitor.open(button["url"])
    wait_for(lambda: "Ready for sales" in page.run(BODY), "the lead's page", said=lambda: page.run(BODY))
    say(page, "contacted")
    wait_state(everything, "contacted", "qualified")
    say(page, "rejected", reason="no budget")
    wait_state(everything, "rejected", None)
    wait_for(lambda: "rejected by sales since" in page.run(BODY), "why not", said=lambda: page.run(BODY))
    say(page, "recycled")
    wait_state(everything, "recycled", "qualified")
    say(page, "won", amount="800")
    wait_state(everything, "won", "qualified")
    wait_for(lambda: len(everything.slack) == 2, "the other message in Slack")

    alerts_agree(everything)
    pages_agree(everything, page)
    metrics_agree(everything)
    assert site.complaints() == page.complaints() == []


def say(page: Page, verdict: str, **fields: str) -> None:
    """Give a verdict by the form of the page."""
    for name, value in fields.items():
        page.run(f"document.querySelector('#sales [name={name}]').value = {json.dumps(value)}")
    page.run(f"document.querySelector('#sales [value={verdict}]').click()")


def wait_state(everything: Everything, state: str, stage: str | None) -> None:
    """Return when the API has Ann with this state of sales and in this stage."""

    def found() -> Any:
        try:
            lead = everything.api("leads/ann")
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        return lead["sales"]["state"], lead["scorecards"]["default"]["stage"]

    wait_for(lambda: found() == (state, stage), f"{state} and in {stage}", said=lambda: str(found()))


def alerts_agree(everything: Everything) -> None:
    """Webhook, Slack and API have the same three crossings, soon after their events."""
    wait_for(lambda: len(everything.alerts("ann")) == 3, "three alerts by webhook")
    alerts = everything.alerts("ann")
    assert [(each["data"]["stage"]["kind"], each["data"]["sales"]["state"]) for each in alerts] == [
        ("entered", "new"), ("left", "rejected"), ("entered", "recycled"),
    ]  # fmt: skip
    wait_for(lambda: len(everything.api("leads/ann/alerts")["alerts"]) == 3, "three alerts in the API")
    assert [each["id"] for each in everything.api("leads/ann/alerts")["alerts"]][::-1] == [e["id"] for e in alerts]
    arrivals = [at_ms for at_ms, event in everything.hook if event["subject"] == "ann"]
    told = list(zip(arrivals, alerts, strict=True))
    told += zip([at_ms for at_ms, _ in everything.slack], [alerts[0], alerts[2]], strict=True)
    for at_ms, event in told:
        arrived_ms = parse_ms(event["data"]["triggering_event"]["received_at"])
        assert arrived_ms is not None
        assert at_ms - arrived_ms < MOST_S * 1000


def pages_agree(everything: Everything, page: Page) -> None:
    words = {
        "/leads/ann": ("Won since", "800", "Recycled", "Rejected: no budget", "Contacted"),
        "/alerts": ("Ann Ash",) * 3,
        "/": ("Ann Ash", "Ready for sales", "won"),
    }

    def shows(path: str) -> bool:
        page.go(f"{everything.board}{path}")
        text = page.run(BODY)
        return all(text.count(word) >= count for word, count in Counter(words[path]).items())

    for path in words:
        wait_for(partial(shows, path), f"all of it on {path}", said=lambda: page.run(BODY))


def metrics_agree(everything: Everything) -> None:
    worker, notifier = everything.worker, everything.notifier
    kinds = ("contacted", "rejected", "recycled", "won")
    assert [worker.metric("leadglow_sales_verdicts_total", kind=kind) for kind in kinds] == [1, 1, 1, 1]
    assert worker.metric("leadglow_sales_decisions_total", verdict="rejected", reason="no budget") == 1
    assert worker.metric("leadglow_sales_contact_seconds_count") == 1
    assert worker.metric("leadglow_alerts_sent_total") == 3
    counts = {"team": 2, "plain": 3, "python": 3, "typescript": 3}
    found = partial(delivered, notifier, counts)
    wait_for(lambda: found() == counts, "all delivered", said=lambda: str(found()))


def delivered(notifier: WorkerProcess, routes: Iterable[str]) -> dict[str, float]:
    """The delivered alerts of each route."""
    name = "leadglow_notify_alerts_total"
    return {route: notifier.metric(name, route=route, outcome="delivered") for route in routes}


def test_the_examples_store_each_alert_once_in_order_and_refuse_what_is_not_signed(everything: Everything) -> None:
    everything.stack.send({"type": "track", "event": "Demo Requested", "messageId": "bob-1", "userId": "bob"})
    wait_for(lambda: everything.alerts("bob"), "an alert")
    [alert] = everything.alerts("bob")
    asyncio.run(_repeat(everything, alert))  # as a worker does after a crash
    body = json.dumps(alert)
    for url in everything.examples.hooks.values():
        assert post(url, body, alert["id"], SECRET) == 204
        assert post(url, f"[{body}]", "a-digest", SECRET, "application/cloudevents-batch+json") == 204
        assert post(url, body.replace("bob", "eve"), alert["id"], "whsec_" + "A" * 32) == 401
    everything.stack.send({"type": "track", "event": "Lead Rejected", "messageId": "bob-2", "userId": "bob"})
    wait_for(lambda: len(everything.alerts("bob")) == 2, "another alert")
    rows = [
        (each["id"], each["subject"], each["data"]["stage"]["kind"], "qualified") for each in everything.alerts("bob")
    ]

    def stored() -> dict[str, Any]:
        return {name: [row for row in rows if row[1] == "bob"] for name, rows in everything.examples.stored().items()}

    expected = dict.fromkeys(everything.examples.files, rows)
    wait_for(lambda: stored() == expected, "stored by all", said=lambda: f"{stored()}\n{everything.examples.said()}")


async def _repeat(everything: Everything, alert: dict[str, Any]) -> None:
    settings = everything.stack.system.settings
    headers = [("content-type", b"application/cloudevents+json")]
    producer = make_producer(settings)
    await producer.start()
    try:
        value, partition = json.dumps(alert).encode(), partition_of("bob", PARTITIONS)
        await producer.send_and_wait(settings.handoff, value, key=b"bob", headers=headers, partition=partition)
    finally:
        await producer.stop()


def post(url: str, body: str, message_id: str, secret: str, kind: str = "application/cloudevents+json") -> int:
    """Send a webhook as the notifier does; returns the status."""
    at = datetime.now(UTC)
    headers = {
        "content-type": kind,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
