"""Taking back what an event gave: it came from a machine, not from a person.

A lead remembers its recent events one by one (``Lead.recent``): when each happened and as which signals it was
counted. What was counted under a limit frees its place for the next event of the bucket that is remembered.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from streams.scoring.lead import AT_BYTES, ENTRY_BYTES, ID_BYTES, Lead
from streams.scoring.rules import Rules


class Given(NamedTuple):
    """One signal that an event was counted as."""

    entry: bytes
    signal: int
    row: list[Any]
    """[ms after base, message id, amount, value hash], as windows have it."""


def given(lead: Lead) -> list[Given]:
    """What is remembered of the recent events, the oldest first."""
    recent = lead.recent
    found = []
    for start in range(0, len(recent), ENTRY_BYTES):
        entry = recent[start : start + ENTRY_BYTES]
        at = int.from_bytes(entry[ID_BYTES : ID_BYTES + AT_BYTES], "big", signed=True)
        signal = int.from_bytes(entry[ID_BYTES + AT_BYTES :], "big")
        found.append(Given(entry, signal, [at, *lead.details.get(entry, ("", 1, 0))]))
    return found


def take_back(rules: Rules, lead: Lead, digest: bytes) -> bool:
    """Undo what the event with this id was counted as; False where it is not among the recent ones."""
    everything = given(lead)
    gone = [item for item in everything if item.entry.startswith(digest)]
    if not gone:
        return False
    kept = [item for item in everything if not item.entry.startswith(digest)]
    lead.recent = b"".join(item.entry for item in kept)
    lead.note_id(digest)
    for item in gone:
        lead.details.pop(item.entry, None)
        rule = rules.by_id.get(item.signal)
        if rule is None:
            continue  # a signal that the scorecards no longer have
        if rule.counter is None:
            lead.take(item.signal, rule.inverse_half_life, item.row[0], item.row[2])
        else:
            rule.counter.take(lead, item.row, [other.row for other in kept if other.signal == item.signal])
    return True
