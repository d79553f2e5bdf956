"""The rows from which results are counted: leads handed over to sales, verdicts about them, and undone verdicts.

The store keeps them in order of time. A row names no lead: it has a hash of the id, which tells leads apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from streams.scoring.lead import Lead, id_hash
from streams.scoring.verdicts import KINDS, Verdict

ENTERED: Final = "entered"
UNDONE: Final = "undone"
About = tuple[str, str, int]
"""Scorecard, stage, and the time of the alert in ms since the epoch."""
Channel = tuple[str, str, str]
"""Source, medium and campaign; empty if missing."""
NO_CHANNEL: Final[Channel] = ("", "", "")


class SalesRow(msgspec.Struct, frozen=True, array_like=True):
    """A lead entered a stage with an alert, or got a verdict, or a verdict was taken back."""

    kind: str
    """``entered``, a kind of verdict, or ``undone``."""
    at_ms: int
    lead: str
    verdict: str = ""
    """The hash of the message id of a verdict, or of the one that was taken back."""
    about: tuple[About, ...] = ()
    """The alert; of a verdict the last one of each scorecard before it."""
    first: Channel = NO_CHANNEL
    last: Channel = NO_CHANNEL
    detail: str | int | float = ""
    """The reason or the amount."""
    currency: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SalesRow).decode


def encode_rows(rows: Iterable[SalesRow]) -> list[tuple[int, str]]:
    """The time and the text of each row, as the store keeps them."""
    return [(row.at_ms, _encode(row).decode()) for row in rows]


def decode_rows(texts: Iterable[bytes]) -> list[SalesRow]:
    """The rows in these texts."""
    return [_decode(text) for text in texts]


def entered_row(lead_id: str, lead: Lead, about: About) -> SalesRow:
    """A lead entered a stage with an alert."""
    first, last = channels_of(lead)
    return SalesRow(ENTERED, about[2], _hash(lead_id), "", (about,), first, last)


def verdict_row(lead_id: str, lead: Lead, verdict: Verdict, currency: str, about: Iterable[About]) -> SalesRow:
    """A lead got a verdict."""
    first, last = channels_of(lead)
    return SalesRow(
        KINDS[verdict.kind],
        verdict.at_ms,
        _hash(lead_id),
        verdict.digest.hex(),
        tuple(about),
        first,
        last,
        verdict.detail,
        currency,
    )


def undone_row(lead_id: str, digest: bytes, at_ms: int) -> SalesRow:
    """A verdict was taken back."""
    return SalesRow(UNDONE, at_ms, _hash(lead_id), digest.hex())


def _hash(lead_id: str) -> str:
    return id_hash(lead_id).hex()


def channels_of(lead: Lead) -> tuple[Channel, Channel]:
    """The first and the last campaign that brought a lead."""
    if not lead.touches:
        return NO_CHANNEL, NO_CHANNEL
    ends = [tuple(str(part or "") for part in touch[1:4]) for touch in (lead.touches[0], lead.touches[-1])]
    return ends[0], ends[1]  # type: ignore[return-value]  # a touch has three parts
