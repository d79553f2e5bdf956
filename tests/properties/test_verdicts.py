"""The state of sales depends on the verdicts and not on the order in which they and their retractions arrive."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from streams.scoring.counting import DAY_MS
from streams.scoring.event import ANONYMOUS, USER, Erase, Identity, Join, Retract
from streams.scoring.lead import Erased, Lead
from streams.scoring.replay import Input
from streams.scoring.rules import Rules
from streams.scoring.sales_rows import encode_rows
from streams.scoring.stored import decode, encode
from streams.scoring.verdicts import KINDS, MAX_VERDICTS, keep_verdicts, sales_of
from tests.properties.driver import Cut, ShardDriver, run
from tests.properties.strategies import (
    START_MS,
    Fact,
    a_model,
    a_verdict,
    chances,
    some_arrivals,
    some_cuts,
    some_facts,
    with_verdicts,
)

pytestmark = pytest.mark.usefixtures("implementation")

LATE_MS = START_MS + 200 * DAY_MS


@settings(max_examples=60)
@given(chances)
def test_verdicts_in_any_order_and_again_give_the_same_state(chance: Random) -> None:
    rules = Rules(a_model(chance))
    facts = with_verdicts(chance, some_facts(chance))
    events = [
        [fact.event(rules, arrival) for fact, arrival in some_arrivals(chance, facts + again)]
        for again in ([], chance.sample(facts, min(3, len(facts))))
    ]
    mine, theirs = (run(rules, each, some_cuts(chance, len(each))).lead() for each in events)
    assert mine.verdicts == theirs.verdicts
    assert len(mine.verdicts) <= MAX_VERDICTS
    assert sales_of(mine.verdicts) == sales_of(theirs.verdicts)


@settings(max_examples=40)
@given(chances)
def test_a_retracted_verdict_is_as_if_it_was_never_given(chance: Random) -> None:
    rules = Rules(a_model(chance))
    kinds = chance.sample([*KINDS], 3)
    facts = [
        Fact("Called", f"m{i}", START_MS + chance.randint(0, 3), verdict=replace(a_verdict(chance), kind=kind))
        for i, kind in enumerate(kinds)
    ]
    gone = chance.choice(facts)
    inputs: list[Input] = [fact.event(rules, LATE_MS) for fact in facts]
    inputs.insert(chance.randint(0, len(inputs)), Retract("u", gone.message_id, LATE_MS))
    shard = ShardDriver(rules)
    for record, cut in zip(inputs, some_cuts(chance, len(inputs)), strict=True):
        shard.take(record, cut)
    shard.take(gone.event(rules, LATE_MS))
    kept = run(rules, [fact.event(rules, LATE_MS) for fact in facts if fact is not gone]).lead()
    assert shard.lead().verdicts == kept.verdicts


@settings(max_examples=40)
@given(chances)
def test_joined_leads_have_the_verdicts_of_both(chance: Random) -> None:
    rules = Rules(a_model(chance))
    facts = with_verdicts(chance, some_facts(chance, most=6), 1.0)
    together = ShardDriver(rules)
    for fact in facts:
        together.take(fact.event(rules, LATE_MS, chance.choice(("u", "a"))))
    together.take(Join(Identity(ANONYMOUS, "a"), Identity(USER, "u"), LATE_MS))
    together.drain()
    assert together.lead().verdicts == run(rules, [fact.event(rules, LATE_MS) for fact in facts]).lead().verdicts


@settings(max_examples=40)
@given(chances)
def test_rows_for_results_depend_neither_on_the_sizes_of_steps_nor_on_the_timer(chance: Random) -> None:
    rules = Rules(a_model(chance))
    facts = with_verdicts(chance, some_facts(chance))
    events = [fact.event(rules, arrival) for fact, arrival in some_arrivals(chance, facts)]
    ticks: list[tuple[int, Cut]] = [(START_MS + chance.randint(0, 40) * DAY_MS, "step") for _ in range(3)]
    mine = run(rules, events, until_ms=LATE_MS).sales
    theirs = run(rules, events, some_cuts(chance, len(events)), ticks, LATE_MS).sales
    assert sorted(encode_rows(mine)) == sorted(encode_rows(theirs))


@settings(max_examples=25)
@given(chances)
def test_an_erased_lead_has_no_verdicts_and_a_stored_one_has_all(chance: Random) -> None:
    rules = Rules(a_model(chance))
    shard = ShardDriver(rules)
    for fact in with_verdicts(chance, some_facts(chance), 1.0):
        shard.take(fact.event(rules, LATE_MS))
    lead = shard.lead()
    again = decode(encode(lead))
    assert isinstance(again, Lead)
    assert again.verdicts == lead.verdicts == keep_verdicts(lead.verdicts)
    shard.take(Erase("u", LATE_MS))
    assert isinstance(shard.state("u"), Erased)
