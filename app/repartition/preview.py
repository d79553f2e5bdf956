"""Reads what a repartition would do, and why it cannot begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from app.repartition import kafka_side
from app.repartition.controls import moves_scores
from app.repartition.plan import CannotRepartition, Plan
from app.settings import Settings
from streams.partition_numbers import explain_older, is_older
from streams.store.shard_copier import ShardCopier

_SCORES_MOVE: Final = (
    "the partitions of {s.handoff} or {s.lead_scores} do not divide the old and the new number: alerts and scores of "
    "some leads go to other partitions from now on. Let the notifier catch up first; readers of {s.lead_scores} must "
    "keep the latest record of a lead from any partition"
)


@dataclass(slots=True)
class Preview:
    """What a repartition would do."""

    old: int
    new: int
    topic_partitions: int
    step: str
    """The step with which an earlier run goes on; empty without one."""
    workers: int
    leads: int
    memory_bytes: int
    """What the copies need, until the old keys are removed."""
    warnings: list[str] = field(default_factory=list)


async def read_preview(settings: Settings, copier: ShardCopier, plan: Plan | None) -> Preview:
    """See what there is, and refuse what cannot be done; ``plan`` is that of an earlier run.

    Raises:
        CannotRepartition: the number or the topic does not fit, or the state is from before an earlier repartition.
        Mismatch: the topic of scorecards cannot be read.
    """
    topics = await kafka_side.read_topics_of(settings)
    count = topics[settings.lead_events]
    in_force = copier.old if plan is None or plan.step == "copy" else copier.new
    await _require_undivided(settings, in_force, count)
    if count not in (copier.old, copier.new):
        msg = (
            f"{settings.lead_events} has {count} partitions already, and Kafka cannot remove any: run "
            f"`leadglow repartition --to {count}`."
        )
        raise CannotRepartition(msg)
    needed, free = await copier.estimate_bytes(), await copier.free_bytes()
    if plan is None and free is not None and needed > free:
        msg = (
            f"Redis may use {free / 2**20:,.0f} MiB more, but the copies need about {needed / 2**20:,.0f} MiB: raise "
            "`maxmemory` until the end."
        )
        raise CannotRepartition(msg)
    if count == copier.old:
        await kafka_side.require_right_to_alter(settings)
    others = [topics[each] for each in (settings.handoff, settings.lead_scores)]
    warnings = [_SCORES_MOVE.format(s=settings)] if moves_scores(copier.old, copier.new, others) else []
    return Preview(
        copier.old,
        copier.new,
        count,
        plan.step if plan is not None else "",
        len(await kafka_side.list_workers(settings)),
        (plan.leads if plan is not None else 0) or await copier.count_leads(),
        needed,
        warnings,
    )


async def _require_undivided(settings: Settings, shards: int, count: int) -> None:
    """Refuse a state from before a repartition of the same log, which would score events of the new shards in the old.

    The added shards would take theirs for repeated ones, as they know all events that their parents have scored.

    Raises:
        CannotRepartition: it is one.
    """
    noted = await kafka_side.read_noted(settings)
    if noted is not None and is_older(shards, noted) and noted <= count:  # else the note is of an earlier topic
        raise CannotRepartition(explain_older(shards, noted))
