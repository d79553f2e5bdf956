"""What the last release stored is read, and written back the same: it may have to read it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.events.outgoing import decode_outgoing, encode_outgoing
from streams.scoring.account_state import Account
from streams.scoring.lead import Erased, Redirect, State
from streams.scoring.stored import decode, encode, encode_erased, encode_redirect
from streams.scoring.stored_accounts import encode_account
from streams.scoring.telling import Told
from streams.shard.in_force import InForce
from streams.shard.position import Position

STORED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data/stored/format1.json").read_text())
"""By `python -m tests.live.upgrade --record`."""
BLOBS = [(kind, blob) for kind, blobs in STORED["blobs"].items() for blob in blobs]


def written(state: State) -> bytes:
    """The stored form of a state."""
    if isinstance(state, Redirect):
        return encode_redirect(state)
    if isinstance(state, Erased):
        return encode_erased(state)
    return encode_account(state) if isinstance(state, Account) else encode(state)


def test_states_of_all_kinds_are_known() -> None:
    assert STORED["blobs"].keys() == {"Lead", "Lead with verdicts", "Redirect", "Erased", "Account"}


@pytest.mark.parametrize(("kind", "blob"), BLOBS, ids=[kind for kind, _ in BLOBS])
def test_a_state_is_written_back_the_same(kind: str, blob: str) -> None:
    assert written(decode(bytes.fromhex(blob))).hex() == blob


def test_a_control_record_is_written_back_the_same() -> None:
    for control in STORED["controls"]:
        fields = {name: bytes.fromhex(value) for name, value in control.items()}
        again = Position.from_fields(fields).to_fields() | InForce.from_fields(fields).to_fields()
        again |= Told.from_fields(fields).to_fields()
        assert {name: fields[name] for name in again} == again
        assert fields.keys() - again.keys() == {"waiting", "handoff", "owner"}


def test_a_waiting_record_is_written_back_the_same() -> None:
    for payload in map(bytes.fromhex, STORED["outbox"]):
        assert encode_outgoing(decode_outgoing(payload)) == payload
    assert STORED["outbox"]
