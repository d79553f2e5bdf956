"""Draws the alerts of a running demo."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.demo.watch import Seen


def draw_alerts(seen: Seen, most: int) -> Panel:
    """The latest alerts, at most so many."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=8)
    table.add_column(width=11, no_wrap=True)
    table.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
    table.add_column(ratio=3, no_wrap=True, overflow="ellipsis", style="dim")
    rows = [_alert(event) for event in list(seen.recent)[:most]]
    rows = rows or [("", "", Text("none yet: no lead is hot enough", "dim"))]
    for row in [*rows, *[()] * (most - len(rows))]:
        table.add_row(*row)
    title = f"Alerts on the topic handoff ({seen.alerts})"
    return Panel(table, title=title, title_align="left", border_style="dim")


def _alert(event: dict[str, Any]) -> tuple[RenderableType, ...]:
    data = event["data"]
    entered = data["stage"]["kind"] == "entered"
    what = Text(f"{'▲' if entered else '▼'} {data['stage']['name']}", "green" if entered else "blue")
    cause = _CAUSES.get((data["cause"], entered), data["triggering_event"]["type"])
    why = f"{data['score']['published']} points: {cause}"
    return Text(event["time"][11:19], "dim"), what, person(event["subject"], data["lead"]["traits"]), why


_CAUSES = {
    ("decay", True): "negative points faded",
    ("decay", False): "cooled down",
    ("merged", True): "merged with another lead",
    ("merged", False): "merged with another lead",
}


def person(lead_id: str, traits: dict[str, Any]) -> str:
    """A short description of a lead."""
    if "name" not in traits:
        return f"visitor {lead_id[:8]}"
    return f"{traits['name']}, {traits.get('title', '')}, {traits.get('company', '')}"
