"""Traits, campaigns and amounts are noted in the table, with the bytes of the reference."""

from __future__ import annotations

from random import Random
from unittest.mock import patch

import pytest

from streams.accelerator.scorer import AcceleratedScorer
from streams.accelerator.table import Table
from streams.scorefile import load
from streams.scoring.counting import WEEK_MS
from streams.scoring.event import LeadEvent
from streams.scoring.interface import PlainBatch
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Limit, Model, Points, Scorecard, Signal, Stage
from streams.scoring.scorer import Scorer
from streams.scoring.stored import encode
from tests.accelerator.columns import batch_of

RULES = Rules(
    load(
        """
leadglow: 1
signals:
  view: {event: page, half_life: 7d}
  signup: {event: identify, half_life: 7d}
  order: {event: order, amount: properties.total, half_life: 7d}
  visited: {event: visit, distinct: properties.total, half_life: 7d}
scorecards:
  default:
    points: {view: 1, signup: 2, order: 3, visited: 4}
    fit:
      - {trait: title, when: {equals: CTO}, points: 12}
      - {trait: title, when: {equals: Owner}, points: 600}
    range: [0, 1000]
    stages:
      - {name: hot, enter: 500, leave: 450, handoff: true}
"""
    )
)
NO_VALUES = tuple(None for _ in RULES.paths)
assert RULES.paths == ("properties.automated", "properties.total")
START_MS = 1_800_000_000_000
FIRST = LeadEvent("u", "identify", NO_VALUES, "first", START_MS, START_MS, {"title": "CTO", "name": "Ana"})


def event(n: int, **fields: object) -> LeadEvent:
    given = {"name": "page", "message_id": f"m-{n}", "at": START_MS + n, "arrival": START_MS + n} | fields
    values = (None, given.pop("total", None))
    return LeadEvent("u", values=values, **given)  # type: ignore[arg-type]  # any field


def scorers() -> tuple[AcceleratedScorer, Scorer]:
    """Both implementations, each with a lead that identified itself."""
    fast, slow = AcceleratedScorer(RULES), Scorer(RULES)
    for scorer in (fast, slow):
        scorer.put_lead("u", None)
    apply(fast, slow, [FIRST])
    return fast, slow


def apply(fast: AcceleratedScorer, slow: Scorer, events: list[LeadEvent]) -> int:
    """Apply events to both, require the same bytes, and return how often leads became objects."""
    batch = batch_of(fast.rules, events)
    assert fast.missing(batch) == []
    with patch.object(Table, "as_leads", autospec=True, side_effect=Table.as_leads) as as_leads:
        fast.apply_batch(batch)
    slow.apply_batch(PlainBatch(list(enumerate(events))))
    mine, theirs = fast.finish(), slow.finish()
    assert mine.all_blobs() == theirs.all_blobs()
    assert +mine.tally == +theirs.tally
    assert +mine.fired == +theirs.fired
    return int(as_leads.call_count)


@pytest.mark.parametrize(
    ("fields", "objects"),
    [
        ({"name": "identify", "traits": {"title": "CTO", "name": "Ana"}}, 0),
        ({"name": "identify", "traits": {"title": "CTO"}, "at": START_MS - 5}, 0),
        ({"name": "identify", "traits": {"name": "Ben", "plan": 1.5}}, 0),
        ({"name": "identify", "traits": {}}, 0),
        ({"name": "identify", "traits": {"title": "CTO"}, "public": True}, 0),
        ({"name": "identify", "traits": {f"t{i}": i for i in range(70)}}, 0),
        ({"name": "identify", "traits": {"title": "Student"}}, 0),
        ({"name": "identify", "traits": {"title": None}}, 0),
        ({"name": "identify", "traits": {"title": "Owner"}}, 1),
        ({"touch": ("google", "cpc", "spring")}, 0),
        ({"touch": ("google", "", ""), "at": START_MS - 5}, 0),
    ],
)
def test_a_lead_becomes_an_object_only_if_its_traits_change_a_stage(fields: dict[str, object], objects: int) -> None:
    fast, slow = scorers()
    assert apply(fast, slow, [event(1, **fields), event(2, **fields)]) == objects
    assert apply(fast, slow, [event(3)]) == 0


def test_first_traits_of_a_new_lead() -> None:
    fast, slow = AcceleratedScorer(RULES), Scorer(RULES)
    for scorer in (fast, slow):
        scorer.put_lead("u", None)
    assert apply(fast, slow, [FIRST]) == 0
    assert apply(fast, slow, [event(1, name="identify", traits={"title": "Owner"})]) == 1


