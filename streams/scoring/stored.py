"""Encode leads for the store and decode them again: one MessagePack array for each lead.

Times are relative to ``base``, because small integers take fewer bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Final, Self

import msgspec

from streams.scoring.lead import ID_BYTES, OFFSET_BYTES, Erased, Latch, Lead, Ledger, Redirect, State
from streams.scoring.stored_accounts import ACCOUNT, decode_account
from streams.scoring.stored_rows import (
    DECODERS,
    OLD_ENTRY_BYTES,
    VerdictsRow,
    decode_erased,
    decode_redirect,
    find_damage,
)
from streams.scoring.stored_verdicts import pack_verdicts, unpack_verdicts

VERSION: Final = 4
"""Version 3 held no offsets of recent events; version 2 held these events once for each signal; version 1 held none,
but published scores and the due time."""
REDIRECT: Final = -1
ERASED: Final = -2

NO_HEAD, NO_TAIL = b"\x80\x80", b"\x90\x90\x00"
"""Encoded: no latches and no traits; no aliases, no touches and never erased."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class NewerFormat(ValueError):
    """A lead was stored by a newer version of the format than this program reads."""

    def __init__(self, version: int) -> None:
        super().__init__(f"a lead stored by version {version} of the format; this program reads up to {VERSION}")
        self._version = version

    def __reduce__(self) -> tuple[type[Self], tuple[int]]:
        return type(self), (self._version,)


