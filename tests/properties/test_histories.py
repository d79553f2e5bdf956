"""Histories of joined leads: the scorer agrees with a sequential reference that keeps everything."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from streams.scoring.lead import Lead
from streams.scoring.stored import decode
from tests.faults.oracle import facts
from tests.properties.driver import ShardDriver, transition_fields
from tests.properties.histories import DELAYS, a_history, check, play

pytestmark = pytest.mark.usefixtures("implementation")


@pytest.mark.parametrize("delay", DELAYS)
def test_scores_stages_and_alerts_are_those_of_a_sequential_reference(delay: float) -> None:
    first = 200 * DELAYS.index(delay)
    assert [line for seed in range(first, first + 70) for line in check(seed, delay)] == []


@pytest.mark.parametrize("delay", DELAYS)
def test_a_rebuild_gives_the_states_and_alert_ids_of_the_live_run(delay: float) -> None:
    """The log has what leads that were joined sent to each other; the rebuild sends it again, and it is ignored."""
    first = 5000 + 200 * DELAYS.index(delay)
    for seed in range(first, first + 12):
        chance = Random(seed)
        model, items = a_history(chance)
        _, live = play(chance, model, items, delay)
        rebuilt = ShardDriver(live.rules)
        for record in live.log:
            rebuilt.take(record, chance.choice(("", "step", "reload")))
        rebuilt.cut("step")
        for lead_id in live.blobs:
            if isinstance(state := live.state(lead_id), Lead):
                rebuilt.advance_lead(lead_id, state.clock)
        assert states_of(live) == states_of(rebuilt), seed
        assert by_lead(live) == by_lead(rebuilt), seed


def states_of(shard: ShardDriver) -> dict[str, dict[str, Any]]:
    return {name: facts(decode(blob)) for name, blob in shard.blobs.items()}


def by_lead(shard: ShardDriver) -> list[tuple[object, ...]]:
    """The stage changes of each lead in order; those of different leads come in any order."""
    return transition_fields(sorted(shard.transitions, key=lambda t: t.lead_id))
