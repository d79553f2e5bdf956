"""What a shard needs of the published scorecards."""

from __future__ import annotations

from typing import Protocol

from streams.scoring.rules import Rules


class Publications(Protocol):
    """The published scorecards, as a shard needs them."""

    async def place_at(self, partition: int, offset: int) -> int:
        """The place of the publication in force at an offset, by what is published now; -1 without publications."""

    async def load_rules(self, place: int, partition: int) -> Rules:
        """The scorecards of a publication that the log of a partition refers to.

        Raises:
            Mismatch: there is no such publication, or this version of Leadglow cannot read it.
        """

    def undone_by(self, place: int) -> frozenset[int]:
        """The places of the publications that this one takes back."""

    @property
    def backfill(self) -> int | None:
        """The place of the publication whose signals count from the beginning of the log; None for none."""


class OneVersion:
    """Scorecards that were never published: the same for the whole log."""

    backfill: int | None = None

    async def place_at(self, partition: int, offset: int) -> int:
        """There are no publications."""
        return -1

    async def load_rules(self, place: int, partition: int) -> Rules:
        """Never called."""
        raise NotImplementedError

    def undone_by(self, place: int) -> frozenset[int]:
        """Nothing."""
        return frozenset()
