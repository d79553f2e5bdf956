"""Runs a repartition: finish the old shards, copy, verify, switch, clean up. Each step may be repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import msgspec

from app.repartition import kafka_side
from app.repartition.controls import Division, NotFinished, make_control, partition_of_source
from app.repartition.old_shards import open_old_shards
from app.repartition.plan import Plan, Refused, decode_plan
from app.settings import Settings
from app.wiring import find_crash_point, make_consumer, make_producer, make_topics
from streams.clock import now_ms
from streams.implementation import Implementation
from streams.partition_numbers import FORMER, REPARTITION, former_numbers
from streams.publishing import sessions
from streams.publishing.topic import ScorecardsTopic
from streams.shard.position import MAX_OFFSET, Position
from streams.store.client import connect
from streams.store.move import Move, MovedWrong
from streams.transport.topics import partition_of

Report = Callable[[str, int, int], None]
"""Called with what is done, how much of it is done, and how much it is in all (0: unknown)."""
FIRST_VERSION: Final = b"1"


class OthersWrite(Exception):
    """Something writes the state meanwhile."""


@dataclass(slots=True)
class Counter:
    """Counts items of one step."""

    doing: str
    report: Report
    total: int = 0
    done: int = 0

    def add(self, count: int) -> None:
        """Count some more."""
        self.done += count
        self.report(self.doing, self.done, max(self.total, self.done))


class Repartition:
    """One run of the command."""

    def __init__(self, settings: Settings, implementation: Implementation, move: Move, report: Report) -> None:
        """``settings`` have the old number of partitions."""
        self._settings = settings
        self._implementation = implementation
        self._move = move
        self._report = report
        self._reached = find_crash_point()
        self._plan = ""

    @property
    def plan(self) -> str:
        """The plan as it is in Redis; empty if there is none."""
        return self._plan

    # The plan --------------------------------------------------------------------------------------------------

    async def _read_plan(self) -> Plan | None:
        self._plan = await self._move.read_meta(REPARTITION)
        return decode_plan(self._plan)

    async def _write(self, plan: Plan | None, **fields: str) -> None:
        text = "" if plan is None else plan.encode()
        if not await self._move.replace_plan(self._plan, text, **fields):
            msg = "another `leadglow repartition` runs, or has changed the plan: let that one end"
            raise OthersWrite(msg)
        self._plan = text

    # Running --------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Do everything that is left; returns the number of leads and accounts that were copied.

        Raises:
            Refused, OthersWrite, MovedWrong: the old shards are in force, unless the step was a later one.
            Mismatch: the state does not match the topic.
        """
        plan, leads = await self._read_plan(), 0
        if plan is None:
            await self._require_no_workers()  # while a plan is there, workers refuse to start
            plan = Plan(old=self._move.old, new=self._move.new)
            await self._write(plan)
        if plan.step == "copy":
            leads = await self._move.count_leads()
            plan = await self._copy_and_switch(plan)
        if plan.step == "clean":
            await self._move.discard_old(plan.steps)
            await self._reached("repartition_cleaned")
            plan = await self._enter(plan, "rename")
        if plan.step == "rename":
            await self._move.put_in_place()
            await self._reached("repartition_renamed")
            plan = await self._enter(plan, "finish")
        await self._note(plan)
        await self._reached("repartition_noted")
        await self._write(None)
        return leads

    async def _enter(self, plan: Plan, step: Any) -> Plan:
        plan = msgspec.structs.replace(plan, step=step)
        await self._write(plan)
        return plan

    async def _copy_and_switch(self, plan: Plan) -> Plan:
        await self._require_no_workers()
        await self._finish_old_shards()
        await self._reached("repartition_finished")
        controls = await self._move.read_controls()
        plan = await self._copy(plan, _steps_of(controls))
        await self._put_controls(controls)
        await self._verify(plan)
        await self._reached("repartition_verified")
        await self._require_no_workers()
        await kafka_side.add_partitions(self._settings, self._move.new)
        await self._reached("repartition_added")
        controls = await self._move.read_controls()
        if _steps_of(controls) != plan.steps:
            msg = "a worker has scored events meanwhile: stop all workers"
            raise OthersWrite(msg)
        await self._require_no_publication(controls)
        offsets = {p: Position.from_fields(each).checkpoint for p, each in enumerate(controls)}
        former = [*former_numbers(await self._move.read_meta(FORMER)), self._move.old]
        plan = msgspec.structs.replace(plan, step="clean", offsets=offsets)
        await self._write(plan, partitions=str(self._move.new), **{FORMER: msgspec.json.encode(former).decode()})
        await self._reached("repartition_switched")
        return plan

    async def cancel(self) -> int:
        """Remove the copies and the plan; returns the number of partitions of the topic.

        Raises:
            Refused: nothing has begun, partitions are added already, or the new shards are in force.
        """
        plan = await self._read_plan()
        if plan is None:
            msg = "no repartition has begun."
            raise Refused(msg)
        if plan.step != "copy":
            msg = f"the new shards are in force: finish by `leadglow repartition --to {plan.new}`."
            raise Refused(msg)
        count = (await kafka_side.read_topics_of(self._settings))[self._settings.lead_events]
        if count == plan.new:
            msg = (
                f"{self._settings.lead_events} has {count} partitions already, so workers cannot go on with "
                f"{plan.old}: finish by `leadglow repartition --to {plan.new}`."
            )
            raise Refused(msg)
        await self._move.drop_copies()
        await self._write(None)
        return count

    # Steps ----------------------------------------------------------------------------------------------------

    async def _require_no_workers(self) -> None:
        """Wait a moment for workers that have ended, and refuse to go on while there are others."""
        self._report("waiting for workers to end", 0, 0)
        await kafka_side.require_no_workers(self._settings)

    async def _finish_old_shards(self) -> None:
        async with self._open_topic() as topic:
            if topic.catalog.unfinished():
                async with self._open_writer(topic, self._move.old) as writer:
                    await writer.finish()
            async with open_old_shards(self._settings, topic, self._implementation) as shards:
                most = 0

                def on_lag(lag: int) -> None:
                    nonlocal most
                    most = max(most, lag)
                    self._report("scoring the rest", most - lag, most)

                await shards.open()
                await shards.finish(on_lag)
                if self._move.new % self._move.old:
                    await shards.forward_rest()
                    await shards.finish(on_lag)
                await shards.end()
        if waiting := await self._move.count_waiting():
            msg = f"{waiting} records in outboxes are not sent yet"
            raise NotFinished(msg)

    async def _copy(self, plan: Plan, steps: Mapping[int, str]) -> Plan:
        if plan.steps != steps:
            await self._move.drop_copies()
            plan = msgspec.structs.replace(plan, steps=dict(steps), copied=())
            await self._write(plan)
        counter = self._counter("copying")
        counter.total = await self._move.count_items()
        for shard in range(self._move.old):
            if shard not in plan.copied:
                await self._move.copy_shard(shard, counter.add)
                await self._reached("repartition_copied")
                plan = msgspec.structs.replace(plan, copied=(*plan.copied, shard))
                await self._write(plan)
        return plan

    async def _require_no_publication(self, controls: list[dict[str, bytes]]) -> None:
        """See that the old shards have the latest scorecards: added partitions have no control records of others."""
        async with self._open_topic() as topic:
            known = (-1, topic.catalog.in_force_at(0, MAX_OFFSET))
            wrong = [each for each in controls if each and int(each.get("place", b"-1")) not in known]
            if wrong or topic.catalog.unfinished():
                msg = "scorecards were published meanwhile"
                raise OthersWrite(msg)

    async def _put_controls(self, controls: list[dict[str, bytes]]) -> None:
        positions = [Position.from_fields(each) for each in controls]
        names = {partition_of_source(n) for each in positions for n in each.sources if not n.startswith("~")}
        forwarded = await kafka_side.read_forwarded(self._settings, names)
        ends = await kafka_side.read_handoff_ends(self._settings)
        division = Division(controls, self._move.new, forwarded, ends)
        cards, step = await self._move.scorecards(), f"repartition:{uuid4().hex}"
        for shard in range(self._move.new):
            if fields := make_control(division, shard):
                own = {"version": FIRST_VERSION, "step": step.encode()}
                await self._move.put_control(shard, {**fields, **own}, cards)

    async def _verify(self, plan: Plan) -> None:
        counter = self._counter("comparing")
        counter.total = await self._move.count_items()
        try:
            for shard in range(self._move.old):
                await self._move.verify_shard(shard, counter.add)
            await self._move.verify_counts()
        except MovedWrong:
            await self._write(msgspec.structs.replace(plan, steps={}, copied=()))  # the next run copies anew
            raise

    async def _note(self, plan: Plan) -> None:
        """Note on the topic of scorecards which records belong to which number, in case Redis is lost."""
        async with self._open_topic() as topic, self._open_writer(topic, plan.new) as writer:
            await writer.note_repartition(plan.old, plan.offsets)

    # Helpers --------------------------------------------------------------------------------------------------

    def _counter(self, doing: str) -> Counter:
        return Counter(doing, self._report)

    @asynccontextmanager
    async def _open_topic(self) -> AsyncIterator[ScorecardsTopic]:
        settings = self._settings
        async with sessions.open_topic(
            settings.scorecards_topic, settings.lateness_ms, lambda: make_consumer(settings)
        ) as topic:
            yield topic

    def _open_writer(self, topic: ScorecardsTopic, partitions: int) -> Any:
        return sessions.open_writer(
            topic,
            make_topics(self._settings),
            partitions,
            lambda: make_producer(self._settings),
            _time_ms,
            self._reached,
        )


async def _time_ms() -> int:
    return now_ms()


def _steps_of(controls: list[dict[str, bytes]]) -> dict[int, str]:
    return {shard: each.get("step", b"").decode() for shard, each in enumerate(controls)}


@asynccontextmanager
async def open_move(settings: Settings, old: int, new: int, implementation: Implementation) -> AsyncIterator[Move]:
    """The state in Redis, to be moved."""
    client = connect(settings.redis)

    def home(lead_id: bytes) -> int:
        return partition_of(lead_id.decode(), new, implementation.murmur2)

    try:
        yield Move(client, settings.namespace, old, new, home)
    finally:
        await client.aclose()
