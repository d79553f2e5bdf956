"""Keeps the latest alerts of handoff, without duplicates, ordered by time. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Final

import orjson

from streams.events.times import parse_ms
from streams.scoring.account_ids import account_id, is_account

MAX_ALERTS: Final = 5000
MAX_LEADS: Final = 5
"""Leads of an account that its alert names on the board."""
LEADS, ACCOUNTS, EVERYTHING = "leads", "accounts", "all"
"""What alerts are about."""
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
        """Alert id -> whom it is about, and record."""

    @property
    def is_full(self) -> bool:
        """Whether older alerts may have been dropped."""
        return len(self._order) >= self._most

    def add_record(self, value: bytes) -> dict[str, Any] | None:
        """Add a record of handoff; returns None for a duplicate, or a record that is not an alert."""
        found = any_alert_of(value)
        if found is None or found["id"] in self._kept:
            return None
        place = (parse_ms(found["at"]) or 0, found["id"])
        insort(self._order, place)
        self._kept[found["id"]] = about_whom(found), value
        if len(self._order) > self._most:
            del self._kept[self._order.pop(0)[1]]
        return found

    def list_before(
        self, place: Place | None, whom: set[str] | None = None, about: str = EVERYTHING
    ) -> Iterator[tuple[Place, str, bytes]]:
        """Alerts before a place, newest first: (place, whom, record); ``whom`` and ``about`` filter them."""
        at = len(self._order) if place is None else bisect_left(self._order, place)
        for place_ in reversed(self._order[:at]):
            of, value = self._kept[place_[1]]
            if (whom is None or of in whom) and about in (EVERYTHING, ACCOUNTS if is_account(of) else LEADS):
                yield place_, of, value


def about_whom(alert: dict[str, Any]) -> str:
    """Whom an alert is about: the id of a lead, or that under which an account is stored."""
    return account_id(alert["scorecard"], alert["account"]) if "account" in alert else str(alert["lead_id"])


def any_alert_of(value: bytes | None) -> dict[str, Any] | None:
    """An alert in the form of the board, from a record of handoff; None if it is not an alert.

    It has either a ``lead_id`` or an ``account``.
    """
    try:
        event = orjson.loads(value or b"")
        data = event["data"]
        about = _about_account(data) if "account" in data else {"lead_id": str(event["subject"])}
        return {
            "id": str(event["id"]),
            "at": str(event["time"]),
            **about,
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


def _about_account(data: dict[str, Any]) -> dict[str, Any]:
    account = data["account"]
    return {
        "account": str(account["value"]),
        "key": str(account["key"]),
        "members": int(account["leads"]),
        "leads": [{"lead_id": str(each["lead_id"]), "score": each["score"]} for each in data["leads"][:MAX_LEADS]],
    }


def alert_of(value: bytes | None) -> dict[str, Any] | None:
    """An alert about a lead in the form of the board, from a record of handoff; None for any other record."""
    found = any_alert_of(value)
    return None if found is None or "account" in found else found
