"""What a shard tells the accounts of its leads: scores that are not those told last. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from streams.scoring.account_state import Place
from streams.scoring.accounts import values_of
from streams.scoring.event import Contribution
from streams.scoring.interface import LeadScorer
from streams.scoring.outcome import Forward, Outcome
from streams.scoring.score import Standing, published

MAX_TOLD = 1_000_000
"""Leads of which it is remembered what was told; a full memory is cleared, and everything is told once more."""


class Moment(NamedTuple):
    """When and why scores are read."""

    offset: int
    """The offset after the last record that they contain."""
    at_ms: int
    """The instant; never before an earlier one, nor before the last record."""
    cause: str


class Told:
    """What one process told the accounts of the leads of a shard."""

    def __init__(self, latest_ms: int = 0) -> None:
        """Start without knowing anything but the latest instant at which a score was read."""
        self.latest_ms = latest_ms
        self.trusted = False
        """Whether the shard has caught up with its log since it was opened. Before, each reading is told: accounts may
        know something that a former run of the same log told, and that other batches hide from this one."""
        self._scores: dict[str, tuple[Place, dict[str, int | None]]] = {}
        """Lead id -> the place of the last reading, and the score by each scorecard with accounts."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, bytes]) -> Told:
        """Read the latest instant from the fields of a control record."""
        return cls(int(fields.get("told", b"0")))

    def to_fields(self) -> dict[str, bytes]:
        """The fields for the control record; none without accounts."""
        return {"told": b"%d" % self.latest_ms} if self.latest_ms else {}

    def end_records(self, scorer: LeadScorer[Any]) -> Outcome:
        """End a step of records: its leads are told in a later step, and those that moved as if for the first time."""
        outcome = scorer.finish()
        self.forget(outcome.moved)
        return outcome

    def end_step(self, scorer: LeadScorer[Any], lead_ids: Iterable[str], moment: Moment) -> Outcome:
        """End a step without records, and add to its outcome what these leads tell accounts."""
        outcome = self.end_records(scorer)
        rules_before = scorer.change.old if scorer.change is not None else scorer.rules
        if scorer.rules.accounts or rules_before.accounts:
            at_ms = self.latest_ms = max(moment.at_ms, self.latest_ms)
            found = self.tell(scorer, lead_ids, moment._replace(at_ms=at_ms))
            outcome.forwards = at_offset(outcome.forwards, moment.offset) + found
        return outcome

    def forget(self, lead_ids: Iterable[str]) -> None:
        """Forget what was told of leads that are in other accounts now."""
        for lead_id in lead_ids:
            self._scores.pop(lead_id, None)

    def tell(self, scorer: LeadScorer[Any], lead_ids: Iterable[str], moment: Moment) -> list[Forward]:
        """The contributions of these leads, as they are now, without those that were told; they count as told."""
        if not scorer.rules.accounts:
            return []
        wanted: dict[str, tuple[Place, dict[str, int | None]]] = {}
        for lead_id, standings in scorer.standings(lead_ids, moment.at_ms).items():
            place, scores = _read(scorer, standings, moment.offset)
            known = self._scores.get(lead_id)
            if known is None or (place > known[0] and scores != known[1]):
                wanted[lead_id] = place, scores
        states = scorer.states_of(list(wanted)) if wanted else {}
        quiet = scorer.change is not None and scorer.change.quiet
        found: list[Forward] = []
        for lead_id, (place, scores) in wanted.items():
            known = self._scores.get(lead_id)
            for card, value in values_of(scorer.rules, states[lead_id]).items():
                if known is None or known[1].get(card, -1) != scores[card]:
                    told = (card, value, lead_id, scores[card], *place, place[1], moment.cause, quiet)
                    contribution = Contribution(*told)
                    found.append(Forward(contribution.lead_id, contribution, moment.offset))
        self._remember(wanted)
        return found

    def _remember(self, told: Mapping[str, tuple[Place, dict[str, int | None]]]) -> None:
        if self.trusted:
            if len(self._scores) >= MAX_TOLD:
                self._scores.clear()
            self._scores.update(told)


def _read(scorer: LeadScorer[Any], standings: Iterable[Standing], offset: int) -> tuple[Place, dict[str, int | None]]:
    """The place of a reading, and the published score by each scorecard with accounts; None if it does not apply."""
    each = list(zip(scorer.rules.cards, standings, strict=True))
    scores = {
        card.name: published(standing.score.exact) if standing.applies else None
        for card, standing in each
        if card.accounts is not None
    }
    return (offset, each[0][1].at_ms), scores


def at_offset(forwards: Iterable[Forward], offset: int) -> list[Forward]:
    """The forwards of a step without records: a lead leaves an account after the last record."""
    found = []
    for each in forwards:
        item = each.item
        if isinstance(item, Contribution):
            item = msgspec.structs.replace(item, offset=offset)
        found.append(Forward(each.target, item, offset))
    return found
