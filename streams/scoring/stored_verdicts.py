"""Pack the verdicts of a lead into bytes and details, and unpack them again.

A verdict is 15 bytes: its kind, its time, the hash of its message id, and two places in the details, from 1 on: that
of its own detail and that of its author; 0 for none. Each different detail is stored once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streams.scoring.verdicts import KINDS, MAX_VERDICTS, Detail, Verdict, Verdicts

_TIME_BYTES: Final = 6
_ID_BYTES: Final = 6
VERDICT_BYTES: Final = 1 + _TIME_BYTES + _ID_BYTES + 2


def pack_verdicts(verdicts: Verdicts) -> tuple[bytes, list[Detail]]:
    """The bytes of the verdicts, and their details."""
    texts = [each for verdict in verdicts for each in (verdict.detail, verdict.by) if each != ""]
    details = list(dict.fromkeys(texts))
    places = {detail: i for i, detail in enumerate(details, 1)}
    rows = [
        bytes((verdict.kind,))
        + verdict.at_ms.to_bytes(_TIME_BYTES, "big")
        + verdict.digest
        + bytes((places.get(verdict.detail, 0), places.get(verdict.by, 0)))
        for verdict in verdicts
    ]
    return b"".join(rows), details


def unpack_verdicts(packed: bytes, details: Sequence[Detail]) -> Verdicts:
    """The verdicts, as ``pack_verdicts`` packed them."""
    known, middle = ("", *details), 1 + _TIME_BYTES
    rows = [packed[start : start + VERDICT_BYTES] for start in range(0, len(packed), VERDICT_BYTES)]
    return tuple(
        Verdict(int.from_bytes(row[1:middle], "big"), row[0], row[middle:-2], known[row[-2]], str(known[row[-1]]))
        for row in rows
    )


def are_sound(packed: bytes, details: Sequence[Detail]) -> bool:
    """Whether stored verdicts can be unpacked."""
    places = packed[VERDICT_BYTES - 2 :: VERDICT_BYTES] + packed[VERDICT_BYTES - 1 :: VERDICT_BYTES]
    return (
        0 < len(packed) <= MAX_VERDICTS * VERDICT_BYTES
        and len(packed) % VERDICT_BYTES == 0
        and max(places) <= len(details)
        and all(kind in KINDS for kind in packed[::VERDICT_BYTES])
    )
