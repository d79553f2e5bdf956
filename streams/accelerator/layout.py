"""How leads stand in memory for the kernel: arrays of records, a row a lead, so that one lead is in one place.

Names are those of ``Lead`` where not said otherwise, and times are meant as there: ms since the epoch, or after base.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.scoring.lead import OLDER

Column = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
NEVER: Final = -(2**62)
"""Stands for a score that was never shown, and for a lead that is not due."""
CLASSES: Final = 5
LEAST_ROOM: Final = 4
"""Recent events stand in blocks of 4, 8, 16, 32 and 64 places."""
MOST_SIGNALS: Final = 1024
"""Leads with more signals, and all leads where the scorecards have more, are left to ``Scorer``: columns are as wide
as the widest lead needs."""


def _record(**fields: type) -> np.dtype[Any]:
    return np.dtype(list(fields.items()), align=True)


LEAD: Final = _record(
    clock=np.int64,
    calm_until=np.float64,
    slack=np.float64,
    base=np.int64,
    first_seen=np.int64,
    last_seen=np.int64,
    size=np.int16,  # how many signals it has
    room=np.int8,  # size class of its block of recent events, -1 for none,
    first=np.uint8,  # in which of its places the oldest event stands,
    recents=np.uint8,  # how many there are,
    old_first=np.uint8,
    olds=np.uint8,
    touched=np.uint8,  # whether the step in work has changed it
    block=np.int32,  # and where the block begins;
    old_block=np.int32,  # the same of older message ids, -1 while there are none
    erased_at=np.int64,
    due=np.int64,
    known=np.uint8,
    stale=np.uint8,
    unsent=np.uint8,
    rare=np.uint8,  # whether parts that few leads have are kept apart
    stuck=np.uint8,  # whether the step in work must go on without the kernel
)
"""One row of the leads: what each event needs stands first."""
SLOT: Final = _record(amount=np.float64, ref=np.int64, count=np.int64)
"""What is known of one signal of a lead."""
BITS: Final = _record(amount=np.uint64, ref=np.int64, count=np.int64)
"""The same with the bytes of the amount as a whole number."""
SCORE: Final = _record(fit=np.float64, shown=np.int64)
GROUP_BITS: Final = 24
"""Of a recent event, after its time (NEAR_MS bounds it): the number of its set of signals."""
MOST_GROUPS: Final = 1 << GROUP_BITS
WINDOW: Final = _record(closed=np.float64, closed_ref=np.int64, block=np.int64, size=np.int16, room=np.int8)
"""A Window; ``block`` is where its entries stand, of a free one the next free one."""
WINDOW_BITS: Final = _record(closed=np.uint64, closed_ref=np.int64, block=np.int64, size=np.int16, room=np.int8)
"""The same with the bytes of ``closed`` as a whole number."""
INPUT: Final = _record(
    row=np.int64,
    arrival=np.int64,
    at=np.int64,
    digest=np.uint64,
    match=np.int64,
    value=np.uint64,  # the hash of what a distinct signal counts, 0 where none does
    known=np.uint8,
)
"""One event of a batch; ``row`` is -1 where its lead has none, ``match`` where it is not plain."""
WEIGHT: Final = _record(worth=np.float64, cap=np.float64, category=np.int64)
SIGNAL: Final = _record(
    rate=np.float64,
    id=np.int64,
    gain=np.float64,
    most=np.int64,  # of a Counter, 0 for a signal without one; and the rest of it:
    width=np.int64,
    shift=np.int64,
    lateness=np.int64,
    distinct=np.uint8,
    limited=np.uint8,
)
BOUND: Final = _record(low=np.float64, high=np.float64)
CARD: Final = _record(minimum=np.float64, maximum=np.float64, first_stage=np.int64, last_stage=np.int64)
STAGE: Final = _record(enter=np.float64, leave=np.float64, needs_fit=np.float64, needs_engagement=np.float64)
MATCH: Final = _record(
    first=np.int64, last=np.int64, gain=np.float64, beyond_gain=np.uint8, counted=np.uint8, group=np.int64
)
HIT: Final = _record(signal=np.int64, amount=np.float64)


class Slots(NamedTuple):
    """The signals of each lead, [row, slot]."""

    names: Column
    """Their numbers; apart from the rest, because each event looks for its own among them."""
    slots: Column
    """SLOT."""
    windows: Column
    """Numbers of their windows, 0 for none and where there is no signal."""


class Windows(NamedTuple):
    """The windows of limited and distinct signals, and the blocks of their entries."""

    windows: Column
    """WINDOW, by number; there is no number 0."""
    ats: Column
    """When each entry happened, in ms after base; its first free one has the next free block in it, plus 1."""
    values: Column
    """The hash of what it counts, 0 for a limited signal."""
    used: Column
    """[windows ever given out, places ever given out, first free window, first free block of each size class plus 1]"""


class Cards(NamedTuple):
    """What scorecards say of each lead."""

    scores: Column
    """SCORE, [row, scorecard]."""
    inside: Column
    """Whether a stage is entered, [row, stage]."""


class Recent(NamedTuple):
    """Blocks of recent events, of older message ids, and what is free of either."""

    digests: Column
    """Hashes of message ids; apart from the rest, because each new event is looked for among them."""
    events: Column
    """Ms after base and the set of signals, for ``kernel_memory.when`` and ``which`` to read; the first of a free
    block is the next free one."""
    free: Column
    """First free block of each size class, -1 for none."""
    used: Column
    """[places ever given out, old blocks ever given out, the first free old block]."""
    old: Column
    """Digests, [block, place]; the first of a free block is the next free one, plus 1."""
    values: Column
    """The hash of what a distinct signal counted of each event, 0 for none; empty while there is no such signal."""


class Groups(NamedTuple):
    """The sets of signals: numbers of the signals from ``start[group]`` to ``start[group + 1]``."""

    start: Column
    signal: Column
    plain: Column
    """The number of the same set without ``distinct``."""
    distinct: Column
    """Which of its signals has counted a value, -1 for none."""


class Model(NamedTuple):
    """The scorecards. Points are in units, rates in 1/ms."""

    weights: Column
    """WEIGHT, [card, signal]; ``worth`` is NaN for a signal that the card does not name."""
    signals: Column
    """SIGNAL: 1 / half-life, the id by which it is known outside, and how it counts."""
    bounds: Column
    """BOUND, [card, category]."""
    cards: Column
    stages: Column
    blocked_by: Column
    """[stage, signal]."""


class Matches(NamedTuple):
    """What events can match: MATCH, each with its part of HIT."""

    matches: Column
    hits: Column


def new_leads(rows: int) -> Column:
    """Rows of nobody."""
    leads = np.zeros(rows, LEAD)
    leads["room"] = leads["old_block"] = -1
    return leads


def new_slots(rows: int, width: int) -> Slots:
    """Room for so many signals of each lead."""
    return Slots(np.zeros((rows, width), np.int32), np.zeros((rows, width), SLOT), np.zeros((rows, width), np.int32))


def new_windows(windows: int, places: int) -> Windows:
    """Nothing given out."""
    used = np.zeros(3 + CLASSES, np.int64)
    used[0] = 1
    return Windows(np.zeros(windows, WINDOW), np.zeros(places, np.int64), np.zeros(places, np.uint64), used)


def new_cards(rows: int, cards: int, stages: int) -> Cards:
    """Nothing shown, no stage entered."""
    scores = np.zeros((rows, cards), SCORE)
    scores["shown"] = NEVER
    return Cards(scores, np.zeros((rows, stages), np.uint8))


def new_recent(places: int, blocks: int) -> Recent:
    """Nothing given out."""
    return Recent(
        np.zeros(places, np.uint64),
        np.zeros(places, np.int64),
        np.full(CLASSES, -1),
        np.array([0, 0, -1]),
        np.zeros((blocks, OLDER), np.uint64),
        np.zeros(0, np.uint64),
    )


def lengthen(column: Column, rows: int) -> None:
    """Add rows of zeros in place: the system moves a long column's pages and copies none. No view may outlive it.

    A row of zeros is no row of nobody: it is made one where it is given out.
    """
    column.resize((rows, *column.shape[1:]), refcheck=False)


def widened(old: Column, new: Column) -> Column:
    """``new`` with what ``old`` holds in its corner."""
    new[tuple(slice(size) for size in old.shape)] = old
    return new


def reach(columns: Sequence[Column], wanted: int) -> None:
    """Make columns of one length so long."""
    size = len(columns[0])
    while size < wanted:
        size = grown(size)
    if size > len(columns[0]):
        for column in columns:
            lengthen(column, size)


def grown(size: int) -> int:
    """How long a column is to be next."""
    return size + size // 4 + 1


def octets(text: bytes) -> Column:
    """Bytes as a column of numbers."""
    return np.frombuffer(text, np.uint8)
