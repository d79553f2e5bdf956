"""Define the memory layout of leads for the kernels: arrays of records with one row for each lead.

Unless noted, names and times are those of ``Lead``: ms since the epoch, or ms after base.
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
"""A score that was never shown, a due time that is not set, a time that is missing."""
CLASSES: Final = 5
MIN_ROOM: Final = 4
"""Recent events are stored in blocks of 4, 8, 16, 32 or 64 places."""
WINDOW_CLASSES: Final = CLASSES + 1
MAX_ENTRIES: Final = MIN_ROOM << CLASSES
"""Entries of windows are stored in blocks of up to 128 places; ``Scorer`` handles leads with more."""
MAX_SIGNALS: Final = 1024
"""``Scorer`` handles leads with more signals, and all events if the scorecards have more, because all rows are as wide
as the widest lead."""


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
    room=np.int8,  # size class of its block of recent events, -1 for none
    first=np.uint8,  # place of the oldest event in the block
    recents=np.uint8,  # number of recent events
    old_first=np.uint8,
    olds=np.uint8,
    touched=np.uint8,  # whether the current step changed it
    block=np.int32,  # start of the block
    old_block=np.int32,  # start of the block of older message ids, -1 for none
    erased_at=np.int64,
    due=np.int64,
    known=np.uint8,
    stale=np.uint8,
    unsent=np.uint8,
    rare=np.uint8,  # whether it has rarely used parts, which are stored outside the row
    amounts=np.uint8,  # whether it has amounts of recent events, one of these parts
    stuck=np.uint8,  # whether ``Scorer`` must apply its remaining inputs of this step
)
"""One row of the leads; the fields that every event needs come first."""
SLOT: Final = _record(amount=np.float64, ref=np.int64, count=np.int64)
"""One signal of a lead."""
SCORE: Final = _record(fit=np.float64, shown=np.float64)  # fit: NaN if the scorecard does not apply to the lead
NOT_SHOWN: Final = -np.inf
"""Place of a lead whose place in the ranking is not known."""
GROUP_BITS: Final = 24
"""Low bits of a recent event: the number of its set of signals. The time is above them, bounded by NEAR_MS."""
MAX_GROUPS: Final = 1 << GROUP_BITS
WINDOW: Final = _record(closed=np.float64, closed_ref=np.int64, block=np.int64, size=np.int16, room=np.int8)
"""A Window; ``block`` is the start of its entries or, in a free window, the next free window."""
KIND: Final = _record(match=np.int64, value=np.uint64, amount=np.float64)
"""What events of one kind have in INPUT."""
INPUT: Final = _record(
    row=np.int64,
    arrival=np.int64,
    at=np.int64,
    digest=np.uint64,
    match=np.int64,
    offset=np.uint32,  # the lowest bytes of that of its record
    value=np.uint64,  # hash of the value of a distinct signal, 0 for none
    known=np.uint8,
    counted=np.uint8,  # set when the event is remembered
    amount=np.float64,  # for signals that count an amount
    refit=np.int64,  # index of the fits that its traits give the lead, -1 for no change
)
"""One event of a batch; ``row`` is -1 if its lead has no row, ``match`` is -1 if it is not plain."""
WEIGHT: Final = _record(worth=np.float64, cap=np.float64, category=np.int64)
SIGNAL: Final = _record(
    rate=np.float64,
    id=np.int64,
    gain=np.float64,
    most=np.int64,  # from here on the fields of its Counter; 0 without one
    width=np.int64,
    shift=np.int64,
    months=np.int64,
    endless=np.uint8,
    lateness=np.int64,
    distinct=np.uint8,
    limited=np.uint8,
    window=np.int64,  # 0 without one
    at_least=np.int64,
    latest=np.uint8,  # ``keeps_latest``
)
BOUND: Final = _record(low=np.float64, high=np.float64)
CARD: Final = _record(
    minimum=np.float64,
    maximum=np.float64,
    lowest=np.float64,
    highest=np.float64,
    first_stage=np.int64,
    last_stage=np.int64,
)
STAGE: Final = _record(
    enter=np.float64,
    leave=np.float64,
    needs_fit=np.float64,
    needs_engagement=np.float64,
    keep_fit=np.float64,
    keep_engagement=np.float64,
)
MATCH: Final = _record(
    first=np.int64,
    last=np.int64,
    gain=np.float64,
    amount_gain=np.float64,  # further gain for each 1 of the event's amount
    beyond_gain=np.uint8,
    counted=np.uint8,
    scaled=np.uint8,  # whether a signal counts the amount
    group=np.int64,
)
HIT: Final = _record(signal=np.int64, scaled=np.uint8)
"""A signal, and whether it counts the event's amount; else it counts 1."""


class Slots(NamedTuple):
    """The signals of each lead, [row, slot]."""

    names: Column
    """Signal numbers, in an array of their own because each event searches them."""
    slots: Column
    """SLOT."""
    windows: Column
    """Window numbers; 0 for no window or no signal."""


