"""Generate random scorecards and random histories of one lead.

Hypothesis chooses only the seed of a random generator. That gives ten times as many cases a second as drawing every
value, but shrinks less well. Numbers are round and instants coarse on purpose, so that scores often meet bounds
exactly, and times and scores are often equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hypothesis import strategies as st

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.event import LeadEvent
from streams.scoring.rules import Rules
from streams.scoring.scorecard import (
    EVERYTHING,
    Block,
    Category,
    Condition,
    FitLine,
    Group,
    Limit,
    Model,
    Period,
    Points,
    SalesTerms,
    Scorecard,
    Signal,
    Stage,
    Test,
)
from streams.scoring.verdicts import KINDS, OPPORTUNITY, WON, SalesCall, event_of
from tests.properties.driver import Cut

MINUTE_MS = 60_000
START_MS = 1_767_657_600_000
"""2026-01-06T00:00:00Z, a Tuesday, close to the bounds of hours, days and weeks."""
EVENTS = ("page", "Asked", "Bought", "Called")
PERIODS: tuple[Period, ...] = ("hour", "day", "week", "month", "quarter", "ever")
HALF_LIVES_MS = (math.inf, 20.0 * MINUTE_MS, float(HOUR_MS), 6.0 * HOUR_MS, float(DAY_MS), 14.0 * DAY_MS)
WORTHS = (1.0, 10.0, 5.0, 20.0, 40.0, 0.5, 2.3, -10.0, -3.0, -25.5)
SPANS_MS = (HOUR_MS, DAY_MS, 3 * DAY_MS, 20 * DAY_MS, 100 * DAY_MS)
CUTS: tuple[Cut, ...] = ("", "", "step", "show", "reload")
FIT_LINES = (
    FitLine("title", Test("title", "equals", "CTO"), 20.0),
    FitLine("title", Test("title", "equals", "Intern"), -15.5),
    FitLine("employees", Test("employees", "gte", 200), 12.25),
    FitLine("", Group("all", (Test("title", "equals", "CTO"), Test("employees", "gte", 200))), 7.0, "large", "Large"),
    FitLine("employees", EVERYTHING, 0.0, times=0.05, maximum=20.0),
    FitLine("employees", EVERYTHING, 0.0, times=-0.1, minimum=-10.0, maximum=5.0),
)
APPLIES_TO = (EVERYTHING, EVERYTHING, Test("title", "equals", "CTO"), Test("employees", "gte", 200))

chances = st.integers(0, 2**32 - 1).map(Random)
"""Seeded random generators, one for each case."""


def some(chance: Random, things: Sequence[Any], least: int = 0, most: int = 99) -> list[Any]:
    """A few of these, in any order."""
    return chance.sample(things, chance.randint(min(least, len(things)), min(most, len(things))))


def a_signal(chance: Random, name: str) -> Signal:
    """A signal with any way of counting."""
    where: Condition = EVERYTHING
    if chance.random() < 0.2:
        where = Test("properties.kind", chance.choice(("equals", "not")), "x")
    limit = Limit(chance.randint(1, 3), chance.choice(PERIODS)) if chance.random() < 0.4 else None
    return Signal(
        name,
        tuple(some(chance, EVENTS, 1, 3)),
        where,
        chance.choice(HALF_LIVES_MS),
        limit,
        "properties.value" if chance.random() < 0.25 else None,
        "properties.amount" if chance.random() < 0.25 else None,
    )


def a_stage(chance: Random, name: str, signals: Sequence[str]) -> Stage:
    """A random stage."""
    enter = chance.choice((10.0, 5.0, 20.0, 30.0, 12.5, 60.0))
    return Stage(
        name,
        enter,
        chance.choice((0.5, 0.9, 0.2)) * enter,
        chance.choice((None, None, None, 10.0)),
        chance.choice((None, None, 5.0)),
        tuple(some(chance, signals, 1, 1)) if chance.random() < 0.2 else (),
        chance.choice((0, HOUR_MS, 7 * DAY_MS)),
        chance.random() < 0.6,
        chance.choice((None, None, None, 5.0, 12.0)),
        chance.choice((None, None, None, 4.0, 10.0)),
    )


def a_scorecard(chance: Random, name: str, signals: Sequence[str]) -> Scorecard:
    """A random scorecard over some of the signals."""
    valued = some(chance, signals, 1)
    grouped = valued[: chance.randint(0, len(valued))]
    floor, top = chance.choice(((-math.inf, math.inf), (-10.0, 30.0), (-40.0, 7.5)))
    low, high = chance.choice(((0.0, 100.0), (0.0, 100.0), (0.0, 1000.0), (-50.0, 60.0)))
    return Scorecard(
        name,
        {signal: Points(chance.choice(WORTHS), chance.choice((math.inf, math.inf, 15.0, 4.5))) for signal in valued},
        categories=(Category("first", tuple(grouped), floor, top),) if grouped else (),
        fit=tuple(some(chance, FIT_LINES)),
        fit_max=chance.choice((math.inf, 25.0)),
        minimum=low,
        maximum=high,
        grades=(("A", 60.0), ("B", 20.0), ("C", 0.0)),
        stages=tuple(a_stage(chance, f"stage{i}", signals) for i in range(chance.randint(0, 3))),
        engagement_grades=(("1", 20.0), ("2", 5.0)) if chance.random() < 0.2 else (),
        applies_to=chance.choice(APPLIES_TO),
        shadow=chance.random() < 0.1,
        sales=some_terms(Random(repr(valued))),
    )


def some_terms(chance: Random) -> SalesTerms | None:
    """Terms of sales, or none."""
    return SalesTerms((), chance.choice((0, HOUR_MS, DAY_MS))) if chance.random() < 0.2 else None


def a_model(chance: Random) -> Model:
    """One or two scorecards over one to five signals."""
    signals = tuple(a_signal(chance, f"s{i}") for i in range(chance.randint(1, 5)))
    names = [signal.name for signal in signals]
    cards = tuple(a_scorecard(chance, f"card{i}", names) for i in range(chance.randint(1, 2)))
    return with_steps(chance, Model(signals, cards)) if chance.random() < 0.4 else Model(signals, cards)


def with_steps(chance: Random, model: Model) -> Model:
    """The same model, with amounts and blocks that change at once."""
    signals = [_with_window(chance, signal) if chance.random() < 0.6 else signal for signal in model.signals]
    lasting = [s.name for s in signals if s.window_ms or math.isinf(s.half_life_ms)]
    signals = [s if s.name in lasting else _with_states(chance, s, lasting) for s in signals]
    return Model(tuple(signals), tuple(_card_with_steps(chance, card, signals, lasting) for card in model.scorecards))


def _with_window(chance: Random, signal: Signal) -> Signal:
    window_ms = chance.choice((1, 20 * MINUTE_MS, HOUR_MS, DAY_MS, 7 * DAY_MS))
    at_least = chance.choice((0, 0, 1, 2, 3))
    return replace(signal, half_life_ms=math.inf, amount=None, window_ms=window_ms, at_least=at_least)


def _with_states(chance: Random, signal: Signal, guards: Sequence[str]) -> Signal:
    chosen = some(chance, guards, 0, 2) if chance.random() < 0.7 else []
    return replace(signal, while_half_lives=tuple((guard, chance.choice(HALF_LIVES_MS)) for guard in chosen))


def _card_with_steps(chance: Random, card: Scorecard, signals: Sequence[Signal], lasting: Sequence[str]) -> Scorecard:
    absent = {name for name in card.points if name in lasting and chance.random() < 0.4}
    points = {
        name: replace(worth, absent=chance.choice((-15.0, -2.5, 6.0, 30.0))) if name in absent else worth
        for name, worth in card.points.items()
    }
    return replace(
        card, points=points, stages=tuple(_stage_with_steps(chance, stage, signals) for stage in card.stages)
    )


def _stage_with_steps(chance: Random, stage: Stage, signals: Sequence[Signal]) -> Stage:
    names = [signal.name for signal in signals]
    needed = tuple(some(chance, names, 1, 2)) if chance.random() < 0.25 else ()
    blocks: list[Block] = []
    if chance.random() < 0.3:
        blocks.append(Block(chance.choice(names), for_ms=chance.choice((1, HOUR_MS, DAY_MS))))
    if chance.random() < 0.3:
        blocks.append(Block(chance.choice(names), chance.choice(names)))
    return replace(stage, needs_signals=needed, blocks=tuple(blocks))


@dataclass(frozen=True)
class Fact:
    """Something that a lead did, independent of when it arrives."""

    name: str
    message_id: str
    at: int
    properties: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] | None = None
    touch: tuple[str, str, str] | None = None
    verdict: SalesCall | None = None

    def event(self, rules: Rules, arrival: int, lead_id: str = "u") -> LeadEvent:
        """The event that the codec would make of it."""
        values = tuple(self.properties.get(path) for path in rules.paths)
        traits = dict(self.traits) if self.traits else None
        return LeadEvent(
            lead_id, self.name, values, self.message_id, self.at, arrival, traits, self.touch, verdict=self.verdict
        )


Inputs = list[tuple[Fact, int]]
"""Facts, each with the instant of its arrival, in that order."""


def an_instant(chance: Random, span_ms: int) -> int:
    """An instant within the span: a whole hour, the ms before or after one, or any."""
    hour_ms = chance.randint(0, min(span_ms // HOUR_MS, 30)) * HOUR_MS
    off_ms = chance.choice((0, 0, 0, -1, 1))
    after_ms = chance.randint(0, span_ms) if chance.random() < 0.4 else hour_ms + off_ms
    return START_MS + min(max(after_ms, 0), span_ms)


def _some_of(chance: Random, choices: dict[str, tuple[Any, ...]], share: float) -> dict[str, Any]:
    return {name: chance.choice(values) for name, values in choices.items() if chance.random() < share}


def some_facts(chance: Random, span_ms: int | None = None, most: int = 14) -> list[Fact]:
    """Facts of a lead in order of time; equal times are likely."""
    span_ms = span_ms or chance.choice(SPANS_MS)
    times = sorted(an_instant(chance, span_ms) for _ in range(chance.randint(1, most)))
    properties = {
        "properties.kind": ("x", "y"),
        "properties.value": ("v1", "v2", "v3", 4, 4.0, "4", True, 1),
        "properties.amount": (1, 2.5, 0, 40, -3, "7", " 7.0 ", "1e3", "much", 1000),
    }
    traits = {"title": ("CTO", "Intern", "Cook", ["Cook", "CTO"], None), "employees": (5, 200, 900, "450", None)}
    touches = (None, None, ("google", "cpc", "spring"), ("news", "", ""))
    return [
        Fact(
            chance.choice(EVENTS),
            f"m{chance.randint(0, 9)}-{i}",
            at,
            _some_of(chance, properties, 0.7),
            _some_of(chance, traits, 0.2) or None,
            chance.choice(touches),
        )
        for i, at in enumerate(times)
    ]


def with_verdicts(chance: Random, facts: Sequence[Fact], share: float = 0.5) -> list[Fact]:
    """The same facts, some with verdicts of sales."""
    return [_with_verdict(chance, fact) if chance.random() < share else fact for fact in facts]


def _with_verdict(chance: Random, fact: Fact) -> Fact:
    verdict = a_verdict(chance)
    return replace(fact, name=chance.choice((fact.name, event_of(verdict.kind))), verdict=verdict)


def a_verdict(chance: Random) -> SalesCall:
    """A random verdict of sales."""
    kind = chance.choice([*KINDS])
    detail = chance.choice(("", "no budget", 1200, 99.5)) if kind in (OPPORTUNITY, WON) else chance.choice(("", "ana"))
    return SalesCall(kind, detail, chance.choice(("", "ana", "ben")))


def some_arrivals(chance: Random, facts: Sequence[Fact]) -> Inputs:
    """The facts as they arrive: none later than the allowed lateness, equal arrivals in any order."""
    most_ms = chance.choice((0, 1, HOUR_MS, 3 * DAY_MS))
    late = [(fact, fact.at + chance.choice((0, most_ms, chance.randint(0, most_ms)))) for fact in facts]
    chance.shuffle(late)
    return sorted(late, key=lambda pair: pair[1])


def some_inputs(chance: Random, span_ms: int | None = None, most: int = 14) -> Inputs:
    """A history as it arrives."""
    return some_arrivals(chance, some_facts(chance, span_ms, most))


def events_of(rules: Rules, inputs: Inputs) -> list[LeadEvent]:
    """The events of one lead."""
    return [fact.event(rules, arrival) for fact, arrival in inputs]


def some_cuts(chance: Random, count: int) -> list[Cut]:
    """Where steps end."""
    return chance.choices(CUTS, k=count)


def some_ticks(chance: Random, until_ms: int) -> list[tuple[int, Cut]]:
    """Instants at which the timer runs."""
    return [(chance.randint(START_MS, until_ms), chance.choice(CUTS)) for _ in range(chance.randint(0, 6))]
