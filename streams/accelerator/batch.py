"""Hold the inputs of a step as columns, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.accelerator.layout import Column
from streams.accelerator.pointers import Text
from streams.scoring.event import Control, LeadEvent


@dataclass(slots=True)
class ColumnBatch:
    """Plain events as columns, and all other inputs as objects."""

    text: Text
    """The text that contains the lead ids."""
    lead_at: Column
    lead_size: Column
    kinds: Column
    """Indexes in ``known_kinds``; negative for an input that is not plain."""
    known_kinds: list[tuple[str, tuple[Any, ...]]]
    """Name of the event and values of ``Rules.paths`` (texts, booleans, numbers, None). Batches share this list, which
    grows until the codec starts a new one."""
    digests: Column
    """Hashes of the message ids, as integers."""
    arrivals: Column
    ats: Column
    known: Column
    offsets: Column
    events: Callable[[Sequence[int]], Iterator[LeadEvent]]
    """Makes the objects of plain events, by index."""
    alone: Mapping[int, LeadEvent | Control] = field(default_factory=dict)
    """Index in the batch -> input that is not plain."""
    extras: Mapping[int, LeadEvent] = field(default_factory=dict)
    """Index in the batch -> event that is plain but for its traits or its campaign."""
    rows: Column = field(default_factory=lambda: np.zeros(0, np.int64))
    """Table rows of the leads; set by the scorer."""
    unmatched_ids: dict[int, str] = field(default_factory=dict)
    """Index in the batch -> lead id without a table row; set by the scorer."""

    def __len__(self) -> int:
        return len(self.kinds)

    def lead_id(self, i: int) -> str:
        """The lead of the i-th input."""
        at = int(self.lead_at[i])
        return self.text.bytes[at : at + int(self.lead_size[i])].decode()

    def offset(self, i: int) -> int:
        """The offset of the i-th record."""
        return int(self.offsets[i])

    def input(self, i: int) -> LeadEvent | Control:
        """The i-th input."""
        return self.inputs([i])[0]

    def inputs(self, indexes: Sequence[int]) -> list[LeadEvent | Control]:
        """The inputs with these indexes."""
        given: dict[int, LeadEvent | Control] = {**self.alone, **self.extras}
        plain = iter(self.events([i for i in indexes if i not in given]))
        return [given[i] if i in given else next(plain) for i in indexes]
