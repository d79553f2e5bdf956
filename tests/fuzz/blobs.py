"""Stored forms of leads that both implementations must refuse, or read and write alike."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.accelerator.scorer import AcceleratedScorer
from streams.scoring.event import LeadEvent
from streams.scoring.interface import PlainBatch
from streams.scoring.lead import Lead
from streams.scoring.scorer import Scorer
from streams.scoring.stored import DamagedBlob, NewerFormat, decode, encode
from tests.accelerator.columns import batch_of
from tests.unit.test_stored import AT_MS, DAMAGES, RULES, row

STORED = [bytes.fromhex(path.read_text()) for path in sorted((Path(__file__).parents[1] / "data/stored").glob("*.hex"))]
BASES = [*STORED, row(), row(recent=bytes(range(60)) * 16, ring=bytes(68 * 6), sets=[[-1 - at, 0] for at in range(60)])]
EDITED = b"\x00"
"""Begins input that names a base and edits to it; other input is a blob as it is."""
SEEDS = [
    *BASES,
    *DAMAGES.values(),
    *(EDITED + bytes([i, *range(j, 60 + j)]) for i in range(5) for j in range(0, 196, 15)),
]
WORDS = [b"\xdc\x00\x14\x03", b"\x9d\x03", b"\xcf", b"\xd3", b"\xcb", b"\xc4", b"\xc5", b"\xc0", b"\x92\xff\x92\x00"]
"""Parts that a fuzzer may put in."""
_VALUES: list[Any] = [
    0, -1, 1, 5, 127, 255, 2**31, 2**32 - 1, 2**32, -(2**32), 2**53, 2**63, 2**64 - 1, -(2**63), 0.0, -1.5, 1e30, 1e308,
    float("nan"), float("-inf"), True, None, "", "name", b"", b"abcdef", bytes(12), bytes(16), bytes(720), [], {}, [0],
    [[0]], [[0, "", 1, 0]], [[[0, "", 1, 0], [5, "", 1, 9]], 0.0, 0], ["", 1, 0], {501984655: [[], 1.0, 5]},
]  # fmt: skip
_REFUSED = (DamagedBlob, NewerFormat)
_fast = AcceleratedScorer(RULES)
_taken = [0]


def check(data: bytes) -> None:
    """Read a stored lead by both, and have both take events."""
    blob = edited(data[1:]) if data[:1] == EDITED else data
    try:
        state = decode(blob)
    except _REFUSED:
        _require_refused(blob)
        return
    fast = _scorer()
    fast.put_lead("ana", blob)
    if not isinstance(state, Lead):
        return
    whole = encode(state)
    again = decode(whole)
    assert isinstance(again, Lead)
    assert encode(again) == whole
    kept = fast.state("ana")
    assert isinstance(kept, Lead)
    assert encode(kept) == whole
    _take_events(fast, blob)


def _scorer() -> AcceleratedScorer:
    """One that has taken in other leads, and is begun anew now and then."""
    _taken[0] += 1
    if _taken[0] % 100 == 0:
        _fast.clear()
    return _fast


def _require_refused(blob: bytes) -> None:
    try:
        _fast.put_lead("ana", blob)
    except _REFUSED:
        return
    pytest.fail("the accelerator takes what the reference refuses")


def _take_events(fast: AcceleratedScorer, blob: bytes) -> None:
    """Neither may fail; they may differ where an amount does not agree with its window, which no check finds."""
    slow = Scorer(RULES)
    slow.put_lead("ana", blob)
    values = tuple(None for _ in RULES.paths)
    events = [LeadEvent("ana", "page", values, f"m-{i}", AT_MS + i, AT_MS + i) for i in range(3)]
    batch = batch_of(RULES, events)
    assert fast.missing(batch) == []
    fast.apply_batch(batch)
    slow.apply_batch(PlainBatch(list(enumerate(events))))
    for scorer in (fast, slow):
        assert scorer.finish().all_blobs()["ana"]


def edited(edits: bytes) -> bytes:
    """One of BASES with some of its parts replaced, as these bytes say."""
    numbers = iter(edits)
    parts: Any = msgspec.msgpack.decode(BASES[next(numbers, 0) % len(BASES)])
    while (at := next(numbers, None)) is not None:
        _edit(parts, at, numbers)
    return msgspec.msgpack.encode(parts)


def _edit(parts: Any, at: int, numbers: Iterator[int]) -> None:
    """Replace one part, or a part of it."""
    keys = list(parts) if isinstance(parts, dict) else range(len(parts))
    if not keys:
        return
    key = keys[at % len(keys)]
    action = next(numbers, 0)
    old = parts[key]
    if isinstance(old, list | dict) and action % 4:
        _edit(old, next(numbers, 0), numbers)
    elif isinstance(old, bytes) and action % 4:
        place = next(numbers, 0) % (len(old) + 1)
        parts[key] = old[:place] + bytes([next(numbers, 0)] * (action % 3)) + old[place + action % 2 :]
    elif action % 16 == 8:
        del parts[key]
    else:
        parts[key] = deepcopy(_VALUES[next(numbers, 0) % len(_VALUES)])
