"""What the peers compute: one decayed sum a lead and a latch, by the points of a scorecard without its fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from ruamel.yaml import YAML

from tests.benchmarks.workload import Event

SCORECARD: Final = Path(__file__).with_name("scorecard.yaml")
MIXED: Final = Path(__file__).with_name("scorecard_mixed.yaml")
HALF_LIFE_MS: Final = 7 * 86_400_000
SIGNALS: Final = {
    "Email Opened": "email_open",
    "Email Link Clicked": "email_click",
    "Whitepaper Downloaded": "download",
    "Form Submitted": "form",
    "Webinar Attended": "webinar",
    "Unsubscribed": "unsubscribe",
    "Order Completed": "order",
}

State = tuple[float, int, bool]
"""The sum, its time in ms, and whether the lead is hot."""
COLD: Final[State] = (0.0, 0, False)


class Model:
    """The points and the threshold, read once from the same file as Leadglow reads."""

    def __init__(self, scorecard_file: Path | str = SCORECARD) -> None:
        scorecard = YAML(typ="safe").load(Path(scorecard_file))["scorecards"]["default"]
        self._points: dict[str, float] = scorecard["points"]
        self._enter: float = scorecard["stages"][0]["enter"]
        self._leave: float = scorecard["stages"][0]["leave"]

    def points(self, event: Mapping[str, Any]) -> float:
        """What an event is worth when it happens."""
        if event["type"] != "page":
            points = self._points.get(SIGNALS.get(event.get("event", ""), ""), 0.0)
            return points * float(event.get("properties", {}).get("revenue", 1.0))
        points, url = self._points["page_view"], event["properties"]["url"]
        if "/pricing" in url:
            points += self._points["pricing_visit"]
        if "/jobs" in url:
            points += self._points["jobs_visit"]
        return points

    def step(self, state: State, event: Mapping[str, Any]) -> tuple[State, bool]:
        """The state after the event, and whether the lead became hot by it."""
        total, then_ms, hot = state
        points = self.points(event)
        at_ms = int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)
        if at_ms >= then_ms:
            total *= 2.0 ** ((then_ms - at_ms) / HALF_LIFE_MS)
            hot = hot and total >= self._leave
        else:
            points *= 2.0 ** ((at_ms - then_ms) / HALF_LIFE_MS)
        total += points
        entered = not hot and total >= self._enter
        return (total, max(at_ms, then_ms), entered or (hot and total >= self._leave)), entered


def expected_entries(workload: Iterable[Event]) -> int:
    """How often a lead becomes hot if the workload is processed in log order."""
    model, states, entries = Model(), dict[str, State](), 0
    for event in workload:
        states[event.key], entered = model.step(states.get(event.key, COLD), orjson.loads(event.value))
        entries += entered
    return entries
