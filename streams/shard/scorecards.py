"""The scorecards of one shard: which publication is in force, and how the shard changes to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streams.events.changes import decode_change
from streams.events.times import FIRST_MS, LAST_MS
from streams.publishing.publications import Publications
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange, Undo
from streams.shard.in_force import InForce
from streams.shard.outbox import Origin


class ShardScorecards:
    """The scorecards of one shard."""

    def __init__(self, partition: int, rules: Rules, publications: Publications) -> None:
        """``rules`` are in use while there are no publications."""
        self.in_force = InForce()
        self.origin = Origin(partition)
        """The shard as the origin of records for other shards."""
        self._partition = partition
        self._rules = rules
        self._publications = publications

    async def open(self, fields: Mapping[str, bytes], offset: int, arrived_ms: int) -> tuple[Rules, RulesChange | None]:
        """Read which scorecards are in force at an offset; returns them, and a change that is not finished.

        Raises:
            Mismatch: this version of Leadglow does not know the scorecards, or cannot read them.
        """
        self.in_force = found = InForce.from_fields(fields)
        if found.place < 0:
            found.place = await self._publications.place_at(self._partition, offset)
            found.started = {found.place: 0} if found.place >= 0 else {}
        self.origin = Origin(self._partition, self._publications.backfill)
        rules = await self._load(found.place)
        found.settled_by = found.settled_by or rules.version
        if found.before is not None:
            return rules, await self._make_change()
        if found.settled_by != rules.version:  # stored by an earlier version of Leadglow, which had no publications
            return rules, RulesChange(rules, rules, arrived_ms, max(found.place, 0))
        return rules, None

    async def begin(self, record: Any) -> RulesChange | None:
        """Begin to use the scorecards of a control record; None if they are not newer than those in force.

        Raises:
            Mismatch: this version of Leadglow does not know the scorecards, or cannot read them.
        """
        change = decode_change(record)
        if change is None or change.place <= self.in_force.place:
            return None
        before = self.in_force
        self.in_force = before.after(change.place, change.quiet, min(max(record.timestamp, FIRST_MS), LAST_MS))
        try:
            return await self._make_change()
        except BaseException:
            self.in_force = before
            raise

    def finish(self, version: str) -> None:
        """Note that every lead is settled by the scorecards in force."""
        self.in_force = replace(self.in_force, before=None, settled_by=version)

    async def _make_change(self) -> RulesChange:
        found = self.in_force
        assert found.before is not None
        old, new = await self._load(found.before), await self._load(found.place)
        undone = self._publications.undone_by(found.place)
        since_ms = found.first_start(undone)
        undo = None if since_ms is None else Undo(undone, since_ms)
        return RulesChange(old, new, found.since_ms, found.place, found.quiet, undo)

    async def _load(self, place: int) -> Rules:
        return self._rules if place < 0 else await self._publications.load_rules(place, self._partition)
