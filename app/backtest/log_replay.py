"""Replays all partitions by one scorecard file: those of a log, or an export as a log of one partition.

Records that shards forwarded to one another depend on the scorecards, as they carry what was counted. So a replay makes
its own, and puts them in the places where the log has them: alerts that follow from the order of these records are then
the same as those of the live run. An export has no such places; a forwarded record comes right after its cause there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.backtest.records import Forwarded, LogRecord, Unreadable, origin_of
from app.backtest.shard_replay import MAX_HOPS, Question, ShardReplay, made_here
from streams.environment import Environment
from streams.events.changes import decode_change, find_change
from streams.events.controls import decode_control
from streams.events.outgoing import Outgoing
from streams.events.records import KIND_HEADER
from streams.scoring.event import Join
from streams.scoring.rules import Rules
from streams.scoring.score import Standing
from streams.scoring.stages import Transition


class Replay(ABC):
    """The shards of one scorecard file."""

    def __init__(self, rules: Rules, env: Environment, unreadable: Unreadable) -> None:
        """Start empty."""
        self.rules = rules
        self.shards = [ShardReplay(p, rules, env, unreadable) for p in range(env.partitioner.partitions)]
        self._partitioner = env.partitioner

    def ask(self, questions: Iterable[Question]) -> None:
        """Ask what leads score just before instants; ``answers`` has the answers after ``finish``."""
        for question in sorted(questions, key=lambda question: question.at_ms):
            self.shards[self._partitioner(question.lead_id)].ask(question)

    @abstractmethod
    async def take_records(self, partition: int, records: Sequence[Any]) -> None:
        """Score the next records of a partition, as far as possible."""

    async def finish(self, end_ms: int) -> None:
        """Score the rest, and let time pass until the end."""
        for shard in self.shards:
            shard.answer_rest()
        for shard in self.shards:
            shard.advance_leads(end_ms)

    def transitions(self) -> Iterator[Transition]:
        """Every transition; those of one lead are in order."""
        return (transition for shard in self.shards for transition in shard.transitions)

    def answer(self, number: int, lead_id: str) -> dict[str, Standing]:
        """The answer to a question about a lead."""
        return self.shards[self._partitioner(lead_id)].answers.get(number, {})

    def observed(self, number: int, lead_id: str) -> Any | None:
        """What a question noted of a lead at its instant; None of a lead without any event yet."""
        return self.shards[self._partitioner(lead_id)].observed.get(number)

    def first_seen(self, lead_id: str) -> int | None:
        """The time of the first event of a lead; None if it is none any more."""
        return self.shards[self._partitioner(lead_id)].first_seen(lead_id)


class ExportReplay(Replay):
    """Scores events that were never in ``lead-events``, as one partition."""

    def __init__(self, rules: Rules, env: Environment, unreadable: Unreadable) -> None:
        """Start empty."""
        super().__init__(rules, env, unreadable)
        self._joined: dict[bytes, bytes] = {}
        """Id -> the id that it was joined to."""

    async def take_records(self, partition: int, records: Sequence[Any]) -> None:
        """Score records; what they forward comes before the next record of its lead."""
        shard = self.shards[partition]
        for piece in self._pieces(records):
            shard.score_records(
                [LogRecord(shard.done + i, r.timestamp, r.key, r.value, r.headers) for i, r in enumerate(piece)]
            )
            shard.deliver_forwarded()

    def _pieces(self, records: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """Cut records before each whose lead may get a forwarded record from an earlier one of the same piece."""
        begin, waiting = 0, set[bytes]()
        for i, record in enumerate(records):
            if record.key in waiting:
                yield records[begin:i]
                begin, waiting = i, set()
            waiting.update(self._forwarded_to(record))
        yield records[begin:]

    def _forwarded_to(self, record: Any) -> Sequence[bytes]:
        """The leads that a record may forward to, and its own id if it joins that to another one."""
        if not any(name == KIND_HEADER for name, _ in record.headers):
            return (self._joined[record.key],) if record.key in self._joined else ()
        control = decode_control("join", record.value, record.key, record.timestamp)
        if not isinstance(control, Join) or self._joined.get(record.key) == (target := control.greater.id.encode()):
            return ()
        self._joined[record.key] = target
        return record.key, target


@dataclass(slots=True)
class Pending:
    """Records of a partition that were read and not scored yet."""

    pieces: deque[list[Any] | tuple[Any, Forwarded]] = field(default_factory=deque)
    """Records in order, each that a shard forwarded alone with its origin."""
    ended: bool = False
    """Whether the log has no more of them."""

    @property
    def is_over(self) -> bool:
        """Whether every record was scored."""
        return self.ended and not self.pieces

    def add_records(self, records: Sequence[Any]) -> None:
        """Add the next records of the log."""
        begin = 0
        for i, record in enumerate(records):
            if record.headers and (origin := origin_of(record)) is not None:
                self.pieces += [list(records[begin:i]), (record, origin)]
                begin = i + 1
        self.pieces.append(list(records[begin:]))


class LogReplay(Replay):
    """Scores ``lead-events``."""

    def __init__(
        self, rules: Rules, env: Environment, unreadable: Unreadable, starts: Mapping[int, int], end_ms: int
    ) -> None:
        """``starts`` are the first offsets of the log; later arrivals than ``end_ms`` are left out.

        ``open`` must be awaited first.
        """
        super().__init__(rules, env, unreadable)
        self._starts = starts
        self._end_ms = end_ms
        self._pending = [Pending() for _ in self.shards]

    async def open(self) -> None:
        """Begin each shard with the scorecards in force at its first offset.

        Raises:
            Mismatch: this version of Leadglow cannot read them.
        """
        for shard in self.shards:
            await shard.open(self._starts[shard.partition])

    async def take_records(self, partition: int, records: Sequence[Any]) -> None:
        """Take the next records of a partition, and score those that wait for no other partition."""
        self._pending[partition].add_records(records)
        await self._score_pending()

    async def finish(self, end_ms: int) -> None:
        """Score the rest, and let time pass until the end."""
        for pending in self._pending:
            pending.ended = True
        await self._score_pending()
        self._deliver_rest()
        await super().finish(end_ms)

    def _deliver_rest(self) -> None:
        """Score what shards have forwarded and the log does not have yet: it follows the end."""
        for _ in range(MAX_HOPS):
            arriving: dict[int, list[Outgoing]] = {}
            for shard in self.shards:
                for made in shard.sent.values():
                    arriving.setdefault(self._partitioner(made.key.decode()), []).append(made)
                shard.sent.clear()
            for p, records in arriving.items():
                shard = self.shards[p]
                shard.score_records([made_here(made, shard.done + i) for i, made in enumerate(records)])

    async def _score_pending(self) -> None:
        while any([await self._score_partition(p) for p in range(len(self.shards))]) or await self._score_as_read():
            pass

    async def _score_as_read(self) -> bool:
        """At the end, score a record that waits for one that never comes, as the log has it."""
        if not all(pending.ended for pending in self._pending):
            return False
        for shard, pending in zip(self.shards, self._pending, strict=True):
            if pending.pieces:
                record, _ = pending.pieces.popleft()
                await self._score(shard, [record], record.offset)
                return True
        return False

    async def _score_partition(self, partition: int) -> bool:
        """Score pending records up to the first that waits for another partition; returns whether there were any."""
        shard, pieces = self.shards[partition], self._pending[partition].pieces
        ready: list[Any] = []
        through, before = shard.done - 1, len(pieces)
        while pieces:
            piece = pieces[0]
            if isinstance(piece, list):
                ready += piece
                through = piece[-1].offset if piece else through
            elif not self._is_awaited(piece[1]):
                ready += self._replace_record(*piece)
                through = piece[0].offset
            elif through < shard.done:
                break
            else:
                await self._score(shard, ready, through)  # it may wait for one of these
                ready = []
                continue
            pieces.popleft()
        await self._score(shard, ready, through)
        return len(pieces) < before

    async def _score(self, shard: ShardReplay, records: Sequence[Any], through: int) -> None:
        """Score records, and note that the shard has scored all up to the offset ``through``."""
        records = [record for record in records if record.timestamp <= self._end_ms]
        while (at := find_change(records)) < len(records):
            shard.score_records(records[:at])
            if (change := decode_change(records[at])) is not None:
                await shard.change_scorecards(records[at], change)
            records = records[at + 1 :]
        shard.score_records(records)
        shard.done = max(shard.done, through + 1)

    def _is_awaited(self, origin: Forwarded) -> bool:
        """Whether a record is forwarded from one that will be scored later."""
        p = origin.partition
        return p < len(self.shards) and self.shards[p].done <= origin.offset and not self._pending[p].is_over

    def _replace_record(self, record: Any, origin: Forwarded) -> list[Any]:
        """The record that this replay forwards instead of one in the log; that of the log if its origin is gone.

        Empty if the replay forwards none, or if the log repeats it. After a backfill it has states twice: a replay by
        the publications takes those of the backfill, and one by a file the first ones.
        """
        p = origin.partition
        if p >= len(self.shards) or not self._starts[p] <= origin.offset < self.shards[p].done:
            return [record]
        sent = self.shards[p].sent
        made = sent.pop(origin.source, None) or sent.pop(origin.first, None)
        return [made_here(made, record.offset)] if made is not None else []
