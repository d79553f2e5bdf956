"""Laws 4 and 6 for leads that are forgotten: it does not matter who comes upon it, nor when."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given, settings

from streams.scoring.event import ANONYMOUS, USER, Identity, Join, LeadEvent
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.scorecard import Forgetting
from streams.units import DAY_MS, HOUR_MS
from tests.properties.driver import ShardDriver, run, transition_fields
from tests.properties.strategies import (
    a_model,
    chances,
    some_arrivals,
    some_cuts,
    some_facts,
    some_inputs,
    some_ticks,
    with_verdicts,
)
from tests.properties.test_law6_changes import Item, by_lead, play, some_log

pytestmark = pytest.mark.usefixtures("implementation")
TIMES_MS = (7.0 * DAY_MS, 2.0 * DAY_MS, 20.0 * DAY_MS, 50.0 * DAY_MS, float("inf"))


def some_terms(chance: Random) -> Forgetting:
    visitors_ms, leads_ms = sorted(chance.choices(TIMES_MS, k=2))
    return Forgetting(leads_ms, visitors_ms)


def forgetful(chance: Random, rules: Rules) -> Rules:
    return Rules(replace(rules.model, forget=some_terms(chance)))


def some_events(chance: Random, rules: Rules) -> list[LeadEvent]:
    """Events with long pauses, some of them long before their arrival, or of a known user, or with verdicts."""
    facts = some_facts(chance, chance.choice((20 * DAY_MS, 100 * DAY_MS)))
    inputs = some_arrivals(chance, with_verdicts(chance, facts, chance.choice((0, 0, 0.2))))
    first_known = chance.randint(0, 2 * len(inputs))
    old_ms = chance.choice((0, 0, 30 * DAY_MS))
    return [
        msgspec.structs.replace(
            replace(fact, at=fact.at - chance.choice((0, old_ms))).event(rules, arrival), known=i >= first_known
        )
        for i, (fact, arrival) in enumerate(inputs)
    ]


@settings(max_examples=120)
@given(chances)
def test_timers_and_batches_do_not_change_what_is_forgotten(chance: Random) -> None:
    rules = forgetful(chance, Rules(a_model(chance)))
    events = some_events(chance, rules)
    until_ms = events[-1].arrival + chance.choice((0, DAY_MS, 100 * DAY_MS))
    plain = run(rules, events, until_ms=until_ms)
    others = [
        run(rules, events, [""] * len(events), until_ms=until_ms),
        run(rules, events, some_cuts(chance, len(events)), some_ticks(chance, until_ms), until_ms),
    ]
    for other in others:
        assert transition_fields(plain.transitions) == transition_fields(other.transitions)
        assert plain.blobs == other.blobs
        assert plain.tally["forgotten"] == other.tally["forgotten"]
    ids = [t.alert_id for t in plain.transitions if t.is_alert]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("rollback", [False, True])
@settings(max_examples=40)
@given(chances)
def test_a_rebuild_across_publications_forgets_the_same(rollback: bool, chance: Random) -> None:
    """Also where a publication changes how long nothing may be heard."""
    first, log, until_ms = some_log(chance, rollback)
    versions = {first: forgetful(chance, first)}
    items: list[Item] = []
    for item in log:
        if isinstance(item, RulesChange):
            versions.setdefault(item.new, forgetful(chance, item.new))
            items.append(replace(item, old=versions[item.old], new=versions[item.new]))
        else:
            items.append(msgspec.structs.replace(item, known=chance.random() < 0.2))

    def disturb(shard: ShardDriver, now_ms: int) -> None:
        for lead_id in list(shard.blobs):
            if chance.random() < 0.3:
                shard.advance_lead(lead_id, now_ms, chance.choice(("step", "show", "reload")))
        if chance.random() < 0.1:
            shard.settle_leads()

    until_ms += chance.choice((0, 60 * DAY_MS))
    live = play(versions[first], items, until_ms, disturb)
    rebuilt = play(versions[first], items, until_ms, lambda shard, now_ms: None)
    assert by_lead(live.transitions) == by_lead(rebuilt.transitions)
    assert live.blobs == rebuilt.blobs
    assert live.tally["forgotten"] == rebuilt.tally["forgotten"]


@settings(max_examples=50)
@given(chances)
def test_joined_ids_are_forgotten_at_the_same_instants(chance: Random) -> None:
    """A visitor is joined to a user, both send more, and pauses are long."""
    rules = forgetful(chance, Rules(a_model(chance)))
    events = sorted(
        (
            msgspec.structs.replace(fact.event(rules, arrival, lead_id), known=lead_id == "u")
            for lead_id in ("u", "v")
            for fact, arrival in some_inputs(chance, 100 * DAY_MS)
        ),
        key=lambda event: event.arrival,
    )
    joined_at = chance.randint(0, len(events) - 1)
    join = Join(Identity(ANONYMOUS, "v"), Identity(USER, "u"), events[joined_at].arrival)
    until_ms = events[-1].arrival + chance.choice((HOUR_MS, 80 * DAY_MS))

    def live(timers: bool) -> ShardDriver:
        shard, own = ShardDriver(rules), Random(str(joined_at))
        for i, event in enumerate(events):
            for lead_id in own.sample(list("uv"), own.randint(0, 2)) if timers else ():
                if lead_id in shard.blobs:
                    shard.advance_lead(lead_id, event.arrival, own.choice(("step", "show", "reload")))
            for record in (event, join) if i == joined_at else (event,):
                shard.take(record)
                shard.drain()
        for lead_id in list(shard.blobs):
            shard.advance_lead(lead_id, until_ms)
        return shard

    plain, timed = live(False), live(True)
    assert by_lead(plain.transitions) == by_lead(timed.transitions)
    assert plain.blobs == timed.blobs
