"""Random histories of several leads that are joined, and their comparison with the sequential reference.

``python -m tests.properties.histories --seeds 20000`` compares many; ``--first N`` begins elsewhere.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from random import Random

from streams.scoring.counting import DAY_MS, HOUR_MS
from streams.scoring.event import ANONYMOUS, EMAIL, USER, Identity, Join, Retract, join
from streams.scoring.lead import Lead, Redirect
from streams.scoring.replay import Input
from streams.scoring.rules import LATENESS_MS, Rules
from streams.scoring.score import read
from streams.scoring.scorecard import Model, Points, Scorecard, Signal, Stage
from streams.scoring.stages import Transition
from streams.scoring.verdicts import keep_verdicts
from tests.properties.driver import ShardDriver
from tests.properties.sequential import Arriving, Gone, Happened, Item, Person, Sequential, Turn
from tests.properties.strategies import START_MS, Fact, a_model, some_inputs, with_verdicts
from tests.support.implementations import used

PEOPLE = [Identity(kind, f"{kind}{i}") for kind, most in ((USER, 2), (EMAIL, 1), (ANONYMOUS, 2)) for i in range(most)]
BUSY = Model(
    (
        Signal("view", ("page",), half_life_ms=30.0 * DAY_MS),
        Signal("click", ("Clicked",), half_life_ms=30.0 * DAY_MS, amount="properties.amount"),
    ),
    (
        Scorecard(
            "card",
            {"view": Points(0.001), "click": Points(50.0)},
            stages=(Stage("hot", 40.0, 20.0, handoff=True), Stage("warm", 1.0, 0.5, handoff=True)),
        ),
        Scorecard(
            "views",
            {"view": Points(1.0)},
            maximum=1000.0,
            stages=(Stage("keen", 30.0, 29.5, cooldown_ms=HOUR_MS, handoff=True),),
        ),
    ),
)
"""For leads with more events than are remembered one by one."""
RECALL = 50
"""Within so many events of everybody together an event is taken back,"""
KNOWN = 110
"""and within so many one comes again."""
DELAYS = (0.0, 0.6, 1.0)
"""How likely records between leads wait: never, often, or until the backlog is worked off in one batch."""


def a_history(chance: Random) -> tuple[Model, list[Item]]:
    """Scorecards, and what arrives, in that order."""
    if chance.random() < 0.3:
        return BUSY, _busy(chance)
    return a_model(chance), _mixed(chance)


def _mixed(chance: Random) -> list[Item]:
    """A few events of any kind, which come again and are taken back at any time."""
    items: list[Item] = []
    inputs = some_inputs(chance, most=24)
    facts = with_verdicts(Random(repr(inputs)), [fact for fact, _ in inputs], 0.2)
    inputs = [(fact, arrival) for fact, (_, arrival) in zip(facts, inputs, strict=True)]
    for fact, arrival in inputs:
        items.append(Happened(fact, arrival, chance.choice(PEOPLE).id))
    for _ in range(chance.randint(0, 6)):
        _insert(chance, items, _a_join(chance))
    for fact, _ in chance.sample(inputs, min(len(inputs), chance.randint(0, 3))):
        _insert(chance, items, Retract(chance.choice(PEOPLE).id, fact.message_id, 0))
    for fact, arrival in chance.sample(inputs, min(len(inputs), chance.randint(0, 3))):
        _insert(chance, items, Happened(fact, arrival, chance.choice(PEOPLE).id))
    return [item for item in items if not isinstance(item, Happened) or item.arrival <= item.fact.at + LATENESS_MS]


def _insert(chance: Random, items: list[Item], item: Item) -> None:
    """Put an item anywhere, with the arrival of the one before it; an event not before it happened."""
    least = next((i for i, o in enumerate(items) if o.arrival >= item.arrival), 0)
    place = chance.randint(least, len(items))
    arrival = max(items[place - 1].arrival if place else 0, item.arrival, items[0].arrival)
    items.insert(place, _arriving(item, arrival))


def _arriving(item: Item, arrival: int) -> Item:
    if isinstance(item, Happened):
        return Happened(item.fact, arrival, item.lead_id)
    if isinstance(item, Retract):
        return Retract(item.lead_id, item.message_id, arrival)
    assert isinstance(item, Join)
    return Join(item.lesser, item.greater, arrival, item.explicit)


def _a_join(chance: Random) -> Join:
    record = None
    while record is None:
        a, b = chance.sample(PEOPLE, 2)
        record = join(a, b, 0, explicit=chance.random() < 0.6)
    return record


def _busy(chance: Random) -> list[Item]:
    """Many events, and everything else soon after what it is about."""
    items: list[Item] = []
    arrival, done = START_MS, 0
    happened: list[tuple[int, Happened]] = []
    for _ in range(chance.randint(3, 14)):
        arrival += chance.choice((1, 1000, HOUR_MS, DAY_MS))
        deed = chance.random()
        if deed < 0.35:
            lead_id = chance.choice(PEOPLE).id
            for _ in range(chance.choice((3, 30, 59, 60, 61, 70))):
                arrival, done = arrival + chance.choice((0, 1, 1000)), done + 1
                happened.append((done, Happened(Fact("page", f"m{done}", arrival), arrival, lead_id)))
                items.append(happened[-1][1])
        elif deed < 0.6:
            done += 1
            fact = Fact("Clicked", f"m{done}", arrival, {"properties.amount": chance.choice((1, 0.5, 2))})
            happened.append((done, Happened(fact, arrival, chance.choice(PEOPLE).id)))
            items.append(happened[-1][1])
        elif deed < 0.75:
            items.append(_arriving(_a_join(chance), arrival))
        elif deed < 0.92 and (late := [h for at, h in happened if at > done - RECALL]):
            again = chance.choice(late[-3:] + late)
            items.append(Retract(again.lead_id, again.fact.message_id, arrival))
        elif known := [h for at, h in happened if at > done - KNOWN]:
            items.append(_arriving(chance.choice(known), arrival))
    return items or [Happened(Fact("page", "m", arrival), arrival, "u")]


def play(chance: Random, model: Model, items: Sequence[Item], delay: float) -> tuple[Sequential, ShardDriver]:
    """Play a history through both, with records between leads that are delayed alike."""
    rules = Rules(model)
    reference, shard = Sequential(model), ShardDriver(rules)
    for item in items:
        reference.take(item)
        shard.take(_input(rules, item), "step" if delay < 1 else "")
        while delay < 1 and reference.waiting and chance.random() >= delay:
            _deliver(chance, reference, shard)
    shard.cut("step")
    while reference.waiting:
        _deliver(chance, reference, shard)
    if chance.random() < 0.5:
        shard.reload_leads()
    until_ms = items[-1].arrival + chance.choice((0, HOUR_MS, 40 * DAY_MS))
    for lead_id, person in reference.people.items():
        if isinstance(person, Person):
            reference.advance(lead_id, person, until_ms)
            shard.advance_lead(lead_id, until_ms)
    return reference, shard


def _input(rules: Rules, item: Item) -> Input:
    """As the scorer takes it."""
    assert not isinstance(item, Arriving)
    return item.fact.event(rules, item.arrival, item.lead_id) if isinstance(item, Happened) else item


def _deliver(chance: Random, reference: Sequential, shard: ShardDriver) -> None:
    """Deliver the first record for one of the leads that some wait for."""
    target = chance.choice(sorted({item.lead_id for item in reference.waiting}))
    at = [item.lead_id for item in reference.waiting].index(target)
    reference.deliver(at)
    assert [record.lead_id for record in shard.waiting].index(target) == at
    shard.deliver(at)


def differences(reference: Sequential, shard: ShardDriver, now_ms: int) -> list[str]:
    """Everything in which the scorer differs, one line each."""
    if reference.forgotten:
        return []
    found = _of_scores(reference, shard, now_ms) + _of_verdicts(reference, shard)
    if not reference.close:
        found += _of_turns(reference, shard)
    return found + broken_lists(shard)


def _of_scores(reference: Sequential, shard: ShardDriver, now_ms: int) -> list[str]:
    found = []
    for lead_id, person in reference.people.items():
        state = shard.state(lead_id)
        if isinstance(person, Gone):
            if not isinstance(state, Redirect) or state.target != person.target:
                found.append(f"{lead_id} is {state}, not joined to {person.target}")
            continue
        assert isinstance(state, Lead), lead_id
        for card, rule in zip(reference.model.scorecards, shard.rules.cards, strict=True):
            for later_ms in (0, HOUR_MS, 7 * DAY_MS):
                mine, _, _ = reference.read(card, person, now_ms + later_ms)
                theirs = read(rule, state, now_ms + later_ms).exact
                if abs(mine - theirs) > 10 + 1e-9 * abs(mine):
                    found.append(f"{lead_id} has {theirs / 1e9} on {card.name} after {later_ms} ms, not {mine / 1e9}")
    return found


def _of_verdicts(reference: Sequential, shard: ShardDriver) -> list[str]:
    found = []
    for lead_id, person in reference.people.items():
        if not isinstance(person, Person) or len(keep_verdicts(person.verdicts.values())) < len(person.verdicts):
            continue  # a joined lead, or one that does not keep all
        wanted = keep_verdicts(each for key, each in person.verdicts.items() if key not in person.taken_back)
        state = shard.state(lead_id)
        assert isinstance(state, Lead), lead_id
        if state.verdicts != wanted:
            found.append(f"{lead_id} has the verdicts {state.verdicts}, not {wanted}")
    return found


def _of_turns(reference: Sequential, shard: ShardDriver) -> list[str]:
    wanted: dict[tuple[str, str, str], list[Turn]] = defaultdict(list)
    made: dict[tuple[str, str, str], list[Transition]] = defaultdict(list)
    for turn in reference.turns:
        wanted[turn.lead_id, turn.card, turn.stage].append(turn)
    for t in shard.transitions:
        made[t.lead_id, t.card, t.stage].append(t)
    return [
        f"{key}: {[(t.kind, t.cause, t.at_ms, t.is_alert, t.joined_to) for t in made[key]]}, not {wanted[key]}"
        for key in wanted.keys() | made.keys()
        if len(wanted[key]) != len(made[key]) or not all(map(_alike, wanted[key], made[key]))
    ]


def _alike(turn: Turn, made: Transition) -> bool:
    mine = (turn.kind, turn.cause, turn.is_alert, turn.joined_to)
    return (
        mine == (made.kind, made.cause, made.is_alert, made.joined_to)
        and abs(turn.at_ms - made.at_ms) <= turn.tolerance_ms
    )


def broken_lists(shard: ShardDriver) -> list[str]:
    """Stages for which a list kept by applying the published alerts in order would be wrong."""
    inside: dict[tuple[str, str], bool] = {}
    found = []
    for t in shard.transitions:
        if t.is_alert:
            key = (t.lead_id, f"{t.card}/{t.stage}")
            if inside.get(key, False) == (t.kind == "entered"):
                found.append(f"{key} {t.kind} twice")
            inside[key] = t.kind == "entered"
    stages = [rule.key for card in shard.rules.cards for rule in card.stages if rule.alerts]
    for lead_id in shard.blobs:
        state = shard.state(lead_id)
        latches = state.latches if isinstance(state, Lead) else {}
        for name in stages:
            latch = latches.get(name)
            listed = latch is not None and latch.inside and not latch.silent
            if listed != inside.get((lead_id, name), False):
                found.append(f"{lead_id} is {'' if listed else 'not '}in {name}, and the alerts say otherwise")
    return found


def check(seed: int, delay: float) -> list[str]:
    """The differences of one history."""
    chance = Random(seed)
    model, items = a_history(chance)
    reference, shard = play(chance, model, items, delay)
    now_ms = items[-1].arrival + 41 * DAY_MS
    return [f"seed {seed}, delay {delay}: {line}" for line in differences(reference, shard, now_ms)]


def main() -> None:
    """Compare many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--accelerator", action="store_true", help="compare the accelerator, not the reference scorer")
    options = parser.parse_args()
    bad = 0
    with used("accelerator" if options.accelerator else "reference"):
        for seed in range(options.first, options.first + options.seeds):
            found = [line for delay in DELAYS for line in check(seed, delay)]
            bad += bool(found)
            for line in found[:3]:
                print(line)
    print(f"{bad} of {options.seeds} histories differ")


if __name__ == "__main__":
    main()
