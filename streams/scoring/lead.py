"""Hold the state of one lead: decayed counts per signal and the latest traits, never points.

Amounts use forward decay (Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009): ``amount[i]`` is the decayed
count at ``ref[i]``, the latest event time of that signal. To read it at a later time t, multiply by
``2^-((t - ref) / half_life)``; reading changes nothing.

``stored`` defines the stored form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import exp2
from typing import Any, Final

from xxhash import xxh3_64_digest, xxh3_64_intdigest

from streams.scoring.account_state import Account
from streams.scoring.event import Identity
from streams.scoring.verdicts import Verdicts

ID_BYTES: Final = 6
"""Bytes of a message id's hash kept for deduplication: a false match once in 10^12 events."""
AT_BYTES: Final = 5
NEAR_MS: Final = 2 ** (8 * AT_BYTES - 1)
"""17 years: of an event that is further from the lead's base, only the id is kept."""
OFFSET_BYTES: Final = 4
"""Lowest bytes kept of the offset of an event's record: a reader tries each offset of the log that ends in them."""
UNKNOWN_OFFSET: Final = 2 ** (8 * OFFSET_BYTES) - 1
"""Kept for an event of a lead that was stored before offsets were kept."""
ENTRY_BYTES: Final = ID_BYTES + OFFSET_BYTES + AT_BYTES + 1
RECENT: Final = 60
"""Number of recent events that are remembered in full."""
OLDER: Final = 68
"""Number of older message ids that are remembered: duplicates are found among 128 events."""
MAX_IDS: Final = RECENT + 2 * OLDER
"""The most older message ids that a lead has after a join."""
MAX_SETS: Final = 255


def id_hash(message_id: str) -> bytes:
    """The hash of a message id that a lead keeps."""
    return xxh3_64_digest(message_id.encode())[:ID_BYTES]


def detail_key(digest: bytes, at: int, signal: int) -> bytes:
    """The key in ``Lead.details`` for one event and one of its signals."""
    return digest + at.to_bytes(6, "big", signed=True) + signal.to_bytes(4, "big")


def value_hash(value: Any) -> int:
    """The hash that a lead keeps of a value of a distinct signal."""
    return xxh3_64_intdigest(repr(value).encode())


@dataclass(slots=True, eq=False)
class Latch:
    """Whether a lead is inside one stage, since when, and what was published about it."""

    inside: bool = False
    since: int = 0
    """The instant of the last crossing, in ms since the epoch."""
    episode: int = 0
    published_at: int | None = None
    silent: bool = False
    by: bytes = b""
    """The hash of the message id whose event caused the last entry; empty if none did."""

    def row(self) -> tuple[bool, int, int, int | None, bool, bytes]:
        """All fields in the order of the constructor."""
        return (self.inside, self.since, self.episode, self.published_at, self.silent, self.by)


class Ledger:
    """The events of a limited or distinct signal that can still change which ones count, and those of a window.

    ``entries`` are [time, message id, amount, value hash], sorted; ``closed`` is the amount of older buckets, decayed
    to ``closed_ref``. Times are relative to the lead's base. The message id is kept only for signals with an
    ``amount``, the only ones for which it matters.
    """

    __slots__ = ("closed", "closed_ref", "entries")

    def __init__(self, entries: list[list[Any]], closed: float = 0.0, closed_ref: int = 0) -> None:
        """Start with these entries."""
        self.entries = entries
        self.closed = float(closed)
        self.closed_ref = closed_ref


class Redirect:
    """A lead that was merged into another: everything for it goes to the ``target`` identity.

    ``visitor``: the id was an anonymous visitor's, so a known user with the same id is somebody else.
    ``memory``: the recent events that came under its id, and the episodes of its stages.
    """

    __slots__ = ("memory", "target", "visitor")

    def __init__(self, target: Identity, visitor: bool = False, memory: Lead | None = None) -> None:
        """Point to the greater identity."""
        self.target = target
        self.visitor = visitor
        self.memory = memory


class Erased:
    """A lead that was erased at ``at_ms``: nothing that arrived up to then may be counted again.

    If it was forgotten, ``at_ms`` is minus the instant: late arrivals still count; it only tells alert ids apart.
    """

    __slots__ = ("at_ms",)

    def __init__(self, at_ms: int) -> None:
        """Remember the instant."""
        self.at_ms = at_ms

    @property
    def gone_ms(self) -> int:
        """When the lead was erased or forgotten."""
        return abs(self.at_ms)


