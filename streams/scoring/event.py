"""What scoring takes in: one event of one lead, or one control record between shards."""

from __future__ import annotations

from typing import Any

import msgspec

USER, EMAIL, ANONYMOUS = 0, 1, 2
"""Kinds of identity, the greatest first: a known user, the hash of an e-mail address, an anonymous visitor."""


class Identity(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A lead id with its kind. Of two identities the smaller one is the greater: the other gives way to it.

    One total order over all identities, so redirects form no ring (unless one id is used as two kinds).
    """

    kind: int
    id: str


class LeadEvent(msgspec.Struct, gc=False):
    """One thing that a lead did. Times are ms since the epoch; ``at`` (event time) is never after ``arrival``."""

    lead_id: str
    name: str
    """What signals name in ``event``."""
    values: tuple[Any, ...]
    """The values of ``Rules.paths``, None for a missing one."""
    message_id: str
    at: int
    arrival: int
    traits: dict[str, Any] | None = None
    touch: tuple[str, str, str] | None = None
    """Campaign source, medium and name."""
    raw: bytes = b""
    """The record's own bytes, to send on as they are."""
    public: bool = False
    """Whether it came by a public write key and carries traits, which give way to all others then."""
    known: bool = False
    """Whether it calls its lead by ``userId``: a known user, whatever else has the same id."""


class Join(msgspec.Struct, frozen=True):
    """Two identities are one lead: ``lesser`` gives way to ``greater``."""

    lesser: Identity
    greater: Identity
    arrival: int
    explicit: bool = False
    """Said by ``alias``, which may join two known users."""

    @property
    def lead_id(self) -> str:
        """Whose shard decides."""
        return self.lesser.id


class Arrived(msgspec.Struct, frozen=True):
    """The state of ``origin``, which gave way to this lead; an empty blob where there was none."""

    lead_id: str
    origin: str
    blob: bytes
    arrival: int
    hops: int = 0
    """How many redirects it has followed."""


class Erase(msgspec.Struct, frozen=True):
    """Forget this lead, its aliases and whatever had arrived by then."""

    lead_id: str
    arrival: int


class Retract(msgspec.Struct, frozen=True):
    """Take back what the event with this message id gave to the lead: it was no person's doing."""

    lead_id: str
    message_id: str
    arrival: int


Control = Join | Arrived | Erase | Retract


def join(a: Identity, b: Identity, arrival: int, explicit: bool = False) -> Join | None:
    """The record that joins two identities; None where they are one or may not be joined."""
    if a.id == b.id or (a.kind == b.kind == USER and not explicit):
        return None
    return Join(max(a, b), min(a, b), arrival, explicit)
