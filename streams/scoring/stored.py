"""The stored form of a lead: one MessagePack array.

Times are relative to ``base``, because small integers are short ones.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

import msgspec

from streams.scoring.event import Identity
from streams.scoring.lead import Erased, Latch, Lead, Redirect, State, Window

VERSION: Final = 3
"""2 held recent events signal by signal; 1 none, but published scores and the due time."""
_CORE: Final = {1: 12, 2: 12, 3: 13}
"""Version -> how many values every lead has; what few have comes after them."""
REDIRECT: Final = -1
ERASED: Final = -2

_NO_HEAD, _NO_TAIL = b"\x80\x80", b"\x90\x90\x00"
"""No latches, no traits; no aliases, no touches, never erased."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class NewerFormat(ValueError):
    """A lead was stored by a newer version of the format than this program reads."""

    def __init__(self, version: int) -> None:
        super().__init__(f"a lead stored by version {version} of the format; this program reads up to {VERSION}")


def encode(lead: Lead) -> bytes:
    """The stored form. The rarely used parts come last and only where there are any."""
    base = lead.base
    lead.tidy_sets()
    rare = encode_rare(lead)
    core = (
        VERSION,
        base,
        lead.clock - base,
        lead.first_seen - base,
        lead.last_seen - base,
        lead.signals,
        lead.amount,
        lead.ref,
        lead.count,
        lead.ring,
        lead.recent,
        [[_place(lead, signal) for signal in signals] for signals in lead.sets],
        lead.known,
    )
    return b"\xdc\x00\x14" + _encode(core)[1:] + rare if rare else _encode(core)


def encode_rare(lead: Lead) -> bytes:
    """The parts that few leads have, one after another; empty where there is none."""
    head, tail = encode_apart(lead)
    if not (head or lead.windows or lead.details):
        return b""
    windows = {key: (w.entries, w.closed, w.closed_ref) for key, w in lead.windows.items()}
    return b"".join((head or _NO_HEAD, _encode(windows), tail or _NO_TAIL, _encode(lead.details)))


def encode_apart(lead: Lead) -> tuple[bytes, bytes]:
    """What stands before the windows, and between these and the details; empty where there is nothing of it."""
    if not (lead.latches or lead.traits or lead.aliases or lead.touches or lead.erased_at):
        return b"", b""
    latches = {key: latch.row() for key, latch in lead.latches.items()}
    return _encode(latches) + _encode(lead.traits), _encode((lead.aliases, lead.touches, lead.erased_at))[1:]


def decode_head(lead: Lead, head: bytes) -> None:
    """Read the first part of what ``encode_apart`` has written."""
    _take_head(lead, *_decode(b"\x92" + head))


def _take_head(lead: Lead, latches: dict[str, Any], traits: dict[str, Any]) -> None:
    lead.latches, lead.traits = {key: Latch(*latch) for key, latch in latches.items()}, traits


def _take_rare(lead: Lead, rare: list[Any]) -> None:
    latches, traits, windows, lead.aliases, lead.touches = rare[:5]
    _take_head(lead, latches, traits)
    lead.windows = {key: Window(*window) for key, window in windows.items()}
    lead.erased_at = rare[5] if len(rare) > 5 else 0
    lead.details = rare[6] if len(rare) > 6 else {}


def _place(lead: Lead, signal: int) -> int:
    """Where a signal stands among those of the lead; where it does not, its id, as a negative number."""
    return lead.signals.index(signal) if signal in lead.signals else -1 - signal


def decode(blob: bytes) -> State:
    """Read a stored form.

    Raises:
        NewerFormat: the blob was written by a newer version.
    """
    row = _decode(blob)
    kind = row[0]
    if kind == REDIRECT:
        return Redirect(Identity(*row[1]), len(row) > 2 and row[2])
    if kind == ERASED:
        return Erased(row[1])
    if kind not in _CORE:
        raise NewerFormat(kind)
    lead = Lead(row[1])
    base = lead.base
    lead.clock, lead.first_seen, lead.last_seen = row[2] + base, row[3] + base, row[4] + base
    lead.signals, lead.amount, lead.ref, lead.count, lead.ring = row[5:10]
    if kind == VERSION:
        lead.recent, sets = row[10:12]
        lead.sets = [tuple(lead.signals[at] if at >= 0 else -1 - at for at in places) for places in sets]
    elif kind == 2:
        _read_recent(lead, row[10])
    lead.known = kind > 1 and row[_CORE[kind] - 1]
    rare = row[_CORE[kind] :]
    if rare:
        _take_rare(lead, rare)
    return lead


def _read_recent(lead: Lead, recent: bytes) -> None:
    """Recent events as version 2 had them: 6 bytes of the id, 6 of ms after base and 4 of a signal, for each signal."""
    rows = [recent[start : start + 16] for start in range(0, len(recent), 16)]
    for event, entries in groupby(rows, key=lambda entry: entry[:12]):
        signals = tuple(int.from_bytes(entry[12:], "big") for entry in entries)
        lead.remember(event[:6], int.from_bytes(event[6:], "big", signed=True), signals)


def encode_redirect(redirect: Redirect) -> bytes:
    """The stored form of a redirect."""
    return _encode((REDIRECT, redirect.target, redirect.visitor))


def encode_erased(erased: Erased) -> bytes:
    """The stored form of an erasure."""
    return _encode((ERASED, erased.at_ms))
