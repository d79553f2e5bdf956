"""Checks that every store makes before it writes, and errors for a Redis that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import isfinite
from typing import TypeVar

from streams.store.base import Commit, Fired

RESERVED = frozenset({"version", "step"})
"""Field names of the control record that the engine must not use."""

V = TypeVar("V")


class StoreRefused(Exception):
    """The store cannot be used as it is configured."""

    def __init__(self, **details: object) -> None:
        super().__init__((self.__doc__ or "").format(**details))


class EvictingStore(StoreRefused):
    """Redis may evict leads: maxmemory-policy is {policy} at {node}. Set `maxmemory-policy noeviction`."""


class ClusterExpected(StoreRefused):
    """Redis at {node} is part of a cluster. Add `?cluster=true` to its URL."""


class NoCluster(StoreRefused):
    """Redis is no cluster. Remove `cluster=true` from its URL, or name a node of the cluster."""


class OldServer(StoreRefused):
    """Redis at {node} is version {version}, but Leadglow needs {needed} or later. Update it."""


class PermissionsMissing(StoreRefused):
    """The user in LEADGLOW_REDIS lacks permissions. Allow them by `ACL SETUSER name {rules}`."""


class AccessDenied(StoreRefused):
    """Redis refused the check at start ({error}). Correct user and password, and allow the user `+info`."""


class CheckRefused(StoreRefused):
    """Redis refused the check at start ({error}). Check the value of LEADGLOW_REDIS."""


def split(values: dict[str, V | None]) -> tuple[dict[str, V], list[str]]:
    """Split into the values to write and the lead ids to remove."""
    kept, removed = values, []
    if None in values.values():
        kept = {lead_id: value for lead_id, value in values.items() if value is not None}
        removed = [lead_id for lead_id, value in values.items() if value is None]
    return kept, removed  # type: ignore[return-value]  # no None is left


def require_finite(values: Iterable[float]) -> None:
    """Check that values are finite: a sorted set cannot hold NaN, and Redis would fail in the middle of a step."""
    if not all(map(isfinite, values)):
        msg = "a due time or a score is not a finite number"
        raise ValueError(msg)


def require_sound(commit: Commit) -> None:
    """Refuse a commit that would fail in the middle of a step, or that hides an error of the caller."""
    if not commit.step:
        msg = "a commit needs a step id"
        raise ValueError(msg)
    if not RESERVED.isdisjoint(commit.fields):
        msg = f"the fields {sorted(RESERVED)} are reserved for the store"
        raise ValueError(msg)
    seqs = [commit.trim_to, *(entry.seq for entry in commit.outbox)]
    if any(later <= earlier for earlier, later in pairwise(seqs)):
        msg = f"outbox entries must be in ascending order and above trim_to: {seqs[:10]}"
        raise ValueError(msg)


def require_unused(commit: Commit, newest: int) -> None:
    """Refuse outbox entries that are not above ``newest``, the highest number ever used."""
    if commit.outbox and commit.outbox[0].seq <= newest:
        msg = f"outbox seq {commit.outbox[0].seq} was used before"
        raise ValueError(msg)


DAYS_KEPT = 9
"""The number of days for which signal counts are kept."""


SALES_DAYS = 400
SALES_ROWS = 20_000
"""For how many days before the last commit with a row, and how many at most, rows for results are kept."""


def joined(fired: Fired, more: Fired) -> Fired:
    """Add the counts of two periods."""
    found = dict(fired)
    for signal, (count, amount) in more.items():
        known, before = found.get(signal, (0, None))
        together = None if amount is None and before is None else (amount or 0.0) + (before or 0.0)
        found[signal] = (known + count, together)
    return found
