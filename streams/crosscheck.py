"""Compare the accelerator with the reference on a sample of every batch (LEADGLOW_ACCELERATOR=check)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any

from streams.events.codec import Codec, Decoded, LeadCodec, Owner
from streams.scoring.interface import Batch, LeadScorer, PlainBatch
from streams.scoring.outcome import Outcome
from streams.scoring.rules_change import RulesChange
from streams.scoring.scorer import Scorer
from streams.scoring.stored import VERSION
from streams.scoring.stored_rows import DECODERS

EVERY = 16
"""One in so many leads of a batch is checked; in turn, every lead is."""


class Difference(Exception):
    """The results of accelerator and reference differ. The message contains no values, which are personal data."""

    def __init__(self, about: str, found: object, expected: object) -> None:
        detail = _describe_difference(found, expected)
        super().__init__(f"the accelerator and the reference differ in {about} ({detail})")


class CheckedCodec:
    """An accelerated codec, checked by the reference for one record of EVERY."""

    def __init__(self, codec: LeadCodec, reference: Codec) -> None:
        self._codec = codec
        self._reference = reference
        self._turn = 0

    def decode_batch(self, records: Sequence[Any], owners: Sequence[Owner]) -> Decoded[Any]:
        """Read records in order.

        Raises:
            Difference: the two codecs read a record of the sample differently.
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
    """An accelerated scorer, checked by the reference for a sample of the leads of each step.

    The whole outcome of these leads is compared before the step is committed. Other calls go to the accelerator only.
    """

    def __init__(self, scorer: LeadScorer[Any], reference: Scorer) -> None:
        self._scorer = scorer
        self._reference = reference
        self._turn = 0
        self._seen = set[str]()
        """Leads of this step so far; one that was not in the sample at first cannot join it later."""
        self._offsets = set[int]()
        """Offsets of the inputs of the sample."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def __len__(self) -> int:
        return len(self._scorer)

    @property
    def since_ms(self) -> int:
        """When these rules came into force: the clock of a new lead is not before that."""
        return self._scorer.since_ms

    @since_ms.setter
    def since_ms(self, value: int) -> None:
        self._scorer.since_ms = self._reference.since_ms = value

    @property
    def is_upgrading(self) -> int:
        """When the last record arrived that an earlier version may have scored, which does not forget leads; else 0."""
        return self._scorer.is_upgrading

    @is_upgrading.setter
    def is_upgrading(self, value: int) -> None:
        self._scorer.is_upgrading = self._reference.is_upgrading = value

    def change_rules(self, change: RulesChange) -> None:
        """Use other rules from now on."""
        self._scorer.change_rules(change)
        self._reference.change_rules(change)

    def finish_change(self) -> None:
        """Note that every lead was settled by the last change, and seen by this version."""
        self._scorer.finish_change()
        self._reference.finish_change()

    def apply_batch(self, batch: Batch) -> None:
        """Apply the inputs of a batch."""
        lead_ids = [batch.lead_id(i) for i in range(len(batch))]
        sample = self._sample(lead_ids)
        self._copy_to_reference(sample)
        inputs = [(batch.offset(i), batch.input(i)) for i, lead_id in enumerate(lead_ids) if lead_id in sample]
        self._offsets.update(offset for offset, _ in inputs)
        self._scorer.apply_batch(batch)
        self._reference.apply_batch(PlainBatch(inputs))

    def advance_due(self, lead_ids: Iterable[str], now_ms: int) -> None:
        """Apply the changes that fell due."""
        lead_ids = list(lead_ids)
        sample = self._sample(lead_ids)
        self._copy_to_reference(sample)
        self._scorer.advance_due(lead_ids, now_ms)
        self._reference.advance_due(sample, now_ms)

    def update_ranking(self, lead_ids: Iterable[str]) -> None:
        """Work out the ranking and the due time of leads that earlier steps changed."""
        lead_ids = list(lead_ids)
        sample = self._sample(lead_ids)
        self._copy_to_reference(sample)
        self._scorer.update_ranking(lead_ids)
        self._reference.update_ranking(sample)

    def finish(self) -> Outcome:
        """What the step changed.

        Raises:
            Difference: the outcome of the reference is different.
        """
        outcome, expected = self._scorer.finish(), self._reference.finish()
        stored = outcome.all_blobs() if self._reference.states else {}
        for lead_id in self._reference.states:
            actual, wanted = _of(outcome, stored, lead_id), _of(expected, expected.blobs, lead_id)
            for about, value in actual.items():
                _require_same(f"{about} of a lead", value, wanted[about])
        forwards = [forward for forward in outcome.forwards if forward.at in self._offsets]
        _require_same("the inputs forwarded to other leads", forwards, expected.forwards)
        self._begin_step()
        return outcome

    def _begin_step(self) -> None:
        self._reference.clear()
        self._seen.clear()
        self._offsets.clear()
        self._turn = (self._turn + 1) % EVERY

    def _sample(self, lead_ids: list[str]) -> set[str]:
        """One lead of EVERY, and those that are already in the sample."""
        first = self._turn % max(len(lead_ids), 1)
        sample = set(lead_ids[first::EVERY]) - self._seen | (self._reference.states.keys() & lead_ids)
        self._seen.update(lead_ids)
        return sample

    def _copy_to_reference(self, lead_ids: Iterable[str]) -> None:
        """Copy leads to the reference as they are before the step."""
        for lead_id in lead_ids:
            if lead_id not in self._reference.states:
                self._reference.states[lead_id] = deepcopy(self._scorer.state(lead_id))


def _require_same(about: str, found: object, expected: object) -> None:
    if found != expected:
        raise Difference(about, found, expected)


def _describe_difference(found: Any, expected: Any) -> str:
    """Name the fields that differ, or count them."""
    if type(found) is not type(expected):
        return f"{type(found).__name__} instead of {type(expected).__name__}"
    if isinstance(found, bytes):
        rows = _read_row(found), _read_row(expected)
        return _describe_difference(*rows) if all(rows) else f"{len(found)} bytes, expected {len(expected)}"
    if isinstance(found, dict):
        found, expected = list(found.items()), list(expected.items())
    if isinstance(found, list):
        count = sum(a != b for a, b in zip(found, expected, strict=False))
        return f"{len(found)} values, expected {len(expected)}; of the common ones, {count} differ"
    names: Any = getattr(found, "__struct_fields__", None) or getattr(found, "__dataclass_fields__", ())
    wrong = [name for name in names if getattr(found, name) != getattr(expected, name)]
    return f"fields {', '.join(wrong)}" if wrong else type(found).__name__


def _read_row(blob: bytes) -> Any:
    """The row of a stored lead; None for anything else."""
    with suppress(ValueError):
        return DECODERS[VERSION](blob)
    return None


def _of(outcome: Outcome, stored: dict[str, bytes | None], lead_id: str) -> dict[str, Any]:
    """Everything that a step decided about one lead."""
    return {
        "the stored form": stored.get(lead_id, b""),
        "the due time": outcome.due.get(lead_id, 0),
        "the ranking": {card: scores[lead_id] for card, scores in outcome.ranks.items() if lead_id in scores},
        "the mark for publishing": lead_id in outcome.dirty,
        "the transitions": [(c.transition, c.snapshot) for c in outcome.crossings if c.transition.lead_id == lead_id],
    }
