"""The parts of a step of a shard: what it loads, sends and counts."""

from __future__ import annotations

from collections.abc import Sequence

from streams.environment import Environment
from streams.events.outgoing import Outgoing, encode_outgoing
from streams.mismatch import LEAD_DAMAGED, Mismatch
from streams.scoring.lead import State
from streams.scoring.outcome import Outcome
from streams.scoring.stored import DamagedBlob, decode
from streams.scoring.verdicts import KINDS, WON
from streams.shard.outbox import Origin, alert_records, forward_records
from streams.shard.recent_records import RecentRecords
from streams.store.base import Entry


def decode_leads(partition: int, lead_ids: Sequence[str], blobs: Sequence[bytes | None]) -> dict[str, State | None]:
    """The states of stored leads.

    Raises:
        Mismatch: the stored form of one is damaged.
    """
    states: dict[str, State | None] = {}
    for lead_id, blob in zip(lead_ids, blobs, strict=True):
        try:
            states[lead_id] = None if blob is None else decode(blob)
        except DamagedBlob as error:
            raise Mismatch(LEAD_DAMAGED.format(partition=partition, lead_id=lead_id, reason=error)) from error
    return states


def build_entries(
    outcome: Outcome, rejects: list[Outgoing], env: Environment, origin: Origin, first: int, recent: RecentRecords
) -> list[Entry]:
    """The outbox entries of a step, numbered from ``first``; ``recent`` are the records that name events in alerts."""
    topics = env.topics
    sent = [
        *alert_records(outcome, topics.handoff, env.link_base, recent.find),
        *forward_records(outcome, topics.lead_events, origin),
        *rejects,
    ]
    return [Entry(first + i, encode_outgoing(outgoing)) for i, outgoing in enumerate(sent)]


def count_outcome(outcome: Outcome, env: Environment) -> None:
    """Count what a committed step did."""
    for name, count in outcome.tally.items():
        env.metrics.events.labels(name).inc(count)
    for t in (crossing.transition for crossing in outcome.crossings):
        env.metrics.transitions.labels(t.card, t.stage, t.kind, str(t.silenced).lower()).inc()
    _count_verdicts(outcome, env)


def _count_verdicts(outcome: Outcome, env: Environment) -> None:
    for row in outcome.sales:
        if row.kind == KINDS[WON] and not isinstance(row.detail, str):
            currency = env.metrics.bounded_currency(row.currency)
            for scorecard, _, _ in row.about:
                env.metrics.won_amount.labels(scorecard, currency).inc(row.detail)
    for verdict in outcome.verdicts:
        env.metrics.verdicts.labels(verdict.kind).inc()
        for decision in verdict.decisions:
            env.metrics.decisions.labels(*decision).inc()
        for scorecard, waited_ms in verdict.waited_ms:
            env.metrics.contact_seconds.labels(scorecard).observe(waited_ms / 1000)
