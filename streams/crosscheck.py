"""LEADGLOW_ACCELERATOR=check: the reference reads and scores a sample of every batch again, for comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

from streams.events.codec import Codec, Decoded, LeadCodec, Owner
from streams.scoring.interface import Batch, LeadScorer, PlainBatch
from streams.scoring.outcome import Outcome
from streams.scoring.rules import Rules
from streams.scoring.scorer import Scorer

EVERY = 16
"""One lead of so many is checked in a batch, each at some time."""


class Difference(Exception):
    """The accelerator comes to another result than the reference."""

    def __init__(self, about: str, mine: object, theirs: object) -> None:
        super().__init__(f"{about}: the accelerator says {mine!r:.200}, the reference {theirs!r:.200}")


class CheckedCodec:
    """An accelerated codec, and the reference for one record of EVERY."""

    def __init__(self, codec: LeadCodec, reference: Codec) -> None:
        self._codec = codec
        self._reference = reference
        self._turn = 0

    def decode_batch(self, records: Sequence[Any], owners: Sequence[Owner]) -> Decoded[Any]:
        """Read records in order.

        Raises:
            Difference: a record of the sample is read in two ways.
        """
        decoded = self._codec.decode_batch(records, owners)
        self._turn = (self._turn + 1) % EVERY
        sample = slice(self._turn % max(len(records), 1), None, EVERY)
        expected = self._reference.decode_batch(records[sample], owners[sample])
        batch: Batch = decoded.batch
        places = {batch.offset(i): i for i in range(len(batch))}
        rejects = {record.offset: reject for record, reject in decoded.rejects}
        wanted: dict[int, Any] = {record.offset: reject for record, reject in expected.rejects}
        wanted |= {expected.batch.offset(i): expected.batch.input(i) for i in range(len(expected.batch))}
        for record in records[sample]:
            at = record.offset
            found: Any = batch.input(places[at]) if at in places else rejects.get(at)
            _require_same(f"the record at offset {at}", found, wanted.get(at))
        return decoded


class CheckedScorer:
    """An accelerated scorer, and the reference for a sample of the leads of each step. All else is the accelerator's.

    What is checked is the whole outcome of these leads, so that a wrong step is found before it is committed.
    """

    def __init__(self, scorer: LeadScorer[Any], reference: Scorer) -> None:
        self._scorer = scorer
        self._reference = reference
        self._turn = 0
        self._seen = set[str]()
        """Leads of this step so far: one that was no part of the sample cannot become one."""
        self._offsets = set[int]()
        """Of the inputs of the sample."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def __len__(self) -> int:
        return len(self._scorer)

    @property
    def rescoring(self) -> bool:
        """Whether the scorecards changed and not every lead was read by the new ones yet."""
        return self._scorer.rescoring

    @rescoring.setter
    def rescoring(self, value: bool) -> None:
        self._scorer.rescoring = self._reference.rescoring = value

    def use_rules(self, rules: Rules) -> None:
        """Score by other rules from here on."""
        self._scorer.use_rules(rules)
        self._reference.use_rules(rules)

    def apply_batch(self, batch: Batch) -> None:
        """Apply the inputs."""
        lead_ids = [batch.lead_id(i) for i in range(len(batch))]
        sample = self._sample(lead_ids)
        self._borrow(sample)
        inputs = [(batch.offset(i), batch.input(i)) for i, lead_id in enumerate(lead_ids) if lead_id in sample]
        self._offsets.update(offset for offset, _ in inputs)
        self._scorer.apply_batch(batch)
        self._reference.apply_batch(PlainBatch(inputs))

    def advance_due(self, lead_ids: Iterable[str], now_ms: int) -> None:
        """Do what fell due."""
        lead_ids = list(lead_ids)
        sample = self._sample(lead_ids)
        self._borrow(sample)
        self._scorer.advance_due(lead_ids, now_ms)
        self._reference.advance_due(sample, now_ms)

    def update_ranking(self, lead_ids: Iterable[str]) -> None:
        """Read leads that steps have changed."""
        lead_ids = list(lead_ids)
        sample = self._sample(lead_ids)
        self._borrow(sample)
        self._scorer.update_ranking(lead_ids)
        self._reference.update_ranking(sample)

    def finish(self) -> Outcome:
        """What the step changed.

        Raises:
            Difference: the reference comes to something else.
        """
        outcome, expected = self._scorer.finish(), self._reference.finish()
        stored = outcome.all_blobs() if self._reference.states else {}
        for lead_id in self._reference.states:
            mine, theirs = _of(outcome, stored, lead_id), _of(expected, expected.blobs, lead_id)
            for about, value in mine.items():
                _require_same(f"{about} of lead {lead_id}", value, theirs[about])
        forwards = [forward for forward in outcome.forwards if forward.at in self._offsets]
        _require_same("what is sent on to other leads", forwards, expected.forwards)
        self._begin_step()
        return outcome

    def _begin_step(self) -> None:
        self._reference.clear()
        self._seen.clear()
        self._offsets.clear()
        self._turn = (self._turn + 1) % EVERY

    def _sample(self, lead_ids: list[str]) -> set[str]:
        """One lead of EVERY, and those that are checked already."""
        first = self._turn % max(len(lead_ids), 1)
        sample = set(lead_ids[first::EVERY]) - self._seen | (self._reference.states.keys() & lead_ids)
        self._seen.update(lead_ids)
        return sample

    def _borrow(self, lead_ids: Iterable[str]) -> None:
        """Give the reference copies of leads as they are before the step."""
        for lead_id in lead_ids:
            if lead_id not in self._reference.states:
                self._reference.states[lead_id] = deepcopy(self._scorer.state(lead_id))


def _require_same(about: str, mine: object, theirs: object) -> None:
    if mine != theirs:
        raise Difference(about, mine, theirs)


def _of(outcome: Outcome, stored: dict[str, bytes | None], lead_id: str) -> dict[str, Any]:
    """Everything that a step decided about one lead."""
    return {
        "the stored form": stored.get(lead_id, b""),
        "the due time": outcome.due.get(lead_id, 0),
        "the ranking": {card: scores[lead_id] for card, scores in outcome.ranks.items() if lead_id in scores},
        "what is to be published": lead_id in outcome.dirty,
        "transitions": [(c.transition, c.snapshot) for c in outcome.crossings if c.transition.lead_id == lead_id],
    }
