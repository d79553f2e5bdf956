"""Checks that every store makes before it writes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import isfinite
from typing import TypeVar

from streams.store.base import Commit, Fired

RESERVED = frozenset({"version", "step"})
"""Field names that the control record keeps for itself."""

V = TypeVar("V")


class StoreRefused(Exception):
    """The store cannot be used as it is set up."""

    def __init__(self, **details: object) -> None:
        super().__init__((self.__doc__ or "").format(**details))


class EvictingStore(StoreRefused):
    """Redis may evict leads: maxmemory-policy is {policy} at {node}. Set `maxmemory-policy noeviction`."""


class ClusterExpected(StoreRefused):
    """Redis at {node} is part of a cluster. Add `?cluster=true` to its URL."""


class AccessDenied(StoreRefused):
    """Redis refused the check at start ({error}). Correct user and password, and allow the user `+info`."""


class CheckRefused(StoreRefused):
    """Redis refused the check at start ({error}). See what LEADGLOW_REDIS says."""


def split(values: dict[str, V | None]) -> tuple[dict[str, V], list[str]]:
    """The values to put in, and the lead ids to take out."""
    kept, removed = values, []
    if None in values.values():
        kept = {lead_id: value for lead_id, value in values.items() if value is not None}
        removed = [lead_id for lead_id, value in values.items() if value is None]
    return kept, removed  # type: ignore[return-value]  # no None is left


def require_finite(values: Iterable[float]) -> None:
    """A sorted set cannot hold NaN, and Redis would notice only half way through the step."""
    if not all(map(isfinite, values)):
        msg = "a due time or a score is not a finite number"
        raise ValueError(msg)


def require_sound(commit: Commit) -> None:
    """Refuse what Redis would refuse half way, or what would hide a fault of the caller."""
    if not commit.step:
        msg = "a commit needs a step id"
        raise ValueError(msg)
    if not RESERVED.isdisjoint(commit.fields):
        msg = f"the fields {sorted(RESERVED)} are kept by the store"
        raise ValueError(msg)
    seqs = [commit.trim_to, *(entry.seq for entry in commit.outbox)]
    if any(later <= earlier for earlier, later in pairwise(seqs)):
        msg = f"outbox entries must ascend and lie above trim_to: {seqs[:10]}"
        raise ValueError(msg)


def require_unused(commit: Commit, newest: int) -> None:
    """Refuse entries that do not come after the ``newest`` that the outbox ever had."""
    if commit.outbox and commit.outbox[0].seq <= newest:
        msg = f"outbox seq {commit.outbox[0].seq} was used before"
        raise ValueError(msg)


DAYS_KEPT = 9
"""Days of which it is known how often signals counted."""


def joined(fired: Fired, more: Fired) -> Fired:
    """Counts of two times together."""
    found = dict(fired)
    for signal, (count, amount) in more.items():
        known, before = found.get(signal, (0, None))
        together = None if amount is None and before is None else (amount or 0.0) + (before or 0.0)
        found[signal] = (known + count, together)
    return found
