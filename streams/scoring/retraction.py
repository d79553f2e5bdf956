"""Taking back what an event gave: it came from a machine, not from a person.

A lead remembers its recent events one by one (``Lead.recent``): when each happened and as which signals it was
counted. What was counted under a limit frees its place for the next event of the bucket that is remembered.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from streams.scoring.lead import Lead, detail_key
from streams.scoring.rules import Rules


class Given(NamedTuple):
    """One signal that an event was counted as."""

    digest: bytes
    """The hash of the event's message id."""
    signal: int
    row: list[Any]
    """[ms after base, message id, amount, value hash], as windows have it."""

    @property
    def key(self) -> bytes:
        """Under which its amount and value are kept."""
        return detail_key(self.digest, self.row[0], self.signal)


def given(lead: Lead) -> list[Given]:
    """What is remembered of the recent events, the oldest first."""
    details = lead.details
    return [
        Given(digest, signal, [at, *details.get(detail_key(digest, at, signal), _PLAIN)])
        for digest, at, signals in lead.remembered()
        for signal in signals
    ]


def take_back(rules: Rules, lead: Lead, digest: bytes) -> bool:
    """Undo what the event with this id was counted as; False where it is not among the recent ones."""
    everything = given(lead)
    gone = [item for item in everything if item.digest == digest]
    if not gone:
        return False
    kept = [item for item in everything if item.digest != digest]
    _forget(lead, digest)
    lead.note_id(digest)
    for item in gone:
        lead.details.pop(item.key, None)
        rule = rules.by_id.get(item.signal)
        if rule is None:
            continue  # a signal that the scorecards no longer have
        if rule.counter is None:
            lead.undo(item.signal, rule.inverse_half_life, item.row[0], item.row[2])
        else:
            rule.counter.undo(lead, item.row, [other.row for other in kept if other.signal == item.signal])
    return True


def _forget(lead: Lead, digest: bytes) -> None:
    others = [entry for entry in lead.remembered() if entry[0] != digest]
    lead.recent, lead.sets = b"", []
    for entry in others:
        lead.remember(*entry)


_PLAIN = ("", 1, 0)
"""Message id, amount and value of an event whose signal asks for none of them."""
