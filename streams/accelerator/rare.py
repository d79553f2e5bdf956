"""Change traits and campaigns of leads in the table, without making objects of the leads.

Only changes that leave every fit as it is: they change no score, so it does not matter that the kernel has already
applied the events themselves, and other events of these leads.
"""

from __future__ import annotations

from typing import Final

from streams.accelerator.table import Table
from streams.scoring.event import LeadEvent
from streams.scoring.identity import note_touch, note_traits
from streams.scoring.lead import Lead
from streams.scoring.stored import decode_head, decode_tail, encode_apart

_COMPARED: Final = (str, int, bool)
"""Types of values that are compared; any other value counts as changed."""


class RareParts:
    """The rarely used parts of the leads that a batch changes."""

    def __init__(self, table: Table) -> None:
        """Decode nothing yet."""
        self._table = table
        self._leads: dict[int, Lead] = {}
        """Row -> a lead with only these parts."""

    def keeps_fit(self, row: int, event: LeadEvent) -> bool:
        """Whether the traits of an event have the known values wherever a scorecard reads them."""
        if event.traits is None:
            return True
        known = self._lead(row).traits
        return all(
            name in known and type(value) is type(known[name][0]) in _COMPARED and value == known[name][0]
            for name, value in event.traits.items()
            if name in self._table.rules.traits
        )

    def note(self, row: int, event: LeadEvent) -> int:
        """Note traits and campaign of an event; return the number of traits that were left out."""
        if event.arrival <= self._table.leads[row]["erased_at"]:
            return 0
        lead = self._lead(row)
        if event.touch is not None:
            note_touch(lead, [event.at, *event.touch])
        left_out = note_traits(lead, event, self._table.rules.traits)
        if (apart := encode_apart(lead))[0]:
            self._table.rare[row], self._table.leads[row]["rare"] = apart, 1
        return left_out

    def _lead(self, row: int) -> Lead:
        lead = self._leads.get(row)
        if lead is None:
            lead = self._leads[row] = Lead(0)
            head, tail = self._table.rare.get(row, (b"", b""))
            if head:
                decode_head(lead, head)
                decode_tail(lead, tail)
        return lead
