"""Keeps the latest alerts of handoff, without duplicates, ordered by time. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Final

import orjson

from streams.events.times import parse_ms

MAX_ALERTS: Final = 5000
_SAME: Final = ("cause", "score", "reasons", "lead", "threshold", "activity", "channels", "triggering_event", "links")
Place = tuple[int, str]
"""(ms since the epoch, alert id): the place of an alert in the list."""


class Alerts:
    """A bounded list of alerts."""

    def __init__(self, most: int = MAX_ALERTS) -> None:
        """Keep the latest ``most``."""
        self._most = most
        self._order: list[Place] = []
        self._kept: dict[str, tuple[str, bytes]] = {}
        """Alert id -> lead id and record."""

    @property
    def is_full(self) -> bool:
        """Whether older alerts may have been dropped."""
        return len(self._order) >= self._most

    def add_record(self, value: bytes) -> dict[str, Any] | None:
        """Add a record of handoff; returns None for a duplicate, or a record that is not an alert."""
        found = alert_of(value)
        if found is None or found["id"] in self._kept:
            return None
        place = (parse_ms(found["at"]) or 0, found["id"])
        insort(self._order, place)
        self._kept[found["id"]] = found["lead_id"], value
        if len(self._order) > self._most:
            del self._kept[self._order.pop(0)[1]]
        return found

    def list_before(self, place: Place | None, lead_ids: set[str] | None = None) -> Iterator[tuple[Place, str, bytes]]:
        """Alerts before a place, newest first: (place, lead id, record); ``lead_ids`` filters them."""
        at = len(self._order) if place is None else bisect_left(self._order, place)
        for place_ in reversed(self._order[:at]):
            lead_id, value = self._kept[place_[1]]
            if lead_ids is None or lead_id in lead_ids:
                yield place_, lead_id, value


def alert_of(value: bytes | None) -> dict[str, Any] | None:
    """An alert in the form of the board, from a record of handoff; None if it is not an alert."""
    try:
        event = orjson.loads(value or b"")
        data = event["data"]
        if "account" in data:
            return None  # it is about a company: the page of alerts is about leads
        return {
            "id": str(event["id"]),
            "at": str(event["time"]),
            "lead_id": str(event["subject"]),
            "scorecard": data["scorecard"]["name"],
            "stage": data["stage"]["name"],
            "stage_label": data["stage"].get("label", data["stage"]["name"]),
            "kind": data["stage"]["kind"],
            "episode": data["stage"]["episode"],
            **{name: data[name] for name in _SAME if name in data},
            "version": data["scorecard"]["version"],
        }
    except (ValueError, KeyError, TypeError):
        return None
