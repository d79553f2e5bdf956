"""Generates traffic for any scorecard file: visitors who do what its signals count. Pure: a seed gives the same events.

Signals with many points are rarer, except for a few keen visitors. Values of properties and traits are tried until
conditions hold; a signal whose conditions no tried value meets is left out.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, Final

from app.demo.generator import COMPANIES, FIRST, LAST, SITE
from streams.scoring.conditions import compile_condition, paths
from streams.scoring.scorecard import CALL_TYPES, Condition, Group, Model, Signal, Test
from streams.shard.alert import rfc3339

TRIES: Final = 200
"""Attempts to meet the conditions of a signal."""
KEEN: Final = 0.15
"""The share of visitors who do more, and the rarer things."""
RELUCTANT: Final = 0.2
"""How often visitors do what takes points away, compared with what gives as many."""
MISSING: Final = 0.3
"""The share of traits that are not known."""


class CardTraffic:
    """Events of visitors that match the signals of a scorecard file."""

    def __init__(self, model: Model, seed: int, leads: int) -> None:
        """Prepare the visitors."""
        self._random = random.Random(seed)
        self._signals = [signal for signal in model.signals if self._properties(signal) is not None]
        self._traits = trait_candidates(model)
        worth = [_worth(model, signal) for signal in self._signals]
        self._weights = [
            list(accumulate((1.0 + abs(points)) ** -power * (RELUCTANT if points < 0 else 1.0) for points in worth))
            for power in (1.0, 0.4)
        ]
        self._keen = [self._random.random() < KEEN for _ in range(leads)]
        self._activity = list(accumulate(self._random.paretovariate(2.0) * (1 + 3 * keen) for keen in self._keen))
        self._known: set[int] = set()

    def events(self, count: int, first_ms: int, last_ms: int) -> Iterator[tuple[bytes, int]]:
        """Events as JSON with their times, evenly from ``first_ms`` to ``last_ms``."""
        for number in range(count):
            at_ms = first_ms + number * (last_ms - first_ms) // count
            lead = self._random.choices(range(len(self._keen)), cum_weights=self._activity)[0]
            call = self._next_call(lead)
            call |= {"messageId": f"m-{number}", "userId": f"lead-{lead}", "timestamp": rfc3339(at_ms)}
            yield json.dumps(call).encode(), at_ms

    def _next_call(self, lead: int) -> dict[str, Any]:
        if lead not in self._known:
            self._known.add(lead)
            return {"type": "identify", "traits": self._new_traits(lead)}
        if not self._signals:
            return {"type": "page", "properties": {"path": "/", "url": SITE}}
        weights = self._weights[self._keen[lead]]
        signal = self._random.choices(self._signals, cum_weights=weights)[0]
        name = self._random.choice(signal.events)
        call = {"type": name} if name in CALL_TYPES else {"type": "track", "event": name}
        return call | (self._properties(signal) or {})

    def _properties(self, signal: Signal) -> dict[str, Any] | None:
        """Properties that meet the conditions of a signal; None if none are found."""
        candidates = condition_candidates(signal.where, self._random)
        if signal.distinct:
            found = candidates.setdefault(signal.distinct, [f"value-{self._random.randrange(20)}"])
            more = (condition_candidates(signal.where, self._random) for _ in range(signal.at_least))
            found += dict.fromkeys(value for each in more for value in each.get(signal.distinct, ()))
        if signal.amount:
            candidates[signal.amount] = [self._random.randrange(1, 6)]
        names = sorted(paths(signal.where))
        holds = compile_condition(signal.where, {name: i for i, name in enumerate(names)})
        for _ in range(TRIES):
            values = {path: self._random.choice(choices) for path, choices in candidates.items()}
            if holds([values.get(name) for name in names]):
                return _with_address(_nest(values))
        return None

    def _new_traits(self, lead: int) -> dict[str, Any]:
        first, last = self._random.choice(FIRST), self._random.choice(LAST)
        company = self._random.choice(COMPANIES)
        known = {"name": f"{first} {last}", "company": company}
        known["email"] = f"{first}.{last}.{lead}@{company}.example".lower()
        for trait, values in self._traits.items():
            if self._random.random() >= MISSING:
                known[trait] = _typical(trait, self._random.choice(values), known)
        return _nest(known)


def _worth(model: Model, signal: Signal) -> float:
    """The points of one event of a signal on the scorecard on which it has most."""
    worth = [card.points[signal.name].points for card in model.scorecards if signal.name in card.points]
    return max(worth, key=abs, default=0.0) / max(signal.at_least, 1)


def trait_candidates(model: Model) -> dict[str, list[Any]]:
    """Values of each trait that a scorecard reads."""
    found: dict[str, list[Any]] = {}
    for card in model.scorecards:
        for condition in (card.applies_to, *(line.when for line in card.fit)):
            for trait, values in condition_candidates(condition, random.Random(0)).items():
                found.setdefault(trait, []).extend(value for value in values if value is not None)
        for line in card.fit:
            if line.times is not None:
                found.setdefault(line.trait, []).extend(range(0, 101, 10))
    return found


def condition_candidates(condition: Condition, pick: random.Random) -> dict[str, list[Any]]:
    """Values of each path in a condition, some of which meet it; None is a missing value."""
    found: dict[str, list[Any]] = {}
    for test in _tests(condition):
        found.setdefault(test.path, [None, "other"]).extend(_examples(test, pick))
    return found


def _tests(condition: Condition) -> Iterator[Test]:
    if isinstance(condition, Group):
        for member in condition.members:
            yield from _tests(member)
    else:
        yield condition


def _examples(test: Test, pick: random.Random) -> Iterator[Any]:
    """Values that meet one test."""
    for operand in test.operand if isinstance(test.operand, list | tuple) else [test.operand]:
        if isinstance(operand, bool) or not isinstance(operand, int | float | str):
            yield operand if test.operator != "exists" else "some"
        elif isinstance(operand, str):
            yield from _texts(test.operator, operand, pick)
        else:
            yield from (operand, operand + 1, operand - 1, round(operand * 1.5), round(operand / 2))


def _texts(operator: str, operand: str, pick: random.Random) -> Iterator[str]:
    if operator == "prefix":
        yield from (operand, f"{operand.rstrip('/')}/{pick.randrange(20)}")
    elif operator == "suffix":
        yield f"someone{operand}" if "@" in operand else f"someone@acme{operand}"
    elif operator == "glob":
        yield re.sub(r"\*+|\?", "x", operand)
    elif operator == "matches":
        yield from {_text_like(operand, pick) for _ in range(5)}
    else:
        yield operand


def _text_like(pattern: str, pick: random.Random) -> str:
    """A text that a simple regular expression may match."""
    text = re.sub(r"(?<!\\)\.[*+]", " ", pattern)
    text = re.sub(r"\(\?[a-z]+\)|\\[bBAz]|[\^$](?![^\[]*\])", "", text)
    while group := re.search(r"\((?:\?:)?([^()]*)\)", text):
        text = text[: group.start()] + pick.choice(group[1].split("|")) + text[group.end() :]
    text = pick.choice(text.split("|"))
    for found, sample in (
        (r"\\d", "1"),
        (r"\\w", "a"),
        (r"\\s", " "),
        (r"(?<!\\)\.", "x"),
        (r"\[\^?(.)[^\]]*\]", r"\1"),
    ):
        text = re.sub(found, sample, text)
    text = re.sub(r"(.)\{(\d{1,2})[^}]*\}", lambda m: m[1] * int(m[2]), text)
    return re.sub(r"(?<!\\)[+*?]", "", text).replace("\\", "")


def _typical(trait: str, value: Any, known: Mapping[str, Any]) -> Any:
    """A whole address for a part of one."""
    if trait == "email" and "@" not in str(value):
        return known["email"]
    return value


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted path as an object, without missing ones."""
    nested: dict[str, Any] = {}
    for path, value in values.items():
        *above, name = path.split(".")
        inner = nested
        for key in above:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        if value is not None:
            inner[name] = value
    return nested


def _with_address(call: dict[str, Any]) -> dict[str, Any]:
    """A call whose page has a URL if it has a path."""
    properties = call.get("properties", {})
    if isinstance(properties.get("path"), str):
        properties.setdefault("url", SITE + properties["path"])
    return call
