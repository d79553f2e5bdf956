"""Debian's Prometheus with the rules of this repository, at the speed of a test."""

from __future__ import annotations

import json
import math
import re
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.embedded.server import Server, free_port
from tests.support.probes import read_status
from tests.support.waiting import wait_for

RULES: Final = Path(__file__).parents[2] / "deploy/prometheus/rules"
WINDOW: Final = "8s"
"""The time that stands for every window of the rules and dashboards."""
OVERLAY: Final = (
    (r"\bfor: \w+", "for: 1s"),
    (r"\[\w+:\w+\]", f"[{WINDOW}:1s]"),
    (r"\[\w+\]", f"[{WINDOW}]"),
    (r"overdue_seconds\) > 60\b", "overdue_seconds) > 20"),
    (r"([<>]) 60\b", r"\1 7"),
    (r"([<>]) 300\b", r"\1 3"),
    (r"(?m)^(  - name: .*)$", r"\1\n    interval: 500ms"),
)
"""What is shorter than in operation: how long a condition must hold, windows, and ages of one and five minutes."""
SCRAPE: Final = "500ms"

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    server: Server

    def query(self, expression: str) -> list[float]:
        """The values of all series now, without those that are not a number."""
        found = self._get("query", query=expression)["result"]
        values = [float(each["value"][1]) for each in found]
        return [value for value in values if not math.isnan(value)]

    def alerts(self) -> list[Labels]:
        """The labels of all alerts that fire."""
        return [alert["labels"] for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"]

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"http://{self.server.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.loads(answer.read())["data"]


def shorten(rules: str) -> str:
    """The text of a file with rules, so that its alerts fire within seconds."""
    for pattern, replacement in OVERLAY:
        rules = re.sub(pattern, replacement, rules)
    return rules


@contextmanager
def start_prometheus(folder: Path, targets: Mapping[str, list[str]]) -> Iterator[Prometheus]:
    """Scrape these targets (job -> addresses) until the end of the block."""
    folder.mkdir()
    for path in RULES.glob("*.yml"):
        (folder / path.name).write_text(shorten(path.read_text()))
    jobs = [{"job_name": job, "static_configs": [{"targets": addresses}]} for job, addresses in targets.items()]
    config = {
        "global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE},
        "rule_files": [path.name for path in sorted(RULES.glob("*.yml"))],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    port = free_port()
    place = [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'data'}"]
    argv = [str(shutil.which("prometheus")), f"--config.file={folder / 'prometheus.yml'}", *place]
    server = Server([*argv, "--log.level=warn"], port, folder)
    try:
        server.wait_ready()
        wait_for(lambda: read_status(f"http://{server.address}/-/ready") == 200, "ready")
        yield Prometheus(server)
    finally:
        server.stop()
