"""Define the inputs of scoring: events of leads, and control records between shards."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.scoring.account_ids import account_id
from streams.scoring.verdicts import SalesCall

USER, EMAIL, ANONYMOUS = 0, 1, 2
"""Kinds of identity, greatest first: a known user, the hash of an email address, an anonymous visitor."""


class Identity(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A lead id with its kind. The identity that sorts first is the greater one: the other is merged into it.

    Identities have one total order, so redirects form no circle (unless one id is used as two kinds).
    """

    kind: int
    id: str


class LeadEvent(msgspec.Struct, gc=False):
    """One event of a lead. Times are ms since the epoch; ``at`` (event time) is never after ``arrival``."""

    lead_id: str
    name: str
    """The name that a signal's ``event`` is compared with."""
    values: tuple[Any, ...]
    """One value for each of ``Rules.paths``, None if missing."""
    message_id: str
    at: int
    arrival: int
    traits: dict[str, Any] | None = None
    touch: tuple[str, str, str] | None = None
    """Campaign source, medium and name."""
    raw: bytes = b""
    """The bytes of the record, for forwarding unchanged."""
    public: bool = False
    """Whether it has traits and came with a public write key; such traits are replaced by any others."""
    known: bool = False
    """Whether it names its lead by ``userId``: a known user, even if something else has the same id."""
    verdict: SalesCall | None = None
    """The verdict of sales in it."""


class Join(msgspec.Struct, frozen=True):
    """Two identities are one lead: ``lesser`` is merged into ``greater``."""

    lesser: Identity
    greater: Identity
    arrival: int
    explicit: bool = False
    """Whether it comes from ``alias``, which may join two known users."""

    @property
    def lead_id(self) -> str:
        """The lead whose shard handles the record."""
        return self.lesser.id


class Arrived(msgspec.Struct, frozen=True):
    """The state of ``origin``, to be merged into this lead; the blob is empty if there was no state."""

    lead_id: str
    origin: str
    blob: bytes
    arrival: int
    hops: int = 0
    """Number of redirects followed so far."""


class Erase(msgspec.Struct, frozen=True):
    """Forget this lead, its aliases and everything that arrived up to ``arrival``."""

    lead_id: str
    arrival: int


class Retract(msgspec.Struct, frozen=True):
    """Undo the event with this message id: a machine caused it, not a person."""

    lead_id: str
    message_id: str
    arrival: int
    counted_as: tuple[tuple[int, int, str, float, int], ...] = ()
    """What the event was counted as, if it came under a lead that was merged into this one: (signal, ms since the
    epoch, message id, amount, value hash)."""


class Contribution(msgspec.Struct, frozen=True):
    """What a lead gives to an account: its published score by a scorecard. ``place``: see ``accounts.Place``."""

    card: str
    account: str
    """The value of the key."""
    member: str
    """The lead."""
    score: int | None
    """None if the lead has left the account."""
    offset: int
    at: int
    """With ``offset``, the place at which the score was read."""
    arrival: int
    cause: str = "event"
    """``event``, ``decay``, ``moved``, ``merged``, ``erased``, ``forgotten`` or ``scorecard_changed``."""
    quiet: bool = False
    """Whether it is caused by a change of the scorecards that sends no alerts."""

    @property
    def lead_id(self) -> str:
        """The id under which the account is stored."""
        return account_id(self.card, self.account)


Control = Join | Arrived | Erase | Retract | Contribution


def join(a: Identity, b: Identity, arrival: int, explicit: bool = False) -> Join | None:
    """The record that joins two identities; None if they are the same or may not be joined."""
    if a.id == b.id or (a.kind == b.kind == USER and not explicit):
        return None
    return Join(max(a, b), min(a, b), arrival, explicit)
