"""Inputs of a step in columns, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.accelerator.layout import Column
from streams.accelerator.pointers import Text
from streams.scoring.event import Control, LeadEvent


@dataclass(slots=True)
class ColumnBatch:
    """Plain events, of which most need no object of their own, and inputs that have one."""

    text: Text
    """Where the lead ids stand."""
    lead_at: Column
    lead_size: Column
    kinds: Column
    """Places in ``known_kinds``; negative for what is not plain."""
    known_kinds: list[tuple[str, tuple[Any, ...]]]
    """What signals name in ``event``, and the values of ``Rules.paths``: texts, truths, numbers, None. The same list in
    batch after batch, which grows until the reader begins another one."""
    digests: Column
    """The hashes of the message ids, as whole numbers."""
    arrivals: Column
    ats: Column
    known: Column
    offset: Callable[[int], int]
    event: Callable[[int], LeadEvent]
    """Makes the object of a plain event."""
    alone: Mapping[int, LeadEvent | Control] = field(default_factory=dict)
    """Place in the batch -> an input that is not plain."""
    rows: Column = field(default_factory=lambda: np.zeros(0, np.int64))
    """Where the scorer has the leads; filled in by it."""
    strangers: dict[int, str] = field(default_factory=dict)
    """Place in the batch -> a lead that the scorer had in no row; filled in by it."""

    def __len__(self) -> int:
        return len(self.kinds)

    def lead_id(self, i: int) -> str:
        """Whose the i-th input is."""
        at = int(self.lead_at[i])
        return self.text.bytes[at : at + int(self.lead_size[i])].decode()

    def input(self, i: int) -> LeadEvent | Control:
        """The i-th input."""
        return self.alone[i] if i in self.alone else self.event(i)
