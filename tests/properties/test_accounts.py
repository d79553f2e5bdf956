"""Accounts: at rest each equals the roll-up of its leads, whatever happened to them, and a rebuild gives the same."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from streams.scoring.account_state import Account
from streams.scoring.accounts import score_of
from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.event import ANONYMOUS, EMAIL, USER, Erase, Identity, Retract, join
from streams.scoring.replay import Input
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.scorecard import Accounts, Forgetting, Model, Stage
from tests.properties.company_world import PARTITIONS, World
from tests.properties.strategies import Fact, a_model, chances, some_inputs

pytestmark = pytest.mark.usefixtures("implementation")
PEOPLE = [Identity(USER, "u1"), Identity(USER, "u2"), Identity(EMAIL, "e1"), Identity(ANONYMOUS, "a1")]
KEYS: dict[str, tuple[Any, ...]] = {
    "company": ("Acme", "acme ", "Globex", None, 7),
    "email": ("ana@acme.example", "ben@globex.example", "eva@gmail.com", "none"),
}


def with_accounts(chance: Random, model: Model) -> Model:
    """The same model, with accounts on most scorecards."""
    kinds: tuple[Any, ...] = (("max", 0), ("sum", 0), ("top", 2), ("saturating", 0))
    cards = []
    for card in model.scorecards:
        roll_up, top = chance.choice(kinds)
        enter = chance.choice((5.0, 12.0, 30.0))
        stages = (
            Stage("warm", enter, enter / 2, handoff=True),
            Stage("hot", 2 * enter, enter, handoff=chance.random() < 0.7),
        )
        key = chance.choice(("company", "email domain"))
        accounts = Accounts(key, roll_up, top, stages[: chance.randint(0, 2)])
        cards.append(replace(card, accounts=accounts if chance.random() < 0.8 else None))
    return replace(model, scorecards=tuple(cards), forget=Forgetting())


def a_fact(chance: Random, fact: Fact) -> Fact:
    """The same fact, often with a key."""
    keys = {name: chance.choice(values) for name, values in KEYS.items() if chance.random() < 0.3}
    return replace(fact, traits={**(fact.traits or {}), **keys} or None)


def live(chance: Random, rules: Rules, changed: Rules | None = None) -> tuple[World, int]:
    """A world with a history of moves, joins, erasures, retractions and restarts; and its last instant."""
    world, now_ms = World(chance, rules), 0
    inputs = some_inputs(chance, chance.choice((HOUR_MS, DAY_MS, 20 * DAY_MS)), most=20)
    for fact, arrival in inputs:
        now_ms = max(now_ms, arrival)
        person = chance.choice(PEOPLE)
        world.put(a_fact(chance, fact).event(world.rules, arrival, person.id))
        other = a_control(chance, person, chance.choice(inputs)[0], arrival)
        if other is not None:
            world.put(other)
        if chance.random() < 0.05:
            world.restart(chance.randrange(PARTITIONS))
        if changed is not None and chance.random() < 0.15:
            world.change_rules(RulesChange(world.rules, changed, arrival, 1, chance.random() < 0.3))
            changed = None
        pass_time(chance, world, arrival)
    return world, now_ms


def a_control(chance: Random, person: Identity, fact: Fact, arrival: int) -> Input | None:
    """A join, an erasure or a retraction; usually nothing."""
    what = chance.random()
    if what < 0.15:
        return join(person, chance.choice(PEOPLE), arrival, explicit=True)
    if what < 0.2:
        return Erase(person.id, arrival)
    return Retract(person.id, fact.message_id, arrival) if what < 0.3 else None


def pass_time(chance: Random, world: World, now_ms: int) -> None:
    """Let some shards update their rankings or run their timers, and some records arrive."""
    for shard in world.shards:
        if chance.random() < 0.4:
            world.send(shard.show(list(shard.blobs)))
        elif chance.random() < 0.2:
            world.send(shard.run_timer(now_ms))
    world.deliver(chance.choice((0, 1, 3, 100)))


@settings(max_examples=30)
@given(chances)
def test_an_account_is_what_its_leads_give_at_every_instant(chance: Random) -> None:
    rules = Rules(with_accounts(chance, a_model(chance)))
    world, now_ms = live(chance, rules)
    for later_ms in (0, 1, HOUR_MS, 9 * DAY_MS):
        world.rest(now_ms + later_ms)
        assert world.accounts() == world.given(now_ms + later_ms)


@settings(max_examples=20)
@given(chances)
def test_accounts_follow_a_change_of_the_scorecards(chance: Random) -> None:
    model = a_model(chance)
    rules, changed = Rules(with_accounts(chance, model)), Rules(with_accounts(chance, model))
    world, now_ms = live(chance, rules, changed)
    world.rest(now_ms)
    assert world.accounts() == world.given(now_ms)
    states = [shard.state(lead_id) for shard in world.shards for lead_id in shard.blobs]
    for account in states:
        if isinstance(account, Account):
            rule = world.rules.accounts.get(account.card)
            inside = {key for key, latch in account.latches.items() if latch.inside}
            score = 0 if rule is None else score_of(rule, account)
            for stage in rule.stages if rule is not None else ():
                assert score >= stage.leave if stage.key in inside else score < stage.enter
            assert inside <= {stage.key for stage in (rule.stages if rule is not None else ())}


@settings(max_examples=20)
@given(chances)
def test_a_rebuild_of_a_shard_gives_the_same_accounts_and_alert_ids(chance: Random) -> None:
    rules = Rules(with_accounts(chance, a_model(chance)))
    world, now_ms = live(chance, rules)
    world.rest(now_ms)
    before = world.accounts(), [world.alerts(partition) for partition in range(PARTITIONS)]
    for partition in chance.sample(range(PARTITIONS), chance.randint(1, PARTITIONS)):
        blobs = dict(world.shards[partition].blobs)
        rebuilt = world.rebuild(partition)
        assert {i: blob for i, blob in rebuilt.blobs.items() if i.startswith("\x01")} == {
            i: blob for i, blob in blobs.items() if i.startswith("\x01")
        }
    world.rest(now_ms)
    assert (world.accounts(), [world.alerts(partition) for partition in range(PARTITIONS)]) == before


@settings(max_examples=25)
@given(chances)
def test_after_a_loss_of_everything_not_committed_accounts_are_right_again(chance: Random) -> None:
    """The log has what a former run told at any time; the rebuilt shards of the leads hide nothing by it."""
    rules = Rules(with_accounts(chance, a_model(chance)))
    world, now_ms = live(chance, rules)
    for partition in range(PARTITIONS):  # without rest: something may be untold
        world.rebuild(partition)
    world.rest(now_ms)
    assert world.accounts() == world.given(now_ms)


@settings(max_examples=20)
@given(chances)
def test_accounts_without_leads_end_whether_or_not_timers_run(chance: Random) -> None:
    """A lead that is moved from company to company leaves nothing behind for ever, and no contribution is lost."""
    model = replace(
        with_accounts(chance, a_model(chance)), forget=Forgetting(visitors_ms=chance.choice((1.0, 7.0)) * DAY_MS)
    )
    rules = Rules(model)
    world, now_ms = live(chance, rules)
    world.rest(now_ms)
    for later_ms in (0, 6 * DAY_MS, 30 * DAY_MS):
        world.rest(now_ms + later_ms)
        assert world.accounts() == world.given(now_ms + later_ms)
    states = [shard.state(lead_id) for shard in world.shards for lead_id in shard.blobs]
    assert all(state.members or state.latches for state in states if isinstance(state, Account))
    person = PEOPLE[0]
    back_ms = now_ms + 31 * DAY_MS
    world.put(a_fact(chance, some_inputs(chance, DAY_MS, most=1)[0][0]).event(world.rules, back_ms, person.id))
    world.rest(back_ms)
    assert world.accounts() == world.given(back_ms)


@settings(max_examples=12)
@given(chances)
def test_receivers_see_entered_and_left_in_turn(chance: Random) -> None:
    world, now_ms = live(chance, Rules(with_accounts(chance, a_model(chance))))
    world.rest(now_ms)
    for partition in range(PARTITIONS):
        published = [alert for alert in world.alerts(partition) if alert[3]]
        assert len({alert_id for alert_id, *_ in published}) == len(published)
