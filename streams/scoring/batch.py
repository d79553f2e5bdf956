"""The inputs of a step in columns, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.scoring.event import Control, LeadEvent

Column = npt.NDArray[Any]


@dataclass(slots=True)
class Batch:
    """Plain events, of which most need no object of their own, and inputs that have one."""

    offsets: list[int]
    lead_ids: list[str]
    names: list[str]
    """What signals name in ``event``."""
    values: list[tuple[Any, ...]]
    """The values of ``Rules.paths``: texts, truths, numbers, None."""
    digests: Column
    """The hashes of the message ids, as whole numbers."""
    arrivals: Column
    ats: Column
    known: Column
    event: Callable[[int], LeadEvent]
    """Makes the object of a plain event."""
    rows: Column = field(default_factory=lambda: np.zeros(0, np.int64))
    """Where the scorer has the leads; filled in by it."""
    alone: Mapping[int, LeadEvent | Control] = field(default_factory=dict)
    """Place in the batch -> an input that is not plain."""

    def input(self, i: int) -> LeadEvent | Control:
        """The i-th input."""
        return self.alone[i] if i in self.alone else self.event(i)
