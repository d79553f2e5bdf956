"""Builds Grafana dashboards as JSON: rows of panels, each with its queries. `make docs` writes the files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

WIDTH = 24
"""Columns of a dashboard."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
ONLY_LABELS = {
    "id": "organize",
    "options": {
        "excludeByName": {"Time": True, "Value": True, "__name__": True},
        "indexByName": {},
        "renameByName": {},
    },
}
"""Removes from a table what every row has in common."""


def ordered(label: str) -> list[dict[str, Any]]:
    """Changes a table so that its rows are ordered by the number in a label."""
    number, text = (
        {"id": "convertFieldType", "options": {"conversions": [{"targetField": label, "destinationType": kind}]}}
        for kind in ("number", "string")
    )
    removed = {"excludeByName": {"Time": True}, "indexByName": {"scorecard": 0, label: 1}, "renameByName": {}}
    sorting = [{"id": "sortBy", "options": {"sort": [{"field": field}]}} for field in (label, "scorecard")]
    return [number, *sorting, text, {"id": "organize", "options": removed}]


def rate(metric: str, by: str = "", per: int = 1, over: str = "$__rate_interval") -> str:
    """The growth of a counter per second, or per so many seconds, in PromQL."""
    growth = f"sum by ({by}) (rate({metric}[{over}]))"
    return growth if per == 1 else f"{per} * {growth}"


def increase(metric: str, by: str = "", over: str = "24h") -> str:
    """The growth of a counter over a time, in PromQL."""
    return f"sum by ({by}) (increase({metric}[{over}]))"


def quantile(q: float, metric: str, by: str = "", over: str = "$__rate_interval") -> str:
    """A quantile of a histogram, in PromQL."""
    name, brace, labels = metric.partition("{")
    groups = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, sum by ({groups}) (rate({name}_bucket{brace}{labels}[{over}])))"


@dataclass(frozen=True)
class Panel:
    """One panel. Queries are pairs of PromQL and legend."""

    title: str
    queries: list[tuple[str, str]]
    about: str = ""
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 7
    red_from: float | None = None
    """The value from which on a number is red."""
    green_from: float | None = None
    """The value from which on a number is green; below it is red."""
    stacked: bool = False
    order: str = ""
    """The label by whose number bars are ordered; Prometheus orders it as text. Their names are then all labels."""
    negative: bool = False
    """Whether values below 0 have a meaning, so that the axis may begin there."""

    def to_json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """The panel at a place."""
        instant = self.kind != "timeseries"
        targets = [
            {
                "refId": chr(ord("A") + i),
                "datasource": DATASOURCE,
                "expr": query,
                "legendFormat": legend or "__auto",
                "instant": instant,
                "range": not instant,
                **({"format": "table"} if self.kind == "table" or self.order else {}),
            }
            for i, (query, legend) in enumerate(self.queries)
        ]
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": targets,
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
            **self._transformations(),
        }

    def _transformations(self) -> dict[str, Any]:
        if self.order:
            return {"transformations": ordered(self.order)}
        return {"transformations": [ONLY_LABELS]} if self.kind == "table" else {}

    def _defaults(self) -> dict[str, Any]:
        counts = self.unit == "short" and self.kind in {"stat", "bargauge"}
        found: dict[str, Any] = {"unit": "locale" if counts else self.unit}
        if self.kind in {"timeseries", "bargauge"} and not self.negative:
            found["min"] = 0
        if self.kind == "timeseries":
            stack = {"mode": "normal" if self.stacked else "none", "group": "A"}
            found["custom"] = {"fillOpacity": 20 if self.stacked else 5, "showPoints": "never", "stacking": stack}
            return found
        if any("increase(" in query for query, _ in self.queries):
            found["decimals"] = 0  # Prometheus estimates the growth at both ends of the time, so it is no whole number
        steps: list[dict[str, Any]] = [{"color": "blue", "value": None}]
        if self.red_from is not None:
            steps = [{"color": "green", "value": None}, {"color": "red", "value": self.red_from}]
        elif self.green_from is not None:
            steps = [{"color": "red", "value": None}, {"color": "green", "value": self.green_from}]
        found |= {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
        return found

    def _options(self) -> dict[str, Any]:
        if self.kind == "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        if self.kind == "table":
            return {"showHeader": True}
        rows = {"values": True, "limit": 500} if self.order else {}
        shown = {"reduceOptions": {"calcs": ["lastNotNull"], **rows}}
        return {**shown, "orientation": "horizontal", "displayMode": "basic"} if self.kind == "bargauge" else shown


def number(title: str, query: str, unit: str = "short", about: str = "", **more: Any) -> Panel:
    """A single number."""
    return Panel(title, [(query, "")], about, unit, "stat", **{"width": 4, "height": 4, **more})


def bars(title: str, query: str, legend: str, about: str = "", **more: Any) -> Panel:
    """A bar for each series."""
    return Panel(title, [(query, legend)], about, kind="bargauge", **more)


def table(title: str, query: str, about: str = "", **more: Any) -> Panel:
    """The labels of each series as a row."""
    return Panel(title, [(query, "")], about, kind="table", **more)


def lines(title: str, *queries: tuple[str, str], unit: str = "short", about: str = "", **more: Any) -> Panel:
    """Series over time."""
    return Panel(title, list(queries), about, unit, **more)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard: rows with a title and panels."""

    uid: str
    title: str
    about: str
    rows: dict[str, list[Panel]]
    variables: dict[str, str] = field(default_factory=dict)
    """Name of a variable -> the query for its values."""
    since: str = "now-6h"

    def to_text(self) -> str:
        """The file for Grafana."""
        found = {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["leadglow"],
            "schemaVersion": 39,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": self.since, "to": "now"},
            "timezone": "browser",
            "links": [{"type": "dashboards", "title": "Leadglow", "tags": ["leadglow"], "asDropdown": True}],
            "templating": {"list": self._variables()},
            "panels": self._panels(),
        }
        return json.dumps(found, indent=1) + "\n"

    def _variables(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
        for name, query in self.variables.items():
            one = {"name": name, "type": "query", "datasource": DATASOURCE, "query": query, "refresh": 2}
            every = {"text": ["All"], "value": ["$__all"]}
            found.append(one | {"includeAll": True, "multi": True, "allValue": ".+", "current": every})
        return found

    def _panels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        y = 0
        for title, panels in self.rows.items():
            found.append(
                {"id": len(found) + 1, "type": "row", "title": title, "collapsed": False, "panels": []}
                | {"gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}}
            )
            y, x, tallest = y + 1, 0, 0
            for panel in panels:
                if x + panel.width > WIDTH:
                    x, y, tallest = 0, y + tallest, 0
                found.append(panel.to_json(len(found) + 1, x, y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
        return found
