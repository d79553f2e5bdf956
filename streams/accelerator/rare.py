"""Keep the rarely used parts of leads in the table: stages, traits, campaigns, aliases, and amounts of recent events.

They are stored encoded; those that a step changes are decoded until its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from streams.accelerator.fitting import has_amounts
from streams.accelerator.layout import Column
from streams.scoring.event import LeadEvent
from streams.scoring.identity import note_touch, note_traits
from streams.scoring.lead import ID_BYTES, RECENT, Lead
from streams.scoring.rules import Hit, Rules
from streams.scoring.scorer import note_detail
from streams.scoring.stored import NO_HEAD, NO_TAIL, decode_head, decode_tail, encode_apart, encode_details

_COMPARED: Final = (str, int, bool, float)
"""Types of values that are compared; any other value counts as changed."""
_NOTHING: Final = (b"", b"")
_EVENT_BYTES: Final = 12
"""Size of the part of a ``detail_key`` that identifies the event; the signal follows."""


class Noted(NamedTuple):
    """What ``RareParts.note`` did."""

    row: int
    traits: dict[str, list[Any]]
    """Those before."""
    touches: list[list[Any]]
    """Those before."""
    left_out: int
    """How many of the traits were left out."""
    fits: list[float] | None
    """The fits on all scorecards, if a trait that these read has another value now."""


class RareParts:
    """The rarely used parts of the rows of a table."""

    def __init__(self, leads: Column, remembered: Callable[[int], set[tuple[int, int]]]) -> None:
        """``leads`` are the rows; ``remembered`` returns the events of a row: (digest, ms after base)."""
        self._leads = leads
        self._remembered = remembered
        self._encoded: dict[int, tuple[bytes, bytes]] = {}
        """Row -> result of ``encode_apart``."""
        self._changed: dict[int, Lead] = {}
        """Row -> a lead with only these parts, as changed by the current step."""
        self._details: dict[int, dict[bytes, list[Any]]] = {}
        """Row -> amounts of recent events, and of some events that the lead no longer remembers."""

    def put(self, row: int, lead: Lead) -> bool:
        """Store the parts of a lead in an empty row; return whether it has any."""
        apart, amounts = encode_apart(lead), has_amounts(lead)
        if apart[0]:
            self._encoded[row] = apart
        if amounts:
            self._details[row] = lead.details
        rare = bool(apart[0]) or amounts
        self._leads["rare"][row], self._leads["amounts"][row] = rare, amounts
        return rare

    def remove(self, row: int) -> None:
        """Forget the parts of a row."""
        for parts in (self._encoded, self._changed, self._details):
            parts.pop(row, None)
        self._leads["rare"][row], self._leads["amounts"][row] = 0, 0

    def leads(self) -> Iterator[tuple[int, Lead]]:
        """Rows with a lead that has only these parts."""
        for row in self._encoded.keys() | self._changed.keys():
            yield row, self.lead(row)

    def lead(self, row: int) -> Lead:
        """A lead with only these parts of a row, for reading only."""
        if (lead := self._changed.get(row)) is not None:
            return lead
        lead = Lead(0)
        head, tail = self._encoded.get(row, _NOTHING)
        if head:
            decode_head(lead, head)
            decode_tail(lead, tail)
        return lead

    def note(self, row: int, event: LeadEvent, rules: Rules) -> Noted:
        """Note traits and campaign of an event."""
        lead = self._changed[row] = self.lead(row)
        self._leads["rare"][row] = 1
        traits, touches = lead.traits, lead.touches
        if event.touch is not None:
            note_touch(lead, [event.at, *event.touch])
        left_out, fits = 0, None
        if event.traits:
            lead.traits = dict(traits)
            left_out = note_traits(lead, event, rules.traits)
            read = rules.traits.intersection(event.traits)
            if not all([_is_same(traits.get(name), lead.traits.get(name)) for name in read]):  # noqa: C419 - faster
                fits = [card.fit.of(lead.trait_values()) for card in rules.cards]
        return Noted(row, traits, touches, left_out, fits)

    def undo(self, noted: Noted) -> None:
        """Undo ``note``, the latest one of this lead first."""
        lead = self._changed[noted.row]
        lead.traits, lead.touches = noted.traits, noted.touches

    def note_detail(self, row: int, event: LeadEvent, hit: Hit) -> None:
        """Note the amount of a recent event; the kernel has set ``amounts``."""
        note_detail(self._details.setdefault(row, {}), int(self._leads[row]["base"]), event, hit)
        self._leads["rare"][row] = 1

    def texts(self, rows: Sequence[int]) -> Iterator[bytes]:
        """Three texts for each of the rows that has such parts: before windows, before details, and details."""
        for row in rows:
            if (lead := self._changed.get(row)) is not None:
                self._encoded[row] = encode_apart(lead)
            head, tail = self._encoded.get(row, _NOTHING)
            details = self._kept_details(row)
            if head or details:
                yield from (head or NO_HEAD, tail or NO_TAIL, details)
            else:
                self.remove(row)

    def end_step(self) -> None:
        """Keep only the encoded parts; ``texts`` was called for all changed rows."""
        self._changed.clear()

    def _kept_details(self, row: int) -> bytes:
        """The encoded details of the events that a lead remembers."""
        details = self._details.get(row)
        if details is None:
            return b""
        if self._leads[row]["recents"] == RECENT:  # it may have forgotten some
            remembered = self._remembered(row)
            for key in [key for key in details if _event_of(key) not in remembered]:
                del details[key]
        if details:
            return encode_details(details)
        del self._details[row]
        self._leads["amounts"][row] = 0
        return b""


def _event_of(key: bytes) -> tuple[int, int]:
    """The digest and the time of the event in a ``detail_key``."""
    return int.from_bytes(key[:ID_BYTES]), int.from_bytes(key[ID_BYTES:_EVENT_BYTES], signed=True)


def _is_same(old: list[Any] | None, new: list[Any] | None) -> bool:
    """Whether two rows of a trait have equal values of a simple type."""
    if old is None or new is None:
        return old is new
    return type(old[0]) is type(new[0]) in _COMPARED and old[0] == new[0]
