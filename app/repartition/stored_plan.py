"""Reads and replaces the plan of a repartition in Redis, so that of two commands only one goes on."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

import msgspec

from app.repartition.plan import Plan, decode_plan
from streams.partition_numbers import REPARTITION
from streams.store.shard_copier import ShardCopier

TAKEN_OVER: Final = "another `leadglow repartition` has changed the plan: let that one end"


class OthersWrite(Exception):
    """Something writes the state meanwhile."""


class StoredPlan:
    """The plan as this command has read or written it last."""

    def __init__(self, copier: ShardCopier) -> None:
        """Nothing is read yet."""
        self._copier = copier
        self._run = uuid4().hex
        self.text = ""
        """The plan as it is in Redis; empty if there is none."""

    async def read(self) -> Plan | None:
        """Read it; None if there is none."""
        self.text = await self._copier.read_meta(REPARTITION)
        return decode_plan(self.text)

    async def replace(self, plan: Plan | None, **fields: str) -> None:
        """Replace it, and set fields, in one write.

        Raises:
            OthersWrite: another command has replaced it meanwhile.
        """
        text = "" if plan is None else plan.encode()
        if not await self._copier.replace_plan(self.text, text, **fields):
            raise OthersWrite(TAKEN_OVER)
        self.text = text

    async def change(self, plan: Plan, **changes: Any) -> Plan:
        """Replace it by ``plan`` with changes, which is returned.

        Raises:
            OthersWrite: another command has replaced it meanwhile.
        """
        plan = msgspec.structs.replace(plan, **changes)
        await self.replace(plan)
        return plan

    async def take_over(self, plan: Plan, **changes: Any) -> Plan:
        """The same as the plan of this command: from now on, every write of another one fails."""
        return await self.change(plan, run=self._run, **changes)

    async def require_own(self) -> None:
        """Check that no other command has replaced it.

        Raises:
            OthersWrite: one has.
        """
        if await self._copier.read_meta(REPARTITION) != self.text:
            raise OthersWrite(TAKEN_OVER)
