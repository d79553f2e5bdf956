"""Law 6 across changes of the scorecards: it does not matter when a lead is settled, nor in which steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import example, given, settings

from streams.scoring.counting import DAY_MS
from streams.scoring.event import LeadEvent
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange, Undo
from streams.scoring.scorecard import Model
from streams.scoring.stages import Transition
from tests.properties.driver import ShardDriver, transition_fields
from tests.properties.strategies import a_scorecard, chances, events_of, some_inputs
from tests.properties.test_effect import a_change

pytestmark = pytest.mark.usefixtures("implementation")
LEADS = ("u", "v", "w")
Item = LeadEvent | RulesChange


def some_log(chance: Random, rollback: bool = False) -> tuple[Rules, list[Item], int]:
    """The first rules, a log of events of several leads with changes of the scorecards, and a later instant."""
    first, second = a_change(chance)
    versions = [first, second, first if rollback or chance.random() < 0.5 else a_change(chance)[1]]
    inputs = sorted(((lead_id, each) for lead_id in LEADS for each in some_inputs(chance)), key=lambda pair: pair[1][1])
    cuts = sorted(chance.randint(0, len(inputs)) for _ in range(2))
    log: list[Item] = []
    clock_ms, changes = 0, list[RulesChange]()
    for i, (lead_id, each) in enumerate(inputs):
        while len(changes) < 2 and cuts[len(changes)] <= i:
            at_ms = max(each[1] - chance.choice((0, 1, DAY_MS)), 0)
            changes.append(a_publication(chance, versions, changes, at_ms, rollback))
            log.append(changes[-1])
        (event,) = events_of(versions[len(changes)], [each])
        log.append(msgspec.structs.replace(event, lead_id=lead_id))
        clock_ms = max(clock_ms, each[1])
    while len(changes) < 2:
        clock_ms += chance.choice((0, DAY_MS, 20 * DAY_MS))
        changes.append(a_publication(chance, versions, changes, clock_ms, rollback))
        log.append(changes[-1])
    return first, log, clock_ms + chance.choice((0, 30 * DAY_MS))


def a_publication(
    chance: Random, versions: list[Rules], changes: list[RulesChange], at_ms: int, rollback: bool
) -> RulesChange:
    """The next change of the scorecards."""
    place = len(changes) + 1
    undo = Undo(frozenset({1}), changes[0].at_ms) if rollback and changes else None
    quiet = chance.random() < 0.3
    return RulesChange(versions[place - 1], versions[place], at_ms, place, quiet, undo)


def play(rules: Rules, log: list[Item], until_ms: int, disturb: Callable[[ShardDriver, int], None]) -> ShardDriver:
    """Play a log; ``disturb`` may do what a live shard does in between, up to an instant."""
    shard = ShardDriver(rules)
    for i, item in enumerate(log):
        if isinstance(item, RulesChange):
            shard.cut("step")
            shard.settle_leads()
            shard.change_rules(item)
        else:
            shard.take(item)
        following = [each.arrival for each in log[i:] if isinstance(each, LeadEvent)]
        following += [each.at_ms for each in log[i:] if isinstance(each, RulesChange)]
        disturb(shard, min(following, default=until_ms))
    shard.settle_leads()
    for lead_id in list(shard.blobs):
        shard.advance_lead(lead_id, until_ms)
    return shard


def by_lead(transitions: list[Transition]) -> dict[str, list[tuple[object, ...]]]:
    return {i: transition_fields(t for t in transitions if t.lead_id == i) for i in LEADS}


@pytest.mark.parametrize("rollback", [False, True])
@settings(max_examples=50)
@example(Random(1634))  # a lead that is loaded for its first event after the change
@example(Random(1786))  # a lead that enters a stage by what is absent, and has no event that counts
@given(chances)
def test_a_rebuild_across_publications_gives_the_same_states_and_alerts(rollback: bool, chance: Random) -> None:
    rules, log, until_ms = some_log(chance, rollback)

    def disturb(shard: ShardDriver, now_ms: int) -> None:
        for lead_id in chance.sample(LEADS, chance.randint(0, 2)):
            if lead_id in shard.blobs and chance.random() < 0.5:
                shard.advance_lead(lead_id, now_ms, chance.choice(("step", "show", "reload")))
        if chance.random() < 0.1:
            shard.settle_leads()
        if chance.random() < 0.2:
            shard.cut(chance.choice(("show", "reload")))

    live = play(rules, log, until_ms, disturb)
    rebuilt = play(rules, log, until_ms, lambda shard, now_ms: None)
    assert by_lead(live.transitions) == by_lead(rebuilt.transitions)
    assert live.blobs == rebuilt.blobs
    ids = [t.alert_id for t in live.transitions if t.is_alert]
    assert len(ids) == len(set(ids))


@settings(max_examples=40)
@given(chances)
def test_a_quiet_change_moves_the_same_leads_and_sends_nothing(chance: Random) -> None:
    rules, log, _ = some_log(chance)
    place = next(i for i, item in enumerate(log) if isinstance(item, RulesChange))
    change = log[place]
    assert isinstance(change, RulesChange)
    ended = {}
    for quiet in (False, True):
        until = [*log[:place], replace(change, quiet=quiet)]
        ended[quiet] = play(rules, until, change.at_ms, lambda shard, now_ms: None)
    inside = {
        quiet: {(i, key) for i in shard.blobs for key, latch in shard.lead(i).latches.items() if latch.inside}
        for quiet, shard in ended.items()
    }
    assert inside[True] == inside[False]
    assert not [t for t in ended[True].transitions if t.is_alert and t.cause == "scorecard_changed"]


@pytest.mark.parametrize("rollback", [False, True])
@settings(max_examples=60)
@given(chances)
def test_the_last_alert_of_each_lead_agrees_with_its_stage(rollback: bool, chance: Random) -> None:
    """Also where a stage or a scorecard is removed, becomes a shadow, or has no alerts any more."""
    rules, log, until_ms = some_log(chance, rollback)
    log = [replace(item, quiet=False) if isinstance(item, RulesChange) else item for item in log]
    shard = play(rules, log, until_ms, lambda shard, now_ms: None)
    held = dict[tuple[str, str], bool]()
    for transition in shard.transitions:
        if transition.is_alert:
            place = transition.lead_id, f"{transition.card}/{transition.stage}"
            assert held.get(place, False) == (transition.kind == "left")
            held[place] = transition.kind == "entered"
    alerting = {rule.key for card in shard.rules.cards for rule in card.stages if rule.alerts}
    for lead_id in shard.blobs:
        for key, latch in shard.lead(lead_id).latches.items():
            assert held.pop((lead_id, key), False) == (latch.inside and not latch.silent and key in alerting)
    assert not any(held.values())


@settings(max_examples=40)
@given(chances)
def test_a_rollback_at_once_leaves_each_lead_as_it_was(chance: Random) -> None:
    rules, log, _ = some_log(chance, rollback=True)
    events = [item for item in log if isinstance(item, LeadEvent)]
    model = rules.model
    cards = tuple(a_scorecard(chance, f"card{i}", [s.name for s in model.signals]) for i in range(2))
    lower = Rules(Model(model.signals, tuple(
        replace(card, stages=other.stages) for card, other in zip(model.scorecards, cards, strict=False)
    )))  # fmt: skip
    events = [e for e in events if len(e.values) == len(rules.paths)]
    at_ms = max(event.arrival for event in events) + 1 if events else 1
    before = play(rules, list(events), at_ms, lambda shard, now_ms: None)
    out = RulesChange(rules, lower, at_ms, 1)
    back = RulesChange(lower, rules, at_ms, 2, undo=Undo(frozenset({1}), at_ms))
    after = play(rules, [*events, out, back], at_ms, lambda shard, now_ms: None)

    def inside(lead: Lead) -> set[str]:
        return {r.key for c in rules.cards for r in c.stages if r.key in lead.latches and lead.latches[r.key].inside}

    for lead_id in before.blobs:
        assert inside(after.lead(lead_id)) == inside(before.lead(lead_id))
