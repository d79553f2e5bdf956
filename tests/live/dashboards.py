"""The queries of all panels, for a Prometheus that scrapes a live system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.live.operated import Operated
from tests.support.prometheus import WINDOW, Prometheus
from tests.support.system import ROOT

FOLDER: Final = ROOT / "deploy/grafana/dashboards"
VARIABLES: Final = {"$__rate_interval": WINDOW, "$scorecard": ".+"}


class Query(NamedTuple):
    """A query of a panel."""

    place: str
    expression: str


def queries() -> Iterator[Query]:
    """All queries, with values for their variables."""
    for path in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                expression = target["expr"]
                for name, value in VARIABLES.items():
                    expression = expression.replace(name, value)
                yield Query(f"{path.stem}: {panel['title']} ({target['legendFormat']})", expression)


def find_empty(prometheus: Prometheus) -> list[Query]:
    """The queries without any number.

    Raises:
        HTTPError: a query is not valid.
    """
    return [query for query in queries() if not prometheus.query(query.expression)]


MUST_RISE: Final = (
    "overview: Leads (__auto)",
    "overview: New leads, 24 h (__auto)",
    "overview: Alerts, 24 h (__auto)",
    "overview: Event to alert, p95 (__auto)",
    "overview: Events per minute ({{route}})",
    "overview: Leads at or above a stage's bound ({{scorecard}} {{stage}})",
    "overview: What sales did, 24 h ({{kind}})",
    "overview: Accepted and rejected, 24 h ({{scorecard}} {{stage}} {{verdict}})",
    "pipeline: Records per second ({{stage}})",
    "pipeline: Memory ({{server}})",
    "scoring: Leads by score ({{scorecard}} {{from}})",
    "scoring: Signals, seven days ({{signal}})",
    "scoring: Share that sales accepted ({{scorecard}} {{stage}})",
    "scoring: Why sales rejected, seven days ({{scorecard}}: {{reason}})",
)
"""Queries whose answer is above 0 under traffic."""


def find_zeros(prometheus: Prometheus) -> list[str]:
    """Those of ``MUST_RISE`` that are not above 0."""
    known = {query.place: query.expression for query in queries()}
    return [place for place in MUST_RISE if max(prometheus.query(known[place]), default=0.0) <= 0]


def show_everything(made: Operated) -> None:
    """Do what the steady traffic does not: an unknown key, and what sales does with two hot leads."""
    made.post({"type": "page", "userId": "nobody"}, key="unknown")
    made.send_events(
        {"type": "track", "event": "Lead Contacted", "userId": "u0"},
        {"type": "track", "event": "Lead Accepted", "userId": "u0"},
        {"type": "track", "event": "Lead Rejected", "userId": "u10", "properties": {"reason": "no budget"}},
    )