class Lead:
    """The state of one lead. ``clock`` is the instant up to which its stages have been decided."""

    __slots__ = (
        "aliases", "amount", "base", "calm_until", "clock", "count", "details", "due", "erased_at", "first_seen",
        "fits", "known", "last_seen", "latches", "ledgers", "recent", "ref", "ring", "sets", "shown", "signals",
        "slack", "stale", "touches", "traits", "unsent", "verdicts",
    )  # fmt: skip

    def __init__(self, base: int) -> None:  # noqa: PLR0915 - one line a part
        """Start empty; ``base`` is any instant near the first event, in ms since the epoch."""
        self.base = base
        self.clock = base
        self.first_seen = base
        self.last_seen = base
        self.signals: list[int] = []
        self.amount: list[float] = []
        self.ref: list[int] = []
        self.count: list[int] = []
        self.recent = b""
        """The last events that counted, oldest first: ID_BYTES of the message id's hash, OFFSET_BYTES of the record's
        offset, AT_BYTES of ms after base (signed, big-endian), and the index of its signals in ``sets`` (one byte)."""
        self.sets: list[tuple[int, ...]] = []
        """The distinct sets of signals that recent events matched."""
        self.details: dict[bytes, list[Any]] = {}
        """``detail_key`` -> [message id, amount, value hash], for signals that have an amount or a value."""
        self.ring = b""
        """Hashes of the message ids of events older than those in ``recent``."""
        self.shown: dict[str, float] = {}
        """Scorecard -> place in the ranking (``rank_of``), if this process knows it."""
        self.due: int | None = None
        """Due time in the schedule, if this process knows it."""
        self.stale = True
        """Whether the ranking and the schedule may be out of date."""
        self.unsent = True
        """Whether its published score or stage may still be missing on lead-scores."""
        self.traits: dict[str, list[Any]] = {}
        self.latches: dict[str, Latch] = {}
        """By the key of a stage; under "", ``since`` is when something was heard of the lead (``forgetting.HEARD``)."""
        self.ledgers: dict[int, Ledger] = {}
        self.aliases: list[str] = []
        self.touches: list[list[Any]] = []
        self.verdicts: Verdicts = ()
        self.known = False
        """Whether events named it by ``userId``; then only ``alias`` can join it to another user."""
        self.erased_at = 0
        """Everything that arrived up to this instant was erased and must not be counted again; 0 if never.

        Negative if a former lead with this id was forgotten, see ``Erased``."""
        self.forget_derived()

    def forget_derived(self) -> None:
        """Drop the values derived from the scorecards, so that the next input decides again."""
        self.fits: dict[str, float] = {}
        self.calm_until: float = -math.inf
        """No stage can change before this instant unless an event arrives."""
        self.slack = -math.inf
        """Units that may be added before any stage could be entered."""

    def add(self, signal: int, inverse_half_life: float, at: int, amount: float) -> None:
        """Count ``amount`` of a signal at ``at`` ms after base."""
        try:
            i = self.signals.index(signal)
        except ValueError:
            self.signals.append(signal)
            self.amount.append(float(amount))
            self.ref.append(at)
            self.count.append(1)
            return
        refs, amounts = self.ref, self.amount
        ahead = at - refs[i]
        if ahead >= 0:
            amounts[i] = amounts[i] * exp2(-ahead * inverse_half_life) + amount
            refs[i] = at
        else:
            amounts[i] += amount * exp2(ahead * inverse_half_life)
        self.count[i] += 1

    def undo(self, signal: int, inverse_half_life: float, at: int, amount: float) -> None:
        """Undo ``add``; without any events left, the signal is dropped, so no rounding error stays."""
        i = self.signals.index(signal)
        self.count[i] -= 1
        self.amount[i] -= amount * exp2((at - self.ref[i]) * inverse_half_life)
        if self.count[i] <= 0:
            self.drop(signal)

    def drop(self, signal: int) -> None:
        """Forget a signal."""
        i = self.signals.index(signal)
        for column in (self.signals, self.amount, self.ref, self.count):
            del column[i]

    def knows(self, digest: bytes) -> bool:
        """Whether an event with this message id hash was counted or retracted."""
        return _contains_entry(digest, self.recent, ENTRY_BYTES) or _contains_entry(digest, self.ring, ID_BYTES)

    def remember(self, digest: bytes, at: int, signals: tuple[int, ...], offset: int = UNKNOWN_OFFSET) -> None:
        """Note the signals of an event at ``at`` ms after base; of the oldest events, only the ids are kept."""
        if not -NEAR_MS <= at < NEAR_MS:
            self.note_id(digest)
            for signal in signals:
                self.details.pop(detail_key(digest, at, signal), None)
            return
        if signals not in self.sets:
            if len(self.sets) >= MAX_SETS:
                self.tidy_sets()
            self.sets.append(signals)
        mark = self.sets.index(signals).to_bytes(1, "big")
        place = (offset & UNKNOWN_OFFSET).to_bytes(OFFSET_BYTES, "big")
        self.recent += digest + place + at.to_bytes(AT_BYTES, "big", signed=True) + mark
        if len(self.recent) > RECENT * ENTRY_BYTES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        (digest, at, signals, _), *_ = self.remembered(1)
        self.recent = self.recent[ENTRY_BYTES:]
        self.note_id(digest)
        if self.details:
            for signal in signals:
                self.details.pop(detail_key(digest, at, signal), None)

    def remembered(self, most: int = RECENT, skip: int = 0) -> list[tuple[bytes, int, tuple[int, ...], int]]:
        """(hash of the message id, ms after base, signals, end of the offset) of the recent events, oldest first."""
        recent, found = self.recent, []
        for start in range(skip * ENTRY_BYTES, min(len(recent), (skip + most) * ENTRY_BYTES), ENTRY_BYTES):
            middle, end = start + ID_BYTES + OFFSET_BYTES, start + ENTRY_BYTES - 1
            at, offset = recent[middle:end], recent[start + ID_BYTES : middle]
            event = int.from_bytes(at, "big", signed=True), self.sets[recent[end]], int.from_bytes(offset, "big")
            found.append((recent[start : start + ID_BYTES], *event))
        return found

    def tidy_sets(self) -> None:
        """Drop unused sets and sort by first use, so that equal histories have equal forms."""
        marks = self.recent[ENTRY_BYTES - 1 :: ENTRY_BYTES]
        used = list(dict.fromkeys(marks))
        if used == list(range(len(self.sets))):
            return
        new = bytearray(self.recent)
        new[ENTRY_BYTES - 1 :: ENTRY_BYTES] = bytes(map(used.index, marks))
        self.recent = bytes(new)
        self.sets = [self.sets[mark] for mark in used]

    def note_id(self, digest: bytes) -> None:
        """Remember a message id, to recognize duplicates; after a join, more than ``OLDER`` are kept."""
        most = OLDER if len(self.ring) <= OLDER * ID_BYTES else MAX_IDS
        self.ring = (self.ring + digest)[-most * ID_BYTES :]

    def put(self, signal: int, at: int, amount: float, count: int) -> None:
        """Replace the amount, time and count of a signal."""
        if signal not in self.signals:
            self.add(signal, 0.0, at, 0.0)
        i = self.signals.index(signal)
        self.amount[i], self.ref[i], self.count[i] = float(amount), at, count

    def amount_at(self, signal: int, inverse_half_life: float, now_ms: int) -> float:
        """The decayed amount of a signal at ``now_ms``; 0 for one that never happened."""
        if signal not in self.signals:
            return 0.0
        i = self.signals.index(signal)
        return self.amount[i] * exp2((self.ref[i] + self.base - now_ms) * inverse_half_life)

    def trait_values(self) -> dict[str, Any]:
        """The latest traits, by name, without those that were taken back."""
        return {name: row[0] for name, row in self.traits.items() if row[0] is not None}


def _contains_entry(digest: bytes, entries: bytes, width: int) -> bool:
    """Whether one of the entries of ``width`` bytes begins with the digest."""
    at = entries.find(digest)
    while at >= 0 and at % width:
        at = entries.find(digest, at + 1)
    return at >= 0


State = Lead | Redirect | Erased | Account  # what can be stored under an id
