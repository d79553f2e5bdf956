"""A lead remembers where its recent events are in the log."""

from typing import Any

import pytest

from streams.scoring.event import ANONYMOUS, USER, Identity, Join, Retract
from streams.scoring.interface import Batch, LeadScorer
from streams.scoring.lead import RECENT, Lead, id_hash
from streams.scoring.replay import Input, Replay
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from streams.scoring.stored import decode, encode
from tests.properties.strategies import START_MS, Fact
from tests.support.implementations import in_use, make_batch

pytestmark = pytest.mark.usefixtures("implementation")

RULES = Rules(Model((Signal("view", ("page",)),), (Scorecard("card", {"view": Points(1.0)}),)))
FAR = 2**32 + 2**31


def page(number: int, lead_id: str = "u") -> Fact:
    return Fact("page", f"m{number}-{lead_id}", START_MS + number)


def places(lead: object) -> list[tuple[int, int]]:
    assert isinstance(lead, Lead)
    return [(at + lead.base - START_MS, offset) for _, at, _, offset in lead.remembered()]


def test_the_last_four_bytes_of_the_offsets_are_kept() -> None:
    scorer = in_use().scorer(RULES, lambda lead_id: True)
    for first in range(0, 90, 30):
        events = [page(i).event(RULES, START_MS + 90, "u") for i in range(first, first + 30)]
        batch = make_batch(RULES, events, FAR + first)
        for lead_id in scorer.missing(batch):
            scorer.put_lead(lead_id, None)
        scorer.apply_batch(batch)
        scorer.finish()
    kept = [(i, 2**31 + i) for i in range(90 - RECENT, 90)]
    lead = scorer.state("u")
    assert places(lead) == kept
    assert isinstance(lead, Lead)
    assert places(decode(encode(lead))) == kept


class Driven(Replay):
    """A replay by the implementation in use, with offsets."""

    def make_scorer(self) -> LeadScorer[Any]:
        return in_use().scorer(self.rules, self._at_home)

    def make_batch(self, inputs: list[tuple[int, Input]]) -> Batch:
        ((offset, item),) = inputs
        return make_batch(self.rules, [item], offset)


def test_a_join_keeps_the_places_of_both_and_a_retraction_those_of_the_others() -> None:
    replay = Driven(RULES)
    for offset, (number, lead_id) in enumerate(((0, "a"), (1, "u"), (2, "a"), (3, "u")), 70):
        replay.play(page(number, lead_id).event(RULES, START_MS + 9, lead_id), offset)
    replay.end_step()
    replay.play(Join(Identity(ANONYMOUS, "a"), Identity(USER, "u"), START_MS + 10), 74)
    (forward,) = replay.end_step().forwards
    replay.play(forward.item, 75)
    replay.end_step()
    assert places(replay.state("u")) == [(0, 70), (1, 71), (2, 72), (3, 73)]

    replay.play(Retract("u", "m1-u", START_MS + 11), 76)
    replay.end_step()
    lead = replay.state("u")
    assert places(lead) == [(0, 70), (2, 72), (3, 73)]
    assert isinstance(lead, Lead)
    assert lead.knows(id_hash("m1-u"))
