"""Build batches of inputs in columns, as the accelerated codec does."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from streams.accelerator.batch import ColumnBatch
from streams.accelerator.pointers import Text
from streams.scoring.event import Control, LeadEvent
from streams.scoring.lead import id_hash
from streams.scoring.rules import Rules


def batch_of(rules: Rules, inputs: Sequence[LeadEvent | Control], first: int = 0) -> ColumnBatch:
    """Build a batch of these inputs, with offsets from ``first`` on."""
    nothing = LeadEvent("", "page", tuple(None for _ in rules.paths), "", 0, 0)
    events = [i if isinstance(i, LeadEvent) else msgspec.structs.replace(nothing, lead_id=i.lead_id) for i in inputs]
    not_plain = {i: item for i, item in enumerate(inputs) if not isinstance(item, LeadEvent) or not _is_plain(item)}
    extras = {
        i: e for i, e in enumerate(events) if i not in not_plain and (e.traits is not None or e.touch is not None)
    }
    kinds = [(event.name, event.values) for event in events]
    ids = [event.lead_id.encode() for event in events]
    sizes = np.array([len(lead_id) for lead_id in ids], np.int64)
    return ColumnBatch(
        Text(b"".join(ids)),
        sizes.cumsum() - sizes,
        sizes,
        np.array([-1 if i in not_plain else i for i in range(len(events))], np.int64),
        kinds,
        np.array([int.from_bytes(id_hash(e.message_id), "big") for e in events], np.uint64),
        np.array([event.arrival for event in events], np.int64),
        np.array([event.at for event in events], np.int64),
        np.array([event.known for event in events], np.uint8),
        np.arange(first, first + len(events)),
        lambda indexes: map(events.__getitem__, indexes),
        alone=not_plain,
        extras=extras,
    )


def _is_plain(event: LeadEvent) -> bool:
    simple = all(value is None or type(value) in (str, bool, int, float) for value in event.values)
    return simple and event.verdict is None
