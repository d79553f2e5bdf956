"""Build leads whose score stays at a bound, or close to it, while its parts decay."""

from __future__ import annotations

import math
from random import Random

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.event import LeadEvent
from streams.scoring.lead import Latch, Lead
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Category, FitLine, Model, Points, Scorecard, Signal, Stage, Test
from tests.properties.strategies import START_MS, Fact

WORTHS = (
    (1.0, -1.0),
    (2.0, -1.0, -1.0),
    (0.1, 0.2, -0.3),
    (10.0, -3.0, -7.0),
    (5.0, -5.0),
    (33.0, -31.0),
    (0.7, -0.7, 1.1),
)
HALF_LIVES_MS = (
    (14.0 * DAY_MS,),
    (14.0 * DAY_MS, 15.0 * DAY_MS),
    (14.0 * DAY_MS, 14.000001 * DAY_MS),
    (1000.0, HOUR_MS, 90.0 * DAY_MS, math.inf),
    (3650.0 * DAY_MS, DAY_MS, math.inf),
)
AMOUNTS = (1.0, 1.0, 1.0, 2.0, 0.37, 1e-9, 4e-10, 1e-12, 1e6)


def a_hovering_lead(chance: Random) -> tuple[Rules, Lead]:
    """A lead whose parts cancel, or whose score is at a bound, exactly or almost."""
    worths = [worth for _ in range(chance.choice((1, 1, 2, 3))) for worth in chance.choice(WORTHS)]
    names = [f"s{i}" for i in range(len(worths))]
    half_lives_ms = chance.choice(HALF_LIVES_MS)
    signals = tuple(Signal(name, ("page",), half_life_ms=chance.choice(half_lives_ms)) for name in names)
    caps = (math.inf, math.inf, math.inf, 4.0, 0.5) if chance.random() < 0.4 else (math.inf,)
    points = {name: Points(worth, chance.choice(caps)) for name, worth in zip(names, worths, strict=True)}
    at = chance.choice((20.0, 2.5, 30.0, 45.5, 100.0, 0.0, 20.000000001, 19.999999998))
    category = Category("some", tuple(names[chance.randint(0, 2) :]), -1.0, chance.choice((0.0, 5.0, 1e-9, 1.0)))
    found = [
        Stage("a", max(at, 1.0), max(at, 1.0) - 1e-9, needs_engagement=chance.choice((None, 0.0))),
        Stage("b", at + 10, max(at, 1.0)),
        Stage("c", at + 2e-9, min(at + 1e-9, 1.0)),
    ]
    card = Scorecard(
        "card",
        points,
        categories=(category,) if category.signals and chance.random() < 0.4 else (),
        fit=(FitLine("title", Test("title", "exists", True), at),),
        minimum=chance.choice((0.0, at, -50.0)),
        maximum=chance.choice((100.0, 100.0, 1e9)),
        stages=tuple(found[: chance.randint(1, 3)]),
    )
    rules = Rules(Model(signals, (card,)))
    lead = Lead(START_MS)
    lead.traits = {"title": ["CTO", START_MS, "m"]}
    refs = chance.choice(((0,), (0,), (0, -HOUR_MS), (0, -1, -1000, -40 * DAY_MS)))
    amounts = (1.0,) if chance.random() < 0.4 else AMOUNTS
    for rule in rules.signals.values():
        lead.add(rule.id, rule.inverse_half_life, chance.choice(refs), chance.choice(amounts))
    lead.clock = START_MS + chance.choice((0, 0, 1000, DAY_MS))
    (rule_card,) = rules.cards
    for stage in rule_card.stages:
        if chance.random() < 0.5:
            lead.latches[stage.key] = Latch(inside=True)
    return rules, lead


def events_for(chance: Random, rules: Rules, lead: Lead) -> list[LeadEvent]:
    """A few events of a lead at near or distant instants; most match no signal."""
    now_ms, found = lead.clock, []
    for i in range(chance.randint(1, 8)):
        now_ms += chance.choice((0, 1, 1, 3, 1000, HOUR_MS, DAY_MS, 100 * DAY_MS))
        at = now_ms - chance.choice((0, 0, 1, HOUR_MS))
        found.append(Fact(chance.choice(("page", "Unheard", "Unheard")), f"e{i}", at).event(rules, now_ms))
    return found
