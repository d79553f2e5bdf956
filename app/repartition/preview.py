"""What a repartition finds before anything is done, and why it cannot begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from app.repartition import kafka_side
from app.repartition.controls import moves_scores
from app.repartition.plan import Plan, Refused
from app.settings import Settings
from streams.store.move import Move

_SCORES_MOVE: Final = (
    "the partitions of {s.handoff} or {s.lead_scores} do not divide the old and the new number: alerts and scores of "
    "some leads go to other partitions from now on. Let the notifier catch up first; readers of {s.lead_scores} must "
    "keep the latest record of a lead from any partition"
)


@dataclass(slots=True)
class Situation:
    """What there is before anything is done."""

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


async def read_situation(settings: Settings, move: Move, plan: Plan | None) -> Situation:
    """See what there is, and refuse what cannot be done; ``plan`` is that of an earlier run.

    Raises:
        Refused: the number or the topic does not fit.
    """
    topics = await kafka_side.read_topics_of(settings)
    count = topics[settings.lead_events]
    if count not in (move.old, move.new):
        msg = (
            f"{settings.lead_events} has {count} partitions already, and Kafka cannot remove any: run "
            f"`leadglow repartition --to {count}`."
        )
        raise Refused(msg)
    needed, free = await move.estimate_bytes(), await move.free_bytes()
    if plan is None and free is not None and needed > free:
        msg = (
            f"Redis may use {free / 2**20:,.0f} MiB more, but the copies need about {needed / 2**20:,.0f} MiB: raise "
            "`maxmemory` until the end."
        )
        raise Refused(msg)
    if count == move.old:
        await kafka_side.require_right_to_alter(settings)
    others = [topics[each] for each in (settings.handoff, settings.lead_scores)]
    warnings = [_SCORES_MOVE.format(s=settings)] if moves_scores(move.old, move.new, others) else []
    return Situation(
        move.old,
        move.new,
        count,
        plan.step if plan is not None else "",
        len(await kafka_side.list_workers(settings)),
        await move.count_leads(),
        needed,
        warnings,
    )
