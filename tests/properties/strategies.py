"""Random scorecards, built as plain values, and random histories of one lead.

Numbers are round and instants coarse on purpose: bounds are met exactly, times and scores are equal often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.event import LeadEvent
from streams.scoring.rules import Rules
from streams.scoring.scorecard import (
    EVERYTHING,
    Category,
    FitLine,
    Limit,
    Model,
    Period,
    Points,
    Scorecard,
    Signal,
    Stage,
    Test,
)

MINUTE_MS = 60_000
START_MS = 1_767_657_600_000
"""2026-01-06T00:00:00Z, a Tuesday: the bounds of hours, days and weeks are near."""
EVENTS = ("page", "Asked", "Bought", "Called")
PERIODS: tuple[Period, ...] = ("hour", "day", "week", "ever")
TITLES = ("CTO", "Intern", "Cook")
HALF_LIVES_MS = (math.inf, 20.0 * MINUTE_MS, float(HOUR_MS), 6.0 * HOUR_MS, float(DAY_MS), 14.0 * DAY_MS)

limits = st.none() | st.builds(Limit, st.integers(1, 3), st.sampled_from(PERIODS))
wheres = st.just(EVERYTHING) | st.builds(
    Test, st.just("properties.kind"), st.sampled_from(("equals", "not")), st.sampled_from(("x", "y"))
)


@st.composite
def signals(draw: st.DrawFn, half_lives_ms: tuple[float, ...] = HALF_LIVES_MS) -> tuple[Signal, ...]:
    """One to five signals, of every way to count."""
    return tuple(
        Signal(
            f"s{i}",
            tuple(draw(st.lists(st.sampled_from(EVENTS), min_size=1, max_size=3, unique=True))),
            draw(wheres),
            draw(st.sampled_from(half_lives_ms)),
            draw(limits),
            draw(st.sampled_from((None, None, "properties.value"))),
            draw(st.sampled_from((None, None, "properties.amount"))),
        )
        for i in range(draw(st.integers(1, 5)))
    )


points = st.builds(
    Points,
    st.sampled_from((1.0, 10.0, 5.0, 20.0, 40.0, 0.5, 2.3, -10.0, -3.0, -25.5)),
    st.sampled_from((math.inf, math.inf, 15.0, 4.5)),
)
fits = st.lists(
    st.sampled_from(
        (
            FitLine("title", Test("title", "equals", "CTO"), 20.0),
            FitLine("title", Test("title", "equals", "Intern"), -15.5),
            FitLine("employees", Test("employees", "gte", 200), 12.25),
        )
    ),
    unique=True,
    max_size=3,
)


@st.composite
def stages(draw: st.DrawFn, names: list[str]) -> tuple[Stage, ...]:
    """Up to three latches."""
    found = []
    for i in range(draw(st.integers(0, 3))):
        enter = draw(st.sampled_from((10.0, 5.0, 20.0, 30.0, 12.5, 60.0)))
        found.append(
            Stage(
                f"stage{i}",
                enter,
                draw(st.sampled_from((0.5, 0.9, 0.2))) * enter,
                draw(st.sampled_from((None, None, 10.0))),
                draw(st.sampled_from((None, None, 5.0))),
                tuple(draw(st.lists(st.sampled_from(names), max_size=1))) if draw(st.booleans()) else (),
                draw(st.sampled_from((0, HOUR_MS, 7 * DAY_MS))),
                draw(st.booleans()),
            )
        )
    return tuple(found)


@st.composite
def scorecards(draw: st.DrawFn, name: str, known: tuple[Signal, ...]) -> Scorecard:
    """What some of the signals are worth."""
    names = [signal.name for signal in known]
    valued = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    cut = draw(st.integers(0, len(valued)))
    top, floor = draw(st.sampled_from(((math.inf, -math.inf), (30.0, -10.0), (7.5, -40.0))))
    low, high = draw(st.sampled_from(((0.0, 100.0), (0.0, 100.0), (0.0, 1000.0), (-50.0, 60.0))))
    return Scorecard(
        name,
        {signal: draw(points) for signal in valued},
        categories=(Category("first", tuple(valued[:cut]), floor, top),) if cut else (),
        fit=tuple(draw(fits)),
        fit_max=draw(st.sampled_from((math.inf, 25.0))),
        minimum=low,
        maximum=high,
        grades=(("A", 60.0), ("B", 20.0), ("C", 0.0)),
        stages=draw(stages(names)),
    )


@st.composite
def models(draw: st.DrawFn, half_lives_ms: tuple[float, ...] = HALF_LIVES_MS) -> Model:
    """One or two scorecards over the same signals."""
    known = draw(signals(half_lives_ms))
    return Model(known, tuple(draw(scorecards(f"card{i}", known)) for i in range(draw(st.integers(1, 2)))))


@dataclass(frozen=True)
class Fact:
    """Something that happened, before anybody heard of it."""

    name: str
    message_id: str
    at: int
    properties: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] | None = None
    touch: tuple[str, str, str] | None = None

    def event(self, rules: Rules, arrival: int, lead_id: str = "u") -> LeadEvent:
        """As the codec would hand it on."""
        values = tuple(self.properties.get(path) for path in rules.paths)
        traits = dict(self.traits) if self.traits else None
        return LeadEvent(lead_id, self.name, values, self.message_id, self.at, arrival, traits, self.touch)


properties = st.fixed_dictionaries(
    {},
    optional={
        "properties.kind": st.sampled_from(("x", "y")),
        "properties.value": st.sampled_from(("v1", "v2", "v3", 4, True, 1)),
        "properties.amount": st.sampled_from((1, 2.5, 0, 40, -3, "7", "much", 1000)),
    },
)
traits = st.none() | st.fixed_dictionaries(
    {}, optional={"title": st.sampled_from(TITLES), "employees": st.sampled_from((5, 200, 900))}
)
touches = st.none() | st.sampled_from((("google", "cpc", "spring"), ("news", "", "")))


def instants(span_ms: int) -> st.SearchStrategy[int]:
    """Instants after START_MS: whole hours and the odd ms around them."""
    hours = st.integers(0, span_ms // HOUR_MS).map(lambda h: h * HOUR_MS)
    return st.one_of(
        hours,
        st.builds(lambda h, off: min(max(h + off, 0), span_ms), hours, st.integers(-1, 1)),
        st.integers(0, span_ms),
    ).map(lambda after: START_MS + after)


@st.composite
def facts(draw: st.DrawFn, span_ms: int = 3 * DAY_MS, most: int = 14) -> list[Fact]:
    """What a lead did, in order of time; equal times are likely."""
    times = sorted(draw(st.lists(instants(span_ms), min_size=1, max_size=most)))
    return [
        Fact(
            draw(st.sampled_from(EVENTS)),
            f"m{draw(st.integers(0, 9))}-{i}",
            at,
            draw(properties),
            draw(traits),
            draw(touches),
        )
        for i, at in enumerate(times)
    ]


delays = st.one_of(st.just(0), st.sampled_from((1, HOUR_MS, DAY_MS, 3 * DAY_MS)), st.integers(0, 3 * DAY_MS))
"""How long an event may be under way: no longer than the allowed lateness."""


@st.composite
def arrivals(draw: st.DrawFn, known: list[Fact]) -> list[tuple[Fact, int]]:
    """The facts with an instant of arrival each, in that order."""
    late = [(fact, fact.at + draw(delays)) for fact in known]
    if draw(st.booleans()):
        late = draw(st.permutations(late))
    return sorted(late, key=lambda pair: pair[1])
