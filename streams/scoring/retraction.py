"""Undo an event that came from a machine, not from a person.

A lead remembers its recent events (``Lead.recent``): the time of each and the signals that it counted as. Under a
limit, the next remembered event of the same bucket takes the place of the undone one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from streams.scoring.lead import Lead, detail_key
from streams.scoring.rules import Rules
from streams.scoring.verdicts import without_event


class CountedSignal(NamedTuple):
    """One signal that a recent event was counted as."""

    digest: bytes
    """The hash of the event's message id."""
    signal: int
    row: list[Any]
    """[ms after base, message id, amount, value hash], as in ``Ledger.entries``."""

    @property
    def key(self) -> bytes:
        """Its key in ``Lead.details``."""
        return detail_key(self.digest, self.row[0], self.signal)


def counted_signals(lead: Lead) -> list[CountedSignal]:
    """Everything that the recent events counted as, oldest first."""
    details = lead.details
    return [
        CountedSignal(digest, signal, [at, *details.get(detail_key(digest, at, signal), _PLAIN)])
        for digest, at, signals, _ in lead.remembered()
        for signal in signals
    ]


def retract_event(rules: Rules, lead: Lead, digest: bytes, counted_as: Sequence[Sequence[Any]] = ()) -> bool:
    """Undo the event with this message id hash; False if it is unknown how it was counted.

    ``counted_as``: what a lead that was merged into this one remembers of the event, see ``Retract.counted_as``.
    """
    everything = counted_signals(lead)
    gone = [item for item in everything if item.digest == digest]
    if gone:
        _forget(lead, digest)
        lead.note_id(digest)
    elif not was_retracted(lead, digest):
        gone = [
            CountedSignal(digest, signal, [at - lead.base, *detail])
            for signal, at, *detail in counted_as
            if at > abs(lead.erased_at)  # what was erased or forgotten is gone
        ]
    if not gone:
        return False
    kept = [item for item in everything if item.digest != digest]
    for item in gone:
        _undo(rules, lead, item, kept)
    return True


def _undo(rules: Rules, lead: Lead, item: CountedSignal, kept: Iterable[CountedSignal]) -> None:
    lead.details.pop(item.key, None)
    rule = rules.by_id.get(item.signal)
    if rule is None or item.signal not in lead.signals:
        return  # the scorecards no longer have this signal, or the lead has lost it
    if rule.counter is None:
        lead.undo(item.signal, rule.inverse_half_life, item.row[0], item.row[2])
    else:
        rule.counter.undo(lead, item.row, [other.row for other in kept if other.signal == item.signal])


def forget_event(lead: Lead, digest: bytes) -> list[tuple[int, int, str, float, int]]:
    """Forget all but the id of an event; return how it was counted, see ``Retract.counted_as``."""
    gone = [item for item in counted_signals(lead) if item.digest == digest]
    if gone:
        _forget(lead, digest)
        lead.note_id(digest)
    for item in gone:
        lead.details.pop(item.key, None)
    return [(item.signal, item.row[0] + lead.base, *item.row[1:]) for item in gone]


def note_retracted(lead: Lead, digest: bytes) -> None:
    """Remember that the event with this id was retracted."""
    lead.note_id(_inverted(digest))


def take_back_verdict(lead: Lead, digest: bytes) -> bool:
    """Forget the verdict in the event with this message id hash; False if there is none."""
    kept = without_event(lead.verdicts, digest)
    is_gone, lead.verdicts = len(kept) < len(lead.verdicts), kept
    return is_gone


def was_retracted(lead: Lead, digest: bytes) -> bool:
    """Whether this event is remembered as retracted."""
    return lead.knows(_inverted(digest))


def _inverted(digest: bytes) -> bytes:
    """The id that is kept beside the id of a retracted event."""
    return digest.translate(_INVERTED_BYTES)


def _forget(lead: Lead, digest: bytes) -> None:
    others = [entry for entry in lead.remembered() if entry[0] != digest]
    lead.recent, lead.sets = b"", []
    for entry in others:
        lead.remember(*entry)


_INVERTED_BYTES = bytes(range(255, -1, -1))
_PLAIN = ("", 1, 0)
"""Message id, amount and value for a signal that uses none of them."""
