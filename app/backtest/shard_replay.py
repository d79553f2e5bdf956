"""Replays one partition of ``lead-events``: reads, scores and forwards as a shard does, without a store.

Timers are not needed: a lead is advanced to the arrival of its next event before that is applied, and at the end to the
end of the backtest. The transitions, their ids and times are those that a timer gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.backtest.records import LogRecord, Unreadable
from app.lead_views import signals_of
from streams.environment import Environment
from streams.events.changes import ScorecardsChange
from streams.events.outgoing import Outgoing
from streams.events.records import SOURCE_HEADER
from streams.scoring.interface import LeadScorer
from streams.scoring.lead import Lead, Redirect, State
from streams.scoring.rules import Rules
from streams.scoring.score import Standing
from streams.scoring.stages import Transition
from streams.shard.outbox import forward_records
from streams.shard.position import Position
from streams.shard.reader import Reader
from streams.shard.scorecards import ShardScorecards
from streams.transport.topics import partition_of

PORTION: Final = 1000
"""The number of records scored at a time; more would not fit into the processor's cache."""
MAX_HOPS: Final = 32
"""Redirects that a record follows; ids that are used as two kinds of identity can redirect in a circle."""
LEADS: Final = 5000
"""The number of leads advanced or read at a time."""


@dataclass(frozen=True, slots=True)
class Question:
    """What did a lead score just before ``at_ms``?"""

    lead_id: str
    at_ms: int
    number: int


