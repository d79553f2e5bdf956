"""Hold the state of an account: the latest published score of each of its leads, and its stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.scoring.account_ids import account_id

if TYPE_CHECKING:
    from streams.scoring.lead import Latch

Place = tuple[int, int]
"""What a score contains: all records of the lead's partition before an offset, and the time up to an instant (ms)."""


class Member(NamedTuple):
    """A lead of an account: its published score, and the place at which it was read."""

    score: int
    place: Place


class Account:
    """An account by one scorecard."""

    __slots__ = ("card", "erased_at", "latches", "left", "members", "seen_ms", "value")

    def __init__(self, card: str, value: str) -> None:
        """Start without leads; ``value`` is that of the key."""
        self.card = card
        self.value = value
        self.seen_ms = 0
        """The latest instant of a contribution."""
        self.members: dict[str, Member] = {}
        """By lead id."""
        self.left: dict[bytes, Place] = {}
        """The places at which leads left, by the hashes of their ids."""
        self.latches: dict[str, Latch] = {}
        self.erased_at = 0
        """Never: as for leads, for the ids of alerts."""

    @property
    def id(self) -> str:
        """The id under which it is stored."""
        return account_id(self.card, self.value)
