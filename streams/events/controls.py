"""Encodes and decodes the control records of ``lead-events``: joins, moved leads, erasures, retractions, scores."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streams.events.rejects import REASONS, Reject
from streams.events.times import FIRST_MS, LAST_MS
from streams.scoring.event import Arrived, Contribution, Control, Erase, Join, Retract
from streams.scoring.lead import Lead
from streams.scoring.rules import MAX_AMOUNT
from streams.scoring.stored import decode

_KINDS: Final[dict[str, Any]] = {
    "join": Join,
    "arrived": Arrived,
    "erase": Erase,
    "retract": Retract,
    "account": Contribution,
}
_DECODERS: Final = {kind: msgspec.msgpack.Decoder(cls) for kind, cls in _KINDS.items()}


def kind_of(control: Control) -> str:
    """The value of the kind header of a control record."""
    return next(kind for kind, cls in _KINDS.items() if isinstance(control, cls))


def encode_control(control: Control) -> bytes:
    """Encode the value of a control record."""
    return msgspec.msgpack.encode(control)


def decode_control(kind: str, value: bytes | None, key: bytes | None, arrival: int) -> Control | Reject:
    """Decode a control record. A record without a value requests the erasure of the lead in its key."""
    arrival = min(max(arrival, FIRST_MS), LAST_MS)
    try:
        if value is None:
            if kind or not key:
                return Reject("empty", REASONS["empty"])
            return Erase(key.decode(), arrival)
        control: Control = _DECODERS[kind].decode(value)
        sound = 0 <= control.arrival <= LAST_MS
        if isinstance(control, Join):
            sound = sound and control.greater < control.lesser
        if isinstance(control, Contribution):
            sound = sound and 0 <= control.offset < 2**63 and 0 <= control.at <= LAST_MS and bool(control.account)
        if isinstance(control, Retract):
            sound = sound and all(map(_is_sound, control.counted_as))
        if isinstance(control, Arrived) and control.blob:
            state = decode(control.blob)
            sound = sound and not (isinstance(state, Lead) and not 0 <= state.base <= LAST_MS)
        return control if sound else Reject("bad_control", REASONS["bad_control"])
    except (LookupError, TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return Reject("bad_control", REASONS["bad_control"])


def _is_sound(given: tuple[int, int, str, float, int]) -> bool:
    """Whether an event can have been counted like this."""
    signal, at, _, amount, value = given
    return 0 <= signal < 2**32 and 0 <= at <= LAST_MS and 0 <= amount <= MAX_AMOUNT and 0 <= value < 2**64
