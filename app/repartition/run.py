"""Runs a repartition: finish the old shards, copy, verify, switch, clean up. Each step may be repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import msgspec

from app.repartition import kafka_side
from app.repartition.controls import NotFinished, ShardSplit, make_control, parents_of, partition_of_source
from app.repartition.old_shards import open_old_shards
from app.repartition.plan import CannotRepartition, Plan
from app.repartition.progress import OnProgress, StepProgress
from app.repartition.stored_plan import OthersWrite, StoredPlan
from app.settings import Settings
from app.wiring import find_crash_point, make_consumer, make_producer, make_topics
from streams.clock import now_ms
from streams.implementation import Implementation
from streams.partition_numbers import FORMER, former_numbers
from streams.publishing import sessions
from streams.publishing.topic import ScorecardsTopic
from streams.shard.position import MAX_OFFSET, Position
from streams.store.client import connect
from streams.store.shard_copier import CopyDiffers, ShardCopier
from streams.transport.topics import partition_of

FIRST_VERSION: Final = b"1"


class CopiesMissing(Exception):
    """The new shards are in force, and there is no copy for some of them."""


class Repartition:
    """One run of the command."""

    def __init__(
        self, settings: Settings, implementation: Implementation, copier: ShardCopier, report: OnProgress
    ) -> None:
        """``settings`` have the old number of partitions."""
        self._settings = settings
        self._implementation = implementation
        self._copier = copier
        self._report = report
        self._reached = find_crash_point()
        self._plan = StoredPlan(copier)

    @property
    def plan(self) -> str:
        """The plan as it is in Redis; empty if there is none."""
        return self._plan.text

    # Running --------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Do everything that is left; returns the number of leads and accounts that were copied.

        Raises:
            CannotRepartition, OthersWrite, CopyDiffers: the old shards are in force, unless the step was a later one.
            CopiesMissing: the new shards are in force.
            Mismatch: the state does not match the topic.
        """
        plan = await self._plan.read()
        if plan is None:
            await self._require_no_workers()  # while a plan is there, workers refuse to start
            plan = Plan(old=self._copier.old, new=self._copier.new)
        if plan.step == "copy":
            plan = await self._plan.take_over(plan)  # the next write of another command fails
            try:
                plan = await self._copy_and_switch(plan)
            except OthersWrite:
                if await self._plan.read() is None:  # it was cancelled, perhaps while a page of copies was on its way
                    await self._copier.drop_copies()
                raise
        if plan.step == "clean":
            await self._require_copies(plan)
            await self._copier.discard_old(plan.steps)
            await self._reached("repartition_cleaned")
            plan = await self._plan.change(plan, step="rename")
        if plan.step == "rename":
            await self._require_copies(plan)
            await self._copier.put_in_place(plan.first_step)
            await self._reached("repartition_renamed")
            plan = await self._plan.change(plan, step="finish")
        await self._note_on_scorecards_topic(plan)
        await self._reached("repartition_noted")
        await self._plan.replace(None)
        return plan.leads

    async def _copy_and_switch(self, plan: Plan) -> Plan:
        await self._require_no_workers()
        await self._finish_old_shards()
        await self._reached("repartition_finished")
        controls = await self._copier.read_controls()
        plan = await self._copy(plan, _steps_of(controls))
        await self._put_controls(plan, controls)
        await self._verify(plan)
        await self._reached("repartition_verified")
        await self._require_no_workers()
        await self._plan.require_own()
        await kafka_side.add_partitions(self._settings, self._copier.new)
        await self._reached("repartition_added")
        controls = await self._copier.read_controls()
        if _steps_of(controls) != plan.steps:
            msg = "a worker has scored events meanwhile: stop all workers"
            raise OthersWrite(msg)
        await self._require_no_publication(controls)
        offsets = {p: Position.from_fields(each).checkpoint for p, each in enumerate(controls)}
        former = [*former_numbers(await self._copier.read_meta(FORMER)), self._copier.old]
        leads = await self._copier.count_leads()
        plan = msgspec.structs.replace(plan, step="clean", offsets=offsets, leads=leads)
        fields = {"partitions": str(self._copier.new), FORMER: msgspec.json.encode(former).decode()}
        await self._plan.replace(plan, **fields)
        await self._reached("repartition_switched")
        return plan

    async def cancel(self) -> int:
        """Remove the copies and the plan; returns the number of partitions of the topic.

        Raises:
            CannotRepartition: nothing has begun, partitions are added already, or the new shards are in force.
        """
        plan = await self._plan.read()
        if plan is None:
            msg = "no repartition has begun."
            raise CannotRepartition(msg)
        if plan.step != "copy":
            msg = f"the new shards are in force: finish by `leadglow repartition --to {plan.new}`."
            raise CannotRepartition(msg)
        await self._count_partitions_before(plan)
        await self._drop_copies(plan)
        count = await self._count_partitions_before(plan)
        await self._plan.replace(None)
        return count

    async def _count_partitions_before(self, plan: Plan) -> int:
        """The number of partitions of the topic, before they are added.

        Raises:
            CannotRepartition: they are.
        """
        count = (await kafka_side.read_topics_of(self._settings))[self._settings.lead_events]
        if count == plan.new:
            msg = (
                f"{self._settings.lead_events} has {count} partitions already, so workers cannot go on with "
                f"{plan.old}: finish by `leadglow repartition --to {plan.new}`."
            )
            raise CannotRepartition(msg)
        return count

    # Steps ----------------------------------------------------------------------------------------------------

    async def _require_no_workers(self) -> None:
        """Wait a moment for workers that have ended, and refuse to go on while there are others."""
        self._report("waiting for workers to end", 0, 0)
        await kafka_side.require_no_workers(self._settings)

    async def _finish_old_shards(self) -> None:
        async with self._open_topic() as topic:
            if topic.catalog.unfinished():
                async with self._open_writer(topic, self._copier.old) as writer:
                    await writer.finish()
            async with open_old_shards(self._settings, topic, self._implementation) as shards:
                most = 0

                def on_lag(lag: int) -> None:
                    nonlocal most
                    most = max(most, lag)
                    self._report("scoring the rest", most - lag, most)

                await shards.open()
                await shards.finish(on_lag)
                if self._copier.new % self._copier.old:
                    await shards.forward_rest(partial(kafka_side.read_source_logs, self._settings))
                    await shards.finish(on_lag)
                await shards.end()
        if waiting := await self._copier.count_waiting():
            msg = f"{waiting} records in outboxes are not sent yet"
            raise NotFinished(msg)

    async def _copy(self, plan: Plan, steps: Mapping[int, str]) -> Plan:
        if plan.steps != steps:
            plan = await self._drop_copies(plan)
            plan = await self._plan.change(plan, steps=dict(steps))
        counter = self._counter("copying")
        counter.total = await self._copier.count_items()
        for shard in range(self._copier.old):
            if shard not in plan.copied:
                await self._copier.copy_shard(shard, counter.add)
                await self._reached("repartition_copied")
                plan = await self._plan.change(plan, copied=(*plan.copied, shard))
        return plan

    async def _drop_copies(self, plan: Plan) -> Plan:
        """Remove what was copied; the plan without it is written first, so that no other command can switch to it."""
        plan = await self._plan.take_over(plan, steps={}, copied=())
        await self._copier.drop_copies()
        return plan

    async def _require_no_publication(self, controls: list[dict[str, bytes]]) -> None:
        """See that the old shards have the latest scorecards: added partitions have no control records of others."""
        async with self._open_topic() as topic:
            known = (-1, topic.catalog.in_force_at(0, MAX_OFFSET))
            wrong = [each for each in controls if each and int(each.get("place", b"-1")) not in known]
            if wrong or topic.catalog.unfinished():
                msg = "scorecards were published meanwhile"
                raise OthersWrite(msg)

    async def _put_controls(self, plan: Plan, controls: list[dict[str, bytes]]) -> None:
        positions = [Position.from_fields(each) for each in controls]
        names = {partition_of_source(n) for each in positions for n in each.sources if not n.startswith("~")}
        forwarded = await kafka_side.read_forwarded(self._settings, names)
        ends = await kafka_side.read_handoff_ends(self._settings)
        split = ShardSplit(controls, self._copier.new, forwarded, ends)
        cards = await self._copier.scorecards()
        for shard in range(self._copier.new):
            if fields := make_control(split, shard):
                await self._plan.require_own()
                own = {"version": FIRST_VERSION, "step": plan.first_step.encode()}
                await self._copier.put_control(shard, {**fields, **own}, cards)

    async def _verify(self, plan: Plan) -> None:
        counter = self._counter("comparing")
        counter.total = await self._copier.count_items()
        try:
            for shard in range(self._copier.old):
                await self._copier.verify_shard(shard, counter.add)
            await self._copier.verify_counts()
        except CopyDiffers:
            await self._plan.change(plan, steps={}, copied=())  # the next run copies anew
            raise

    async def _require_copies(self, plan: Plan) -> None:
        """Check that every new shard that has leads has a copy, before the old ones are removed.

        Raises:
            CopiesMissing: one has none.
        """
        old, new = self._copier.old, self._copier.new
        scored = [shard for shard in range(new) if any(plan.steps[each] for each in parents_of(shard, old, new))]
        if missing := await self._copier.find_missing(scored, plan.first_step):
            await self._plan.require_own()  # else another command has finished
            numbers = ", ".join(map(str, missing))
            msg = f"Redis has no copies for the new partitions {numbers}: restore the backup of Redis from before."
            raise CopiesMissing(msg)

    async def _note_on_scorecards_topic(self, plan: Plan) -> None:
        """Note on the topic of scorecards which records belong to which number, in case Redis is lost."""
        async with self._open_topic() as topic, self._open_writer(topic, plan.new) as writer:
            await writer.note_repartition(plan.old, plan.offsets)

    # Helpers --------------------------------------------------------------------------------------------------

    def _counter(self, doing: str) -> StepProgress:
        return StepProgress(doing, self._report, self._plan.require_own)

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
async def open_copier(
    settings: Settings, old: int, new: int, implementation: Implementation
) -> AsyncIterator[ShardCopier]:
    """What copies the state in Redis."""
    client = connect(settings.redis)

    def home(lead_id: bytes) -> int:
        return partition_of(lead_id.decode(), new, implementation.murmur2)

    try:
        yield ShardCopier(client, settings.namespace, old, new, home)
    finally:
        await client.aclose()
