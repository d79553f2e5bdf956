"""Decode stored leads into rows and check every type, length and range.

The compiled code relies on these checks.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from streams.scoring.event import Identity
from streams.scoring.lead import ENTRY_BYTES, ID_BYTES, MAX_IDS, OFFSET_BYTES, RECENT
from streams.scoring.stored_verdicts import are_sound

OLD_ENTRY_BYTES: Final = {2: 16, 3: ENTRY_BYTES - OFFSET_BYTES}
"""Bytes of a recent event in older versions. Version 2: 6 of the message id's hash, 6 of ms after base and 4 of the
signal."""

_Signal = Annotated[int, Meta(ge=0, lt=2**32)]
_Place = Annotated[int, Meta(ge=-(2**32), lt=2**32)]
_Base = Annotated[int, Meta(ge=0, le=2**46)]
"""The latest time of any record (``events.times.LAST_MS``)."""
_Since = Annotated[int, Meta(ge=-(2**46), le=2**46)]
"""Ms after base. Differences of two fit the six bytes of ``detail_key``."""
_Ms = Annotated[int, Meta(ge=-(2**53), le=2**53)]
_Count = Annotated[int, Meta(ge=-(2**53), le=2**53)]
_Float = Annotated[float, Meta(ge=-1e15, le=1e15)]
"""Up to a billion times the largest amount of an event; neither NaN nor infinity."""
_Amount = _Count | _Float
_Hash = Annotated[int, Meta(ge=0)]
_DetailKey = Annotated[bytes, Meta(min_length=16, max_length=16)]


class LatchRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """A Latch; version 1 had no ``by``."""

    inside: bool
    since: _Ms
    episode: _Count
    published_at: _Ms | None
    silent: bool = False
    by: bytes = b""


class RedirectRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A Redirect; older rows have no ``visitor`` and no ``memory`` (a stored lead)."""

    kind: int
    target: Identity
    visitor: bool = False
    memory: bytes = b""


class ErasedRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """An erasure."""

    kind: int
    at_ms: _Ms


class VerdictsRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """When a lead with verdicts was erased, and its verdicts as ``pack_verdicts`` packed them."""

    erased_at: _Ms
    packed: bytes
    details: list[str | _Amount]


_CORE: Final[list[tuple[str, Any]]] = [
    ("version", int),
    ("base", _Base),
    ("clock", _Since),
    ("first_seen", _Since),
    ("last_seen", _Since),
    ("signals", list[_Signal]),
    ("amount", list[_Float]),
    ("ref", list[_Since]),
    ("count", list[_Count]),
    ("ring", bytes),
]
_SINCE_3: Final[list[tuple[str, Any]]] = [("recent", bytes), ("sets", list[list[_Place]]), ("known", bool)]
_OF_VERSION: Final[dict[int, list[tuple[str, Any]]]] = {
    1: [("shown", Any), ("due", Any)],
    2: [("recent", bytes), ("known", bool)],
    3: _SINCE_3,
    4: _SINCE_3,
}
_RARE: Final[list[tuple[str, Any, Any]]] = [
    ("latches", dict[str, LatchRow], {}),
    ("traits", dict[str, list[Any]], {}),
    ("ledgers", dict[_Signal, tuple[list[tuple[_Since, str, _Amount, _Hash]], _Float, _Since]], {}),
    ("aliases", list[str], []),
    ("touches", list[tuple[_Ms, str, str, str]], []),
    ("erased_at", _Ms | VerdictsRow, 0),
    ("details", dict[_DetailKey, tuple[str, _Amount, _Hash]], {}),
]
DECODERS: Final = {
    version: msgspec.msgpack.Decoder(
        msgspec.defstruct(
            f"Row{version}", [*_CORE, *fields, *_RARE], array_like=True, forbid_unknown_fields=True, gc=False
        )
    ).decode
    for version, fields in _OF_VERSION.items()
}
"""Version -> decoder of the row of a lead."""
decode_redirect = msgspec.msgpack.Decoder(RedirectRow).decode
decode_erased = msgspec.msgpack.Decoder(ErasedRow).decode


def find_damage(row: Any) -> str:
    """Describe the first part of a lead's row that contradicts another; empty if there is none."""
    signals = row.signals
    if not len(signals) == len(row.amount) == len(row.ref) == len(row.count) == len(set(signals)):
        return "it has different numbers of signals, amounts, times and counts, or a signal occurs twice"
    if row.first_seen > row.last_seen:
        return "its last event is earlier than its first"
    if len(row.ring) % ID_BYTES or len(row.ring) > MAX_IDS * ID_BYTES:
        return f"{len(row.ring)} bytes of older message ids"
    if row.version > 1 and (damage := _find_damaged_events(row)):
        return damage
    return _find_damaged_rare(row)


def _find_damaged_rare(row: Any) -> str:
    if row.traits and not all(map(_is_trait, row.traits.values())):
        return "a trait has no time or no message id"
    if isinstance(row.erased_at, VerdictsRow) and not are_sound(row.erased_at.packed, row.erased_at.details):
        return "its verdicts of sales are not whole, or are of unknown kinds"
    is_unsorted = row.ledgers and any(entries != sorted(entries) for entries, *_ in row.ledgers.values())
    return "the entries of a ledger are not sorted" if is_unsorted else ""


def _find_damaged_events(row: Any) -> str:
    recent, width = row.recent, OLD_ENTRY_BYTES.get(row.version, ENTRY_BYTES)
    if len(recent) % width or (row.version > 2 and len(recent) > RECENT * width):
        return f"{len(recent)} bytes of recent events"
    if row.version > 2 and recent and max(recent[width - 1 :: width]) >= len(row.sets):
        return "a recent event refers to a missing set of signals"
    return ""


def _is_trait(row: list[Any]) -> bool:
    return 3 <= len(row) <= 4 and type(row[1]) is int and abs(row[1]) <= 2**53 and type(row[2]) is str
