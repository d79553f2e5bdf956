"""Encode accounts for the store and decode them again: one MessagePack array for each."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from streams.scoring.account_state import Account, Member
from streams.scoring.lead import ID_BYTES, Latch
from streams.scoring.stored_rows import LatchRow

ACCOUNT: Final = -3
"""The kind of the stored form; redirects and erasures have others."""
_Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_At = Annotated[int, Meta(ge=0, le=2**46)]
_Score = Annotated[int, Meta(ge=-(2**53), le=2**53)]
_Digest = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]


class _Row(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    kind: int
    card: str
    value: str
    seen_ms: _At
    members: dict[str, tuple[_Score, _Offset, _At]]
    left: dict[_Digest, tuple[_Offset, _At]]
    latches: dict[str, LatchRow]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Row)


def encode_account(account: Account) -> bytes:
    """The stored form of an account."""
    members = {lead_id: (member.score, *member.place) for lead_id, member in account.members.items()}
    latches = {key: latch.row() for key, latch in account.latches.items()}
    row = (ACCOUNT, account.card, account.value, account.seen_ms, members, account.left, latches)
    return _encoder.encode(row)


def decode_account(blob: bytes) -> Account:
    """Decode a stored form.

    Raises:
        ValueError: it is not one.
    """
    row = _decoder.decode(blob)
    account = Account(row.card, row.value)
    account.seen_ms, account.left = row.seen_ms, row.left
    account.members = {lead_id: Member(score, (offset, at)) for lead_id, (score, offset, at) in row.members.items()}
    account.latches = {key: Latch(*msgspec.structs.astuple(latch)) for key, latch in row.latches.items()}
    return account


def without_offsets(blob: bytes) -> bytes:
    """The same account for leads whose partitions begin anew: only instants say which contribution is later."""
    account = decode_account(blob)
    account.members = {lead_id: Member(each.score, (0, each.place[1])) for lead_id, each in account.members.items()}
    account.left = {digest: (0, at) for digest, (_, at) in account.left.items()}
    return encode_account(account)