class DamagedBlob(ValueError):
    """The stored form of a lead cannot be read."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"the stored form of a lead is damaged: {reason}")
        self._reason = str(reason)

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self._reason,)


def encode(lead: Lead) -> bytes:
    """Encode a lead. The rarely used parts come last, and only if any is used."""
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
    """Encode the rarely used parts, one after another; empty if none is used."""
    head, tail = encode_apart(lead)
    if not (head or lead.ledgers or lead.details):
        return b""
    ledgers = {key: (w.entries, w.closed, w.closed_ref) for key, w in lead.ledgers.items()}
    return b"".join((head or NO_HEAD, _encode(ledgers), tail or NO_TAIL, encode_details(lead.details)))


def encode_apart(lead: Lead) -> tuple[bytes, bytes]:
    """Encode the rarely used parts before the ledgers, and those between ledgers and details; empty if none is used."""
    if not (lead.latches or lead.traits or lead.aliases or lead.touches or lead.erased_at or lead.verdicts):
        return b"", b""
    latches = {key: latch.row() for key, latch in lead.latches.items()}
    erased = (lead.erased_at, *pack_verdicts(lead.verdicts)) if lead.verdicts else lead.erased_at
    return _encode(latches) + _encode(lead.traits), _encode((lead.aliases, lead.touches, erased))[1:]


def encode_details(details: Mapping[bytes, Any]) -> bytes:
    """Encode the details of recent events, the last part."""
    return _encode(details)


def decode_head(lead: Lead, head: bytes) -> None:
    """Decode the first part that ``encode_apart`` returns."""
    latches, lead.traits = _decode(b"\x92" + head)
    lead.latches = {key: Latch(*latch) for key, latch in latches.items()}


def decode_tail(lead: Lead, tail: bytes) -> None:
    """Decode the second part that ``encode_apart`` returns."""
    lead.aliases, lead.touches, erased = _decode(b"\x93" + tail)
    _read_erased(lead, erased if isinstance(erased, int) else VerdictsRow(*erased))


def _read_erased(lead: Lead, erased: int | VerdictsRow) -> None:
    """Read when the lead was erased, and the verdicts of sales, which are in the same place."""
    if isinstance(erased, int):
        lead.erased_at = erased
    else:
        lead.erased_at, lead.verdicts = erased.erased_at, unpack_verdicts(erased.packed, erased.details)


def _place(lead: Lead, signal: int) -> int:
    """The index of a signal of the lead; for any other signal, -1 minus its id."""
    return lead.signals.index(signal) if signal in lead.signals else -1 - signal


def decode(blob: bytes) -> State:
    """Decode a stored form.

    Raises:
        NewerFormat: the blob was written by a newer version.
        DamagedBlob: it is not a stored form, or its parts contradict each other.
    """
    try:
        kind = _kind(blob)
        if kind in DECODERS:
            return _lead(DECODERS[kind](blob))
        if kind == REDIRECT:
            redirect = decode_redirect(blob)
            return Redirect(redirect.target, redirect.visitor, _memory(redirect.memory))
        if kind == ERASED:
            return Erased(decode_erased(blob).at_ms)
        if kind == ACCOUNT:
            return decode_account(blob)
    except (ValueError, IndexError, RecursionError) as error:
        raise DamagedBlob(error) from error
    if kind > VERSION:
        raise NewerFormat(kind)
    raise DamagedBlob("its first value is " + blob[:4].hex(" "))


def _memory(blob: bytes) -> Lead | None:
    """What a redirect remembers."""
    return _lead(DECODERS[_kind(blob)](blob)) if blob else None


def _kind(blob: bytes) -> int:
    """The first value of the array, a small integer; 0 for anything else."""
    if blob[0] >> 4 != 0x9 and blob[0] != 0xDC:
        return 0
    kind = blob[3 if blob[0] == 0xDC else 1]
    return kind if kind < 128 else kind - 256


def _lead(row: Any) -> Lead:
    """Build a lead from a decoded row."""
    if damage := find_damage(row):
        raise ValueError(damage)
    lead = Lead(row.base)
    base = lead.base
    lead.clock, lead.first_seen, lead.last_seen = row.clock + base, row.first_seen + base, row.last_seen + base
    lead.signals, lead.amount, lead.ref, lead.count, lead.ring = row.signals, row.amount, row.ref, row.count, row.ring
    if row.version > 2:
        lead.recent = row.recent if row.version == VERSION else _with_unknown_offsets(row.recent)
        lead.sets = [tuple(lead.signals[at] if at >= 0 else -1 - at for at in places) for places in row.sets]
        if len(set(lead.sets)) != len(lead.sets):
            msg = "a set of signals occurs twice"
            raise ValueError(msg)
    elif row.version == 2:
        _read_recent(lead, row.recent)
    lead.known = row.version > 1 and row.known
    _read_rare(lead, row)
    return lead


def _read_rare(lead: Lead, row: Any) -> None:
    """Read the rarely used parts; entries become lists, so that they compare equal to new ones."""
    if row.latches:
        lead.latches = {key: Latch(*msgspec.structs.astuple(latch)) for key, latch in row.latches.items()}
    if row.ledgers:
        lead.ledgers = {
            signal: Ledger(list(map(list, entries)), closed, closed_ref)
            for signal, (entries, closed, closed_ref) in row.ledgers.items()
        }
    if row.details:
        lead.details = {key: list(detail) for key, detail in row.details.items()}
    lead.traits, lead.aliases = row.traits, row.aliases
    _read_erased(lead, row.erased_at)
    lead.touches = list(map(list, row.touches))


def _with_unknown_offsets(recent: bytes) -> bytes:
    """The recent events of version 3 in the form of today."""
    width, unknown = OLD_ENTRY_BYTES[3], b"\xff" * OFFSET_BYTES
    rows = [recent[start : start + width] for start in range(0, len(recent), width)]
    return b"".join(row[:ID_BYTES] + unknown + row[ID_BYTES:] for row in rows)


def _read_recent(lead: Lead, recent: bytes) -> None:
    """Read the recent events of version 2: per signal, 6 bytes of the id, 6 of ms after base and 4 of the signal."""
    width = OLD_ENTRY_BYTES[2]
    rows = [recent[start : start + width] for start in range(0, len(recent), width)]
    for event, entries in groupby(rows, key=lambda entry: entry[:12]):
        signals = tuple(int.from_bytes(entry[12:], "big") for entry in entries)
        lead.remember(event[:6], int.from_bytes(event[6:], "big", signed=True), signals)


def encode_redirect(redirect: Redirect) -> bytes:
    """The stored form of a redirect."""
    row = (REDIRECT, redirect.target, redirect.visitor)
    return _encode(row if redirect.memory is None else (*row, encode(redirect.memory)))


def encode_erased(erased: Erased) -> bytes:
    """The stored form of an erasure."""
    return _encode((ERASED, erased.at_ms))
