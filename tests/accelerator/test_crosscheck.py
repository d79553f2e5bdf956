"""The check of the accelerator reports no false differences."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given, settings

from streams.implementation import choose
from streams.scoring.event import ANONYMOUS, USER, Control, Erase, Identity, Join, LeadEvent, Retract
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from tests.accelerator.columns import batch_of
from tests.properties.strategies import a_model, chances, events_of, some_inputs


def some_items(chance: Random, rules: Rules) -> list[LeadEvent | Control]:
    """Events of some leads, and a few control records."""
    found = [msgspec.structs.replace(e, lead_id=i) for i in "abcdefgh" for e in events_of(rules, some_inputs(chance))]
    found.sort(key=lambda event: event.arrival)
    items: list[LeadEvent | Control] = [*found]
    for _ in range(5):
        event = chance.choice(found)
        lead_id, arrival = event.lead_id, event.arrival
        controls = (
            Retract(lead_id, event.message_id, arrival),
            Join(Identity(ANONYMOUS, lead_id), Identity(USER, "z"), arrival),
            Erase(lead_id, arrival),
        )
        items.insert(chance.randrange(len(items)), chance.choice(controls))
    return items


@settings(max_examples=50, deadline=None)
@given(chances)
def test_random_steps_cause_no_false_difference(chance: Random) -> None:
    rules = Rules(a_model(chance))
    scorer, items = choose("check").scorer(rules, lambda lead_id: True), some_items(chance, rules)
    stored: dict[str, bytes | None] = {}
    first = 0
    while first < len(items):
        for _ in range(chance.randint(1, 2)):
            step = items[first : first + chance.randint(1, 30)]
            batch = batch_of(rules, step, first)
            for lead_id in scorer.missing(batch):
                scorer.put_lead(lead_id, stored.get(lead_id))
            scorer.apply_batch(batch)
            first += len(step)
        stored |= scorer.finish().all_blobs()
        known = [lead_id for lead_id in stored if scorer.knows(lead_id)]
        if chance.random() < 0.3:
            scorer.update_ranking(known)
            scorer.finish()
        if chance.random() < 0.3:
            scorer.advance_due(known, items[first - 1].arrival + chance.choice((0, 1, 10**6, 10**8)))
            scorer.finish()
        if chance.random() < 0.05:
            scorer.change_rules(RulesChange(rules, Rules(rules.model), items[first - 1].arrival))
        if chance.random() < 0.05:
            scorer.clear()
