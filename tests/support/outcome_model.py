"""Generates events of leads with outcomes from a documented model, for tests of what is learned from them.

Each lead has events over 20 weeks and one outcome at the end of its own weeks. With ``amount`` as the decayed count of
a signal at that instant and ``holds`` as 1 if a fit line holds, a lead is won with the chance
``1 / (1 + exp(-(INTERCEPT + sum(weight * amount) + sum(weight * holds))))``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import exp
from random import Random
from typing import Any, Final, NamedTuple

from streams.shard.alert import rfc3339
from streams.units import DAY_MS

MONDAY_MS: Final = 1_767_571_200_000
"""2026-01-05T00:00:00Z."""
WEEKS: Final = 20
INTERCEPT: Final = -2.2


class Kind(NamedTuple):
    """A kind of event: its signal and half-life in days, its share of all events, and its true weight."""

    event: str
    half_life_days: float
    share: float
    weight: float


SIGNALS: Final = {
    "demo": Kind("Demo Requested", 30, 0.05, 1.5),
    "download": Kind("Download", 14, 0.15, 0.8),
    "visit": Kind("Pricing Viewed", 7, 0.30, 0.4),
    "opened": Kind("Email Opened", 7, 0.35, 0.0),
    "jobs": Kind("Jobs Viewed", 30, 0.10, -0.7),
    "unsubscribed": Kind("Unsubscribed", 90, 0.05, -1.4),
}
FIT: Final = {"title": ("director", 0.3, 1.0), "size": ("large", 0.4, 0.5), "study": ("student", 0.1, -1.2)}
"""Trait -> (value, share of leads with it, true weight)."""
CARD: Final = """
leadglow: 1
signals:
{signals}
scorecards:
  main:
    # every line has the same points: nothing is known yet
    points: {{{points}}}
    fit:
{fit}
    range: [-200, 300]
    stages:
      - {{name: qualified, enter: 20, leave: 10, handoff: true}}
"""


def card_text() -> str:
    """A scorecard file that gives every line 5 points."""
    return CARD.format(
        signals="\n".join(
            f"  {name}: {{event: {kind.event}, half_life: {kind.half_life_days}d}}" for name, kind in SIGNALS.items()
        ),
        points=", ".join(f"{name}: 5" for name in SIGNALS),
        fit="\n".join(f"      - {{trait: {trait}, when: {value}, points: 5}}" for trait, (value, _, _) in FIT.items()),
    )


def generate_events(leads: int, events: int, seed: int = 1) -> Iterator[bytes]:
    """JSON lines in the order of arrival: an identify call, events and an outcome of each lead."""
    random = Random(seed)
    found: list[tuple[int, bytes]] = []
    each = max(events // leads - 2, 1)
    for number in range(leads):
        found.extend(_Life(f"lead-{number}", each, random).lines())
    found.sort()
    return (line for _, line in found)


def generate_rows(leads: int, each: int, seed: int = 1) -> tuple[list[list[float]], list[bool]]:
    """What each lead has at its outcome: amounts by signal, then 1 for each fit line that holds; and whether it won."""
    random, rows, won = Random(seed), list[list[float]](), list[bool]()
    for number in range(leads):
        life = _Life(f"lead-{number}", each, random)
        rows.append([*life.amounts.values(), *(float(trait in life.traits) for trait in FIT)])
        won.append(life.is_won)
    return rows, won


class _Life:
    """The events of one lead and its outcome."""

    def __init__(self, lead: str, count: int, random: Random) -> None:
        """Draw them."""
        self.lead = lead
        self.begin = MONDAY_MS + random.randrange((WEEKS - 5) * 7 * DAY_MS)
        self.end = self.begin + 28 * DAY_MS
        self.traits = {trait: value for trait, (value, share, _) in FIT.items() if random.random() < share}
        names, shares = list(SIGNALS), [kind.share for kind in SIGNALS.values()]
        drawn = random.choices(names, shares, k=count)
        self.events = [(random.randrange(self.begin + 1, self.end), name) for name in drawn]
        self.amounts = dict.fromkeys(names, 0.0)
        for at, name in self.events:
            self.amounts[name] += 2 ** (-(self.end - at) / (SIGNALS[name].half_life_days * DAY_MS))
        logit = INTERCEPT + sum(FIT[trait][2] for trait in self.traits)
        logit += sum(SIGNALS[name].weight * amount for name, amount in self.amounts.items())
        self.is_won = random.random() < 1 / (1 + exp(-logit))

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(arrival, JSON line) of each event, in any order."""
        yield self._line(self.begin, {"type": "identify", "traits": self.traits}, -1)
        for i, (at, name) in enumerate(self.events):
            yield self._line(at, {"type": "track", "event": SIGNALS[name].event}, i)
        outcome = "Opportunity Won" if self.is_won else "Opportunity Lost"
        yield self._line(self.end, {"type": "track", "event": outcome}, len(self.events))

    def _line(self, at: int, call: dict[str, Any], number: int) -> tuple[int, bytes]:
        whole = call | {"userId": self.lead, "messageId": f"{self.lead}-{number}", "timestamp": rfc3339(at)}
        return at, json.dumps(whole).encode() + b"\n"
