"""The plan of a repartition in Redis: what a repeated command goes on with. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

Step = Literal["copy", "clean", "rename", "finish"]


class CannotRepartition(Exception):
    """A repartition cannot begin or go on; the message says what to do."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A repartition that has begun."""

    old: int
    new: int
    step: Step = "copy"
    """``copy``: the old shards are in force. From ``clean`` on, the new ones are."""
    steps: dict[int, str] = {}
    """Old shard -> the id of its last step, by which it was copied."""
    copied: tuple[int, ...] = ()
    """The old shards that are copied."""
    offsets: dict[int, int] = {}
    """Old partition -> its first record that belongs to the new shards."""
    leads: int = 0
    """The leads and accounts that were copied; known from ``clean`` on."""
    run: str = ""
    """The command that may change it until the switch: each takes it over before it touches a copy."""

    @property
    def first_step(self) -> str:
        """The id of the first step of the new shards, by which their copies are told from those of other commands."""
        return f"repartition:{self.run}"

    def encode(self) -> str:
        """The plan as text."""
        return msgspec.json.encode(self).decode()


def decode_plan(text: str) -> Plan | None:
    """The plan in a text; None if there is none."""
    return msgspec.json.decode(text, type=Plan) if text else None