class Windows(NamedTuple):
    """The windows of limited and distinct signals, and the blocks of their entries."""

    windows: Column
    """WINDOW, by number; number 0 is not used."""
    ats: Column
    """Time of each entry in ms after base; the first entry of a free block holds the next free block plus 1."""
    values: Column
    """Value hash of each entry, 0 for a limited signal."""
    used: Column
    """[windows allocated, places allocated, first free window, first free block of each size class plus 1]"""


class Cards(NamedTuple):
    """The scores and stages of each lead."""

    scores: Column
    """SCORE, [row, scorecard]."""
    inside: Column
    """Whether the lead is inside a stage, [row, stage]."""


class Recent(NamedTuple):
    """Blocks of recent events and of older message ids, with their free lists."""

    digests: Column
    """Hashes of message ids, in an array of their own because each new event searches them."""
    events: Column
    """Time in ms after base, and in the lowest GROUP_BITS the number of the set of signals; the first place of a free
    block holds the next free block."""
    free: Column
    """First free block of each size class, -1 for none."""
    used: Column
    """[places allocated, old places allocated, first free old block]."""
    old: Column
    """Digests in blocks of OLDER; the first place of a free block holds the next free block plus 1. A joined lead with
    more has several blocks, one after another."""
    values: Column
    """Value hash that a distinct signal counted for each event, 0 for none; empty while there is no such signal."""
    offsets: Column
    """The lowest bytes of the offset of each event's record."""


class Groups(NamedTuple):
    """The sets of signals: numbers of the signals from ``start[group]`` to ``start[group + 1]``."""

    start: Column
    signal: Column
    plain: Column
    """Number of the same set without ``distinct``."""
    distinct: Column
    """The signal of the set that counted a value, -1 for none."""


class Model(NamedTuple):
    """The scorecards. Points are in units, rates in 1/ms."""

    weights: Column
    """WEIGHT, [card, signal]; ``worth`` is NaN for a signal without points on the card."""
    signals: Column
    """SIGNAL: 1 / half-life, the signal id, and how it counts."""
    bounds: Column
    """BOUND, [card, category]."""
    cards: Column
    stages: Column
    blocked_by: Column
    """[stage, signal]."""
    steps: int
    """Most steps of windows that the kernels look at between two events; 0 without windows."""
    late_ms: float
    """``Scorer`` notes the arrival of an event that arrives later than this; infinite if no lead is forgotten."""
    idle_ms: tuple[float, float]
    """How long nothing may be seen of an unknown and of a known lead before ``Scorer`` looks whether to forget it."""


class Matches(NamedTuple):
    """The possible matches of events: MATCH, each with a range of HIT."""

    matches: Column
    hits: Column


def new_leads(rows: int) -> Column:
    """Create empty rows."""
    leads = np.zeros(rows, LEAD)
    leads["room"] = leads["old_block"] = -1
    return leads


def new_slots(rows: int, width: int) -> Slots:
    """Create slots for ``width`` signals of each lead."""
    return Slots(np.zeros((rows, width), np.int32), np.zeros((rows, width), SLOT), np.zeros((rows, width), np.int32))


def new_windows(windows: int, places: int) -> Windows:
    """Create windows and blocks, all free."""
    used = np.zeros(3 + WINDOW_CLASSES, np.int64)
    used[0] = 1
    return Windows(np.zeros(windows, WINDOW), np.zeros(places, np.int64), np.zeros(places, np.uint64), used)


def new_cards(rows: int, cards: int, stages: int) -> Cards:
    """Create scores that were never shown, and stages that are not entered."""
    scores = np.zeros((rows, cards), SCORE)
    scores["shown"] = NOT_SHOWN
    return Cards(scores, np.zeros((rows, stages), np.uint8))


def new_recent(places: int, blocks: int) -> Recent:
    """Create blocks for recent events, all free."""
    return Recent(
        np.zeros(places, np.uint64),
        np.zeros(places, np.int64),
        np.full(CLASSES, -1),
        np.array([0, 0, -1]),
        np.zeros(blocks * OLDER, np.uint64),
        np.zeros(0, np.uint64),
        np.zeros(places, np.uint32),
    )


def lengthen(column: Column, rows: int) -> None:
    """Add rows of zeros in place; for a long column, the system moves pages without copying. No view may be kept.

    A row of zeros is not yet an empty row; the table sets the initial values when it uses the row.
    """
    column.resize((rows, *column.shape[1:]), refcheck=False)


def widened(old: Column, new: Column) -> Column:
    """Copy ``old`` into the corner of the wider array ``new``."""
    new[tuple(slice(size) for size in old.shape)] = old
    return new


def ensure_length(columns: Sequence[Column], wanted: int) -> None:
    """Lengthen columns of equal length to at least ``wanted`` rows."""
    size = len(columns[0])
    while size < wanted:
        size = grown(size)
    if size > len(columns[0]):
        for column in columns:
            lengthen(column, size)


def grown(size: int) -> int:
    """The next length of a growing column."""
    return size + size // 4 + 1
