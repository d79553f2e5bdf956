"""Processes a batch of records: read, load, score, commit, relay. Read this file first.

A Shard is one partition of ``lead-events`` with its leads. Normally it is the only writer of their state, but nothing
depends on that: each step names the step before it, so a step is valid no matter which worker commits it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from streams.clock import monotonic_s, now_ns
from streams.environment import Environment
from streams.events.outgoing import Outgoing
from streams.implementation import REFERENCE
from streams.scoring.counting import DAY_MS
from streams.scoring.interface import LeadScorer
from streams.scoring.outcome import Outcome
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange
from streams.scoring.telling import Moment, Told
from streams.shard.conflict import Conflict
from streams.shard.position import RANKING, Position
from streams.shard.reader import Reader
from streams.shard.recent_records import RecentRecords
from streams.shard.scorecards import ShardScorecards
from streams.shard.steps import build_entries, count_outcome, decode_leads
from streams.shard.unpublished import Unpublished
from streams.store.base import Commit, Control, Entry, Verdict
from streams.transport.topics import partition_of

MAX_WAITING = 1_000_000
"""The maximum number of outbox entries that are read: more than there can be."""
PORTION = 1000
"""The number of records read and scored at a time; more would not fit into the processor's cache."""
_openings = itertools.count(1)