def test_campaign_of_a_new_lead() -> None:
    fast, slow = AcceleratedScorer(RULES), Scorer(RULES)
    fast.put_lead("u", None)
    slow.put_lead("u", None)
    assert apply(fast, slow, [event(1, touch=("a", "b", "c")), event(2, touch=("d", "", ""))]) == 0


def test_amounts_and_values_in_one_lead() -> None:
    """Amounts are stored beside the table, values in it; a lead with both is an object."""
    fast, slow = scorers()
    assert apply(fast, slow, [event(1, name="order", total=2), event(2, name="order", total=0.5), event(3)]) == 0
    assert apply(fast, slow, [event(4, name="visit", total=7)]) == 1
    fast, slow = scorers()
    assert apply(fast, slow, [event(1, name="visit", total=7), event(2, name="visit", total=8)]) == 0
    assert apply(fast, slow, [event(3, name="order", total=7)]) == 1


def test_amounts_are_forgotten_with_their_events() -> None:
    fast, slow = scorers()
    for first in range(0, 300, 50):
        orders = [event(first + n, name="order" if first < 100 else "page", total=n / 100) for n in range(50)]
        assert apply(fast, slow, orders) == 0
    again = [event(n, name="order", total=1, arrival=START_MS + 400) for n in range(50)]
    assert apply(fast, slow, again) == 0
    state = slow.states["u"]
    assert isinstance(state, Lead)
    fast.put_lead("u", encode(state))
    same = fast.state("u")
    assert isinstance(same, Lead)
    assert encode(same) == encode(state)


def test_an_amount_of_minus_zero() -> None:
    fast, slow = scorers()
    assert apply(fast, slow, [event(1, name="order", total=-0.0)]) == 0


def test_two_signals_with_an_amount_that_add_more_than_their_sum_by_a_rounding_error() -> None:
    signals = (
        Signal("complaint", ("complaint",), half_life_ms=WEEK_MS),
        Signal("day", ("order",), limit=Limit(1, "day")),
        Signal("order", ("order",), amount="properties.total", half_life_ms=WEEK_MS),
        Signal("again", ("order",), amount="properties.total", half_life_ms=WEEK_MS),
    )
    points = {"complaint": Points(-1e-9), "order": Points(45.10138), "again": Points(49.9087)}
    stage = Stage("hot", 89779690.20248733, 1.0)
    rules = Rules(Model(signals, (Scorecard("card", points, maximum=1e9, stages=(stage,)),)))
    fast, slow = AcceleratedScorer(rules), Scorer(rules)
    for scorer in (fast, slow):
        scorer.put_lead("u", None)
    apply(fast, slow, [event(0, name="complaint"), event(0, name="order", message_id="o", total=944949.1064788739)])


def test_an_event_that_was_forgotten_in_the_same_step_counts_again() -> None:
    fast, slow = scorers()
    orders = [event(n, name="order", total=n / 1000) for n in range(140)]
    assert apply(fast, slow, [*orders, event(0, name="order", total=5, arrival=START_MS + 200)]) == 0


def test_an_amount_that_changes_a_stage() -> None:
    fast, slow = scorers()
    assert apply(fast, slow, [event(1, name="order", total=1), event(2, name="order", total=900), event(3)]) == 1


def test_random_histories() -> None:
    chance = Random(1)
    for _ in range(60):
        fast, slow = scorers()
        for step in range(8):
            events = [event(100 * step + n, **some_fields(chance, step)) for n in range(chance.randint(1, 12))]
            apply(fast, slow, events)


def some_fields(chance: Random, step: int) -> dict[str, object]:
    fields: dict[str, object] = {}
    if chance.random() < 0.3:
        fields["at"] = START_MS - chance.randrange(9)
    if chance.random() < 0.3:
        fields["message_id"] = f"m-{chance.randrange(100 * step + 1)}"
    if chance.random() < 0.4:
        fields["touch"] = (chance.choice("ab"), "", chance.choice("cd"))
    if chance.random() < 0.5:
        titles = ("Student", "Owner", 1, True, 1.0) if chance.random() < 0.2 else ("CTO",)
        title = {"title": chance.choice(titles)} if chance.random() < 0.7 else {}
        fields |= {"name": "identify", "traits": {**title, "name": chance.choice(("Ana", "Ben"))}}
        fields["public"] = chance.random() < 0.3
    elif chance.random() < 0.5:
        rare = chance.random() < 0.1
        fields |= {"name": "visit" if rare else "order", "total": chance.choice((0, 1, 2.5, 90, "3", "x"))}
    return fields
