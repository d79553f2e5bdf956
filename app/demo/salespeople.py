"""Two simulated salespeople who work on the demo's alerts. Pure: the same alerts get the same verdicts.

They contact most leads within a day, turn down whom they cannot sell to, and win some of the rest after days.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from typing import Any, Final

import orjson

from app.demo.generator import CRM, HOUR_MS, Message
from app.demo.guest import GUEST
from streams.events.times import parse_ms
from streams.scoring.verdicts import (
    ACCEPTED,
    CONTACTED,
    LOST,
    OPPORTUNITY,
    OWNER,
    RECYCLED,
    REJECTED,
    WON,
    event_of,
)
from streams.shard.alert import rfc3339

PEOPLE: Final = ("ines@tidewater.example", "tom@tidewater.example")
AT_WORK: Final = frozenset({"accepted", "opportunity", "won"})
"""States of leads that somebody works on already."""
DAY_H: Final = 24.0
LIVE_HOUR_MS: Final = 1000.0
"""The hour of a live demo, in which deals are won after minutes."""
CURRENCY: Final = "EUR"
Step = tuple[float, int, Any]
"""Hours after the alert, a kind of verdict, and its detail."""


class SalesPeople:
    """Gives verdicts about leads that are handed over."""

    def __init__(self, seed: int, hour_ms: float = HOUR_MS) -> None:
        """``hour_ms`` is the length of their hour."""
        self._seed = seed
        self._hour_ms = hour_ms
        self._waiting: list[tuple[int, str, bytes]] = []
        """(ms since the epoch, lead id, event), a heap."""

    def take_alert(self, alert: Mapping[str, Any]) -> None:
        """Decide what becomes of a lead, unless somebody works on it already."""
        data, lead_id = alert["data"], alert["subject"]
        is_taken = data.get("sales", {}).get("state") in AT_WORK
        if data["stage"]["kind"] != "entered" or is_taken or lead_id == GUEST:
            return
        pick = random.Random(f"{self._seed} {alert['id']}")
        by, began_ms = pick.choice(PEOPLE), parse_ms(alert["time"]) or 0
        for number, (after_h, kind, detail) in enumerate(_plan(pick, data["lead"]["traits"], by)):
            at_ms = began_ms + int(after_h * self._hour_ms)
            event = _event(lead_id, f"sales-{alert['id']}-{number}", at_ms, by, kind, detail)
            heappush(self._waiting, (at_ms, lead_id, event))

    def take_due(self, now_ms: int) -> list[tuple[int, Message]]:
        """The verdicts that are given by now, each with its time."""
        due = []
        while self._waiting and self._waiting[0][0] <= now_ms:
            at_ms, lead_id, event = heappop(self._waiting)
            due.append((at_ms, Message(CRM, lead_id.encode(), event)))
        return due


def _plan(pick: random.Random, traits: Mapping[str, Any], owner: str) -> Iterator[Step]:
    """What happens to a lead, in the order of time."""
    yield 0.1, OWNER, owner
    if pick.random() < 0.08:
        return  # nobody calls
    after_h = min(pick.lognormvariate(1.2, 1.1), 4 * DAY_H)
    yield after_h, CONTACTED, None
    after_h += pick.uniform(1, DAY_H)
    reason = _why_not(pick, traits)
    if reason:
        yield after_h, REJECTED, reason
        if reason == "not now":
            yield after_h + pick.uniform(5, 9) * DAY_H, RECYCLED, None
        return
    yield after_h, ACCEPTED, None
    if pick.random() < 0.65:
        yield from _deal(pick, traits, after_h + pick.uniform(0.3, 2) * DAY_H)


def _deal(pick: random.Random, traits: Mapping[str, Any], after_h: float) -> Iterator[Step]:
    employees = traits.get("employees")
    size = employees if isinstance(employees, int) else 200
    amount = round(4000 + 9 * size * pick.uniform(0.5, 1.5), -2)
    yield after_h, OPPORTUNITY, amount
    after_h += pick.uniform(1, 8) * DAY_H
    if pick.random() < 0.5:
        yield after_h, WON, round(amount * pick.uniform(0.8, 1), -2)
    elif pick.random() < 0.6:
        yield after_h, LOST, "another product"


def _why_not(pick: random.Random, traits: Mapping[str, Any]) -> str:
    """Why a lead is turned down; empty if it is not."""
    employees, title = traits.get("employees"), str(traits.get("title", ""))
    chance = pick.random()
    if any(word in title for word in ("Consultant", "Editor", "Student", "Intern")):
        return "wrong person" if chance < 0.8 else ""
    if isinstance(employees, int) and employees < 300:
        return "too small" if chance < 0.5 else ""
    return (
        "no budget"
        if chance < 0.12
        else "not now"
        if chance < 0.26
        else "works for a competitor"
        if chance < 0.29
        else ""
    )


def _event(lead_id: str, message_id: str, at_ms: int, by: str, kind: int, detail: Any) -> bytes:
    name = {OWNER: "owner", REJECTED: "reason", LOST: "reason"}.get(kind, "amount")
    properties = {} if detail is None else {name: detail}
    if name == "amount" and properties:
        properties["currency"] = CURRENCY
    event = {
        "type": "track",
        "event": event_of(kind),
        "messageId": message_id,
        "userId" if lead_id.startswith("u-") else "anonymousId": lead_id,
        "timestamp": rfc3339(at_ms),
        "properties": properties,
        "context": {"by": by},
    }
    return orjson.dumps(event)