class ShardReplay:
    """The leads of one partition in memory."""

    def __init__(self, partition: int, rules: Rules, env: Environment, unreadable: Unreadable) -> None:
        """With publications, ``open`` must be awaited first; else ``rules`` hold for all records."""
        self.partition = partition
        self.done = 0
        """The offset after the last record whose results are known."""
        self.sent: dict[bytes, Outgoing] = {}
        """Source header -> record forwarded to another shard and not taken by it yet."""
        self.transitions: list[Transition] = []
        self.answers: dict[int, dict[str, Standing]] = {}
        """Number of a question -> standing by scorecard; none for a lead without any event yet."""
        self.observe: Callable[[Lead, int], Any] = lambda lead, at_ms: signals_of(lead, self._scorer.rules)
        """What a question notes of a lead at its instant, beside its standing: the signals that it had."""
        self.observed: dict[int, Any] = {}
        """Number of a question -> what was noted; not for one about a lead without any event yet."""
        self.lead_ids: dict[str, None] = {}
        self.publications: set[int] = set()
        """The places of the publications whose control records were found."""
        self._env = env
        self._scorecards = ShardScorecards(partition, rules, env.publications)
        self._scorer = self._new_scorer(rules)
        self._reader = Reader(partition, rules, env, self._scorecards)
        self._position = Position()
        self._unreadable = unreadable
        self._questions: dict[bytes, list[Question]] = {}

    async def open(self, first_offset: int) -> None:
        """Begin at the first record that is left, with the scorecards in force there.

        Raises:
            Mismatch: this version of Leadglow cannot read them.
        """
        self.done = first_offset
        rules, _ = await self._scorecards.open({}, first_offset, 0)
        self._scorer = self._new_scorer(rules)
        self._reader.make_codec(rules, self._env.implementation)

    def _new_scorer(self, rules: Rules) -> LeadScorer[Any]:
        partitions, murmur2 = self._env.partitioner.partitions, self._env.implementation.murmur2
        return self._env.implementation.scorer(
            rules, lambda lead_id: partition_of(lead_id, partitions, murmur2) == self.partition
        )

    def ask(self, question: Question) -> None:
        """Answer a question later, when the records before its instant are scored. Ask in the order of instants."""
        self._questions.setdefault(question.lead_id.encode(), []).append(question)

    # Records --------------------------------------------------------------------------------------------------

    def score_records(self, records: Sequence[Any]) -> None:
        """Score the next records; afterwards ``sent`` has what they forward."""
        begin = 0
        for end, questions in [*self._plan_answers(records), (len(records), [])]:
            for first in range(begin, end, PORTION):
                self._apply(records[first : min(first + PORTION, end)])
            self._answer(questions)
            begin = end
        self._finish()
        if records:
            self.done = records[-1].offset + 1

    def _apply(self, records: Sequence[Any]) -> None:
        batch, rejects = self._reader.read_records(records, self._position)
        for reject in rejects:
            self._unreadable.add_reject(reject)
        missing = self._scorer.missing(batch)
        self._scorer.put_leads(dict.fromkeys(missing))
        self.lead_ids.update(dict.fromkeys(missing))
        self._scorer.apply_batch(batch)

    def deliver_forwarded(self) -> None:
        """Score what was forwarded, until there is no more: for one partition, whose log has no such records."""
        for _ in range(MAX_HOPS):
            waiting, self.sent = self.sent, {}
            if not waiting:
                break
            self.score_records([made_here(sent, self.done + i) for i, sent in enumerate(waiting.values())])

    async def change_scorecards(self, record: Any, change: ScorecardsChange) -> None:
        """Change to the publication of a control record as a shard does, unless the rules hold for all records.

        Raises:
            Mismatch: the publication is unknown, or this version of Leadglow cannot read it.
        """
        self.publications.add(change.place)
        if self._scorecards.in_force.place < 0:
            return
        begun = await self._scorecards.begin(record)
        if begun is None:
            return
        self._answer([question for key in list(self._questions) for question in self._take_due(key, begun.at_ms)])
        self._scorer.change_rules(begun)
        self._reader.make_codec(begun.new, self._env.implementation)
        self.advance_leads(begun.at_ms)
        self._scorer.finish_change()
        self._scorecards.finish(begun.new.version)

    def _finish(self) -> None:
        outcome = self._scorer.finish()
        self.transitions += [crossing.transition for crossing in outcome.crossings]
        for outgoing in forward_records(outcome, "", self._scorecards.origin):
            name, source = outgoing.headers[-1]
            if name == SOURCE_HEADER:  # what leads give to accounts is in the log as it was
                self.sent[source] = outgoing

    # Questions ------------------------------------------------------------------------------------------------

    def _plan_answers(self, records: Sequence[Any]) -> list[tuple[int, list[Question]]]:
        """Where to stop among records, and the questions to answer there.

        A question is due before the first record of its lead that arrived at or after its instant. Questions that can
        be answered at the same place are, because each stop makes the batches smaller.
        """
        if not self._questions:
            return []
        windows = sorted(self._windows(records), key=lambda window: window[1])
        stops: list[tuple[int, list[Question]]] = []
        for after, before, questions in windows:
            if stops and after < stops[-1][0]:
                stops[-1][1].extend(questions)
            else:
                stops.append((before, questions))
        return stops

    def _windows(self, records: Sequence[Any]) -> Iterator[tuple[int, int, list[Question]]]:
        """(index of the last record before, index of the first one after, questions) of each lead."""
        latest: dict[bytes, int] = {}
        for i, record in enumerate(records):
            if record.key not in self._questions:
                continue
            if due := self._take_due(record.key, record.timestamp):
                yield latest.get(record.key, -1), i, due
            latest[record.key] = i

    def _take_due(self, key: bytes, at_ms: int) -> list[Question]:
        """The questions about a lead up to an instant. They are not asked again."""
        waiting = self._questions[key]
        due = [question for question in waiting if question.at_ms <= at_ms]
        del waiting[: len(due)]
        if not waiting:
            del self._questions[key]
        return due

    def _answer(self, questions: Sequence[Question]) -> None:
        if questions:
            self._finish()
        for question in questions:
            known = [question.lead_id] if question.lead_id in self.lead_ids else []
            self._scorer.advance_due(known, question.at_ms)
            self._finish()
            found = self._scorer.standings(known, question.at_ms).get(question.lead_id)
            self.answers[question.number] = dict(zip(self.card_names, found, strict=True)) if found else {}
            if isinstance(state := self._state(question.lead_id), Lead):
                self.observed[question.number] = self.observe(state, question.at_ms)

    def answer_rest(self) -> None:
        """Answer the questions whose leads have no later record."""
        for questions in self._questions.values():
            self._answer(questions)
        self._questions.clear()

    # Leads ----------------------------------------------------------------------------------------------------

    def advance_leads(self, to_ms: int) -> None:
        """Let time pass for every lead."""
        for lead_ids in self._portions():
            self._scorer.advance_due(lead_ids, to_ms)
            self._finish()

    @property
    def card_names(self) -> list[str]:
        """The scorecards in use."""
        return [card.name for card in self._scorer.rules.cards]

    def final_standings(self, at_ms: int) -> Iterator[dict[str, list[Standing]]]:
        """Score and stage of all leads on each scorecard, at the instant to which they were advanced."""
        for lead_ids in self._portions():
            yield self._scorer.standings(lead_ids, at_ms)

    def _portions(self) -> Iterator[list[str]]:
        lead_ids = list(self.lead_ids)
        return (lead_ids[first : first + LEADS] for first in range(0, len(lead_ids), LEADS))

    def first_seen(self, lead_id: str) -> int | None:
        """The time of the first event of a lead; None if it is none any more."""
        state = self._state(lead_id)
        return state.first_seen if isinstance(state, Lead) else None

    def target_of(self, lead_id: str) -> str | None:
        """The lead that an id was merged into."""
        state = self._state(lead_id)
        return state.target.id if isinstance(state, Redirect) else None

    def _state(self, lead_id: str) -> State | None:
        return self._scorer.state(lead_id) if lead_id in self.lead_ids else None


def made_here(outgoing: Outgoing, offset: int) -> LogRecord:
    """A record for ``lead-events`` in the form in which it is read from there."""
    return LogRecord(offset, outgoing.timestamp_ms, outgoing.key, outgoing.value, outgoing.headers)