class Shard:
    """One partition of ``lead-events``: its leads, its position, its outbox."""

    def __init__(self, partition: int, rules: Rules, env: Environment) -> None:
        """Create the shard; ``open`` must be awaited first."""
        self.partition = partition
        self.env = env
        self.implementation = env.implementation
        self.scorer = self._new_scorer(rules)
        self.scorecards = ShardScorecards(partition, rules, env.publications)
        self.reader = Reader(partition, rules, env, self.scorecards)
        self.position = Position()
        self.version = -1
        self.step = ""
        """The id of the last step. The store refuses the next step if another one came in between."""
        self._opening = 0
        """The number of this opening; it makes step ids unique within the process."""
        self.fresh: bool = False
        """Whether nothing was ever committed for this shard."""
        self.outbox: list[Entry] = []
        """Committed entries that Kafka has not acknowledged yet, in order."""
        self.acknowledged = 0
        self.handoff_offset = 0
        """The offset after the last acknowledged alert on the handoff partition."""
        self.unpublished = Unpublished()
        self.told = Told()
        self._recent = RecentRecords()
        self.next_due: float = math.inf
        self.relay: Callable[[Sequence[Entry]], None] = lambda entries: None
        """Called with the entries of each committed step."""

    # Opening --------------------------------------------------------------------------------------------------

    async def open(self, first_offset: int = 0) -> None:
        """Read the state of the shard. Leads stay in memory if no other worker has written it.

        ``first_offset`` is that of the first record that is left in the log.

        Raises:
            Mismatch: this version of Leadglow does not know the scorecards in force, or cannot read them.
        """
        control = await self.env.store.control(self.partition)
        if (control.version, control.step) == (self.version, self.step):
            self.relay(self.outbox)
            return
        await self._read_control(control, first_offset)
        self.version, self.step = control.version, control.step
        self._opening = next(_openings)
        waiting = self.outbox = await self.env.store.outbox(self.partition, MAX_WAITING)
        self.unpublished = Unpublished(await self.env.store.dirty(self.partition))
        self.next_due = await self.env.store.next_due(self.partition) or math.inf
        self.relay(waiting)

    async def _read_control(self, control: Control, first_offset: int) -> None:
        fields = control.fields
        self.fresh = control.version == 0
        self.position = Position.from_fields(fields)
        self.acknowledged = 0
        self.handoff_offset = int(fields.get("handoff", b"0"))
        self.told = Told.from_fields(fields)
        offset = max(self.position.checkpoint, first_offset)
        rules, change = await self.scorecards.open(fields, offset, self.position.arrived_ms)
        self._use_rules(rules, change)

    def _use_rules(self, rules: Rules, change: RulesChange | None) -> None:
        """Start with no lead in memory; ``change`` is one that is not finished."""
        self.scorer = self._new_scorer(rules if change is None else change.old)
        self.scorer.since_ms = self.scorecards.in_force.since_ms
        self.scorer.is_upgrading = 0 if self.position.ranked else max(self.position.arrived_ms, 1)
        if change is not None:
            self.scorer.change_rules(change)
        self.reader.make_codec(rules, self.implementation)

    def use_reference(self) -> None:
        """Use the reference from now on. Uncommitted changes are lost, and ``open`` must be awaited next."""
        self.version = -1
        self.implementation = REFERENCE

    def _new_scorer(self, rules: Rules) -> LeadScorer[Any]:
        partitions, murmur2 = self.env.partitioner.partitions, self.implementation.murmur2
        return self.implementation.scorer(
            rules, lambda lead_id: partition_of(lead_id, partitions, murmur2) == self.partition
        )

    # One step -------------------------------------------------------------------------------------------------

    async def score_batch(self, records: Sequence[Any]) -> None:
        """Score one batch. Safe to repeat: the store applies a step only once.

        Raises:
            Conflict: another worker has written the shard; nothing of the batch was stored.
        """
        started_s, begin_ns = monotonic_s(), now_ns()
        if not (records := self.position.without_taken(records)):
            return
        await self.env.reached("fetched")
        rejects: list[Outgoing] = []
        for first in range(0, len(records), PORTION):
            batch, refused = self.reader.read_records(records[first : first + PORTION], self.position)
            rejects += refused
            await self._load_missing(self.scorer.missing(batch))
            self.scorer.apply_batch(batch)
        outcome = self.told.end_records(self.scorer)
        self._recent.add(records)
        await self.env.reached("scored")
        self.position.advance_past(records[-1])
        await self._commit(outcome, rejects)
        event = self.env.tracer.trace_scored(self.partition, records, begin_ns, now_ns()) if self.env.tracer else None
        self.env.metrics.step_seconds.observe(monotonic_s() - started_s, event and event.exemplar)

    async def change_scorecards(self, record: Any) -> None:
        """Use other scorecards from a control record on. The change before it must be finished.

        Raises:
            Mismatch: this version of Leadglow does not know the scorecards, or cannot read them.
            Conflict: another worker has written the shard; nothing has changed.
        """
        change = await self.scorecards.begin(record)
        if change is not None:
            self.scorer.change_rules(change)
            self.reader.make_codec(change.new, self.implementation)
        self.position.advance_past(record)
        await self._commit(Outcome(), [])
        await self.env.reached("scorecards_changed")

    async def load_leads(self, lead_ids: Iterable[str]) -> None:
        """Load the leads that are not in memory; raise Mismatch if the stored form of one is damaged."""
        await self._load_missing([lead_id for lead_id in lead_ids if not self.scorer.knows(lead_id)])

    async def _load_missing(self, missing: Sequence[str]) -> None:
        blobs = await self.env.store.load(self.partition, missing)
        self.scorer.put_leads(decode_leads(self.partition, missing, blobs))

    # The atomic part ------------------------------------------------------------------------------------------

    async def _commit(self, outcome: Outcome, rejects: list[Outgoing], shown_ms: int = 0) -> None:
        """Commit state, schedule, ranking, outbox and offset in one step, then pass the outbox entries to the relay.

        ``shown_ms`` is the instant of the scores in the ranking.
        """
        first = self.position.sequence + 1
        entries = build_entries(outcome, rejects, self.env, self.scorecards.origin, first, self._recent)
        self.position.sequence += len(entries)
        commit = self._build_commit(outcome, entries, shown_ms)
        await self.env.reached("commit_sent")
        verdict = await self.env.store.commit(self.partition, commit)
        self.env.metrics.commits.labels(verdict.value).inc()
        if verdict is Verdict.CONFLICT:
            self.version = -1
            raise Conflict(self.partition)
        self._apply_commit(commit, outcome)
        await self.env.reached("committed")
        if commit.trim_to:
            await self.env.reached("trimmed")
        if entries:
            self.relay(entries)
        if len(self.scorer) > self.env.cache_leads:  # those removed must be loaded again for their next events
            self.scorer.trim(self.env.cache_leads * 9 // 10)

    def _build_commit(self, outcome: Outcome, entries: list[Entry], shown_ms: int) -> Commit:
        return Commit(
            self.version,
            self.step,
            f"{self.env.owner}:{self._opening}:{self.version + 1}",
            self._control_fields(len(self.outbox) + len(entries)),
            outcome.blobs,
            outcome.packed,
            outcome.due,
            outcome.ranks,
            entries,
            self.acknowledged,
            self.unpublished.to_remove(outcome.dirty),
            self.unpublished.to_add(outcome.dirty),
            shown_ms // 1000,
            self.position.arrived_ms // DAY_MS,
            outcome.counts(),
            outcome.sales_rows(),
        )

    def _control_fields(self, waiting: int) -> dict[str, bytes]:
        rest = {"waiting": waiting, "handoff": self.handoff_offset, "owner": self.env.owner}
        own = {name: str(value).encode() for name, value in rest.items()}
        return self.position.to_fields() | self.scorecards.in_force.to_fields() | self.told.to_fields() | own

    def _apply_commit(self, commit: Commit, outcome: Outcome) -> None:
        self.version, self.step = self.version + 1, commit.step
        if self.acknowledged == commit.trim_to:
            self.acknowledged = 0
        self.fresh = False
        self.unpublished.note_commit(commit.clean, outcome.dirty)
        self.outbox += commit.outbox
        self.next_due = min([self.next_due, *(due for due in outcome.due.values() if due is not None)])
        count_outcome(outcome, self.env)

    # Time -----------------------------------------------------------------------------------------------------

    async def advance_due(self, now_ms: int, most: int = 500) -> int:
        """Advance up to ``most`` leads that are due at ``now_ms``; returns their number."""
        if now_ms < self.next_due:
            return 0
        lead_ids = await self.env.store.due(self.partition, now_ms, most)
        if lead_ids:
            self.next_due = math.inf
            await self.advance_leads(lead_ids, now_ms, "decay")
        self.next_due = now_ms if len(lead_ids) >= most else await self.env.store.next_due(self.partition) or math.inf
        return len(lead_ids)

    async def update_ranking(self, lead_ids: Sequence[str]) -> None:
        """Update ranking and schedule for these leads."""
        await self.load_leads(lead_ids)
        self.scorer.update_ranking(lead_ids)
        outcome = self._end_timed_step(lead_ids, self.position.arrived_ms, "event")
        if outcome.ranks or outcome.due or outcome.forwards:
            await self._commit(outcome, [], self.position.arrived_ms)

    def _end_timed_step(self, lead_ids: Sequence[str], now_ms: int, cause: str) -> Outcome:
        return self.told.end_step(self.scorer, lead_ids, Moment(self.position.checkpoint, now_ms, cause))

    async def sync_store(self) -> None:
        """Store acknowledgements if no other step does it; else check that the shard is unchanged."""
        if not self.unpublished.has_published and not self.acknowledged:
            control = await self.env.store.control(self.partition)
            if control.step != self.step:
                self.version = -1
                raise Conflict(self.partition)
            if Position.from_fields(control.fields).passed == self.position.passed:
                return
        await self._commit(Outcome(), [])

    async def advance_leads(self, lead_ids: Sequence[str], now_ms: int, cause: str = "scorecard_changed") -> None:
        """Settle these leads by the scorecards in use, and advance them to ``now_ms``; ``cause`` is that of alerts."""
        await self.load_leads(lead_ids)
        self.scorer.advance_due(lead_ids, now_ms)
        await self._commit(self._end_timed_step(lead_ids, now_ms, cause), [], now_ms)

    async def finish_rescoring(self) -> None:
        """Store that every lead is scored by the scorecards in use and has its place in the ranking."""
        self.position.ranking = RANKING
        self.scorecards.finish(self.scorer.rules.version)
        self.scorer.finish_change()
        await self._commit(Outcome(), [])

    # Reports of the relay and the publisher -------------------------------------------------------------------

    def mark_sent(self, entries: Sequence[Entry], handoff_offset: int | None) -> None:
        """Note that Kafka has acknowledged these entries; the next step removes them from the outbox."""
        self.acknowledged = max(self.acknowledged, entries[-1].seq)
        del self.outbox[: len(entries)]
        if handoff_offset is not None:
            self.handoff_offset = max(self.handoff_offset, handoff_offset)

    def mark_published(self, versions: dict[str, int], ahead: Collection[str] = ()) -> None:
        """Note that Kafka has acknowledged the scores of these leads at these versions.

        The scores of leads in ``ahead`` differed from the ranking; they are sent again with the next change.
        """
        self.scorer.mark_sent(i for i in self.unpublished.note_published(versions) if i not in ahead)
