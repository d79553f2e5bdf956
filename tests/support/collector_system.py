"""A running system with its collector, and a web site whose pages may send to it."""

import hashlib
import json
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.private_files import write_private
from streams.clock import now_ms
from tests.support.http_server import Answer, Request, serve
from tests.support.servers import Running
from tests.support.system import ROOT, System, WorkerProcess
from tests.support.waiting import wait_for

SECRET = "sk_of-a-server-and-nobody-else"
SITE_KEY = "wk_site"
APPS_KEY = "wk_apps"
KEYS = """
leadglow_keys: 1
keys:
  - {{name: site, write_key: {site_key}, origins: ["{site}"], rate: 2000/s}}
  - {{name: apps, write_key: {apps_key}, origins: any}}
  - {{name: backend, server: true, sha256: {sha256}}}
"""
LAST_POINTS = 0.25


@dataclass(frozen=True)
class Stack:
    """Collector, worker, Kafka and Redis, and the site."""

    system: System
    url: str
    site: str
    pages: dict[str, str]
    """HTML of the site by path; any other path is an empty page."""
    worker: WorkerProcess

    def send(self, call: dict[str, Any]) -> None:
        """Track a call with the secret key."""
        headers = {"Authorization": f"Basic {b64encode(f'{SECRET}:'.encode()).decode()}"}
        request = urllib.request.Request(f"{self.url}/v1/track", json.dumps(call).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.status == 200

    def wait_scored(self, lead_id: str, alias: str, points: float) -> dict[str, Any]:
        """The lead, when it has exactly these points and all that was sent for it so far has been seen.

        One more call for each of its ids takes the same way as the earlier ones, behind them.
        """
        for kind, name in (("userId", lead_id), ("anonymousId", alias)):
            self.send({"type": "track", "event": "Story Ended", "messageId": f"last-{name}", kind: name})
        lead: dict[str, Any] = {}

        def reached() -> bool:
            result = self.system.run("lead", "show", lead_id, "--json")
            if result.exit_code == 0:
                lead.update(json.loads(result.stdout))
            return bool(lead) and lead["scorecards"]["default"]["exact"] == points + 2 * LAST_POINTS

        try:
            wait_for(reached, f"{lead_id} at {points} points")
        except AssertionError as error:
            error.add_note(f"it is: {json.dumps(lead, indent=1)}")
            raise
        assert alias in lead["aliases"]
        return lead


@contextmanager
def start_stack(kafka: Running, redis_url: str, folder: Path, **settings: str) -> Iterator[Stack]:
    """Run everything; nothing that the tests send may be rejected. Files go to the folder."""
    name = f"sdks{now_ms()}"
    system = System(
        kafka,
        redis_url,
        name,
        sources=f"{name}-web,{name}-mail",
        collector_web_topic=f"{name}-web",
        collector_mail_topic=f"{name}-mail",
        **{"scorecards": str(ROOT / "tests/data/scorecards/sdks.yaml"), **settings},
    )
    assert system.run("topics", "create").exit_code == 0
    pages: dict[str, str] = {}

    def site(request: Request) -> Answer:
        html = pages.get(request.path.partition("?")[0], "")
        return Answer(200, f"<!doctype html><title>Acme</title>{html}".encode(), {"Content-Type": "text/html"})

    keys = folder / "keys.yaml"
    with serve(site) as web:
        origin = f"http://localhost:{web.port}"
        sha256 = hashlib.sha256(SECRET.encode()).hexdigest()
        write_private(keys, KEYS.format(site_key=SITE_KEY, site=origin, apps_key=APPS_KEY, sha256=sha256))
        with system.worker() as worker, system.collector(keys) as collector:
            worker.wait_ready()
            collector.wait_ready()
            yield Stack(system, collector.url, origin, pages, worker)
            assert [record.value for record in system.records(system.settings.rejected)] == []
            assert (collector.stop()[0], worker.stop()[0]) == (0, 0)
