"""The life of a batch: decode, load, score, commit, relay. Read this file first.

A Shard is one partition of ``lead-events`` with its leads. It is the only writer of their state, but nothing
depends on that: each step is guarded by the version that it started from, so whoever makes a step is right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import msgspec

from streams import codec as wire
from streams.alert import CONTENT_TYPE, alert
from streams.clock import monotonic_s
from streams.codec import KIND_HEADER, SOURCE_HEADER, Codec, Record, Reject
from streams.metrics import Metrics
from streams.outgoing import Outgoing, encode_outgoing
from streams.scoring.event import Control as ControlRecord
from streams.scoring.event import LeadEvent
from streams.scoring.rules import Rules
from streams.scoring.scorer import Outcome, Scorer
from streams.store.base import Commit, Control, Entry, Store, Verdict
from streams.topics import Partitioner, Topics

REJECTED_BYTES = 100_000
"""Bytes of a rejected record that are kept with the reason."""
Headers = list[tuple[str, bytes]]
Input = tuple[int, LeadEvent | ControlRecord]
"""(offset, what its record says)."""
MOST_FORWARDS = 4096
"""Forwards that one record can cause: an erasure reaches every alias."""


_openings = itertools.count(1)


class Conflict(Exception):
    """Somebody else has written the shard, or the store went back in time: read it again."""

    def __init__(self, partition: int) -> None:
        super().__init__(f"partition {partition} was written by somebody else")


class Refused(Exception):
    """The state and the log do not belong together; working on would corrupt scores."""


async def nothing(step: str) -> None:
    """Do nothing when a step is reached."""


@dataclass(slots=True)
class Environment:
    """What a shard works with."""

    store: Store
    topics: Topics
    partitioner: Partitioner
    metrics: Metrics
    owner: str
    """Names this worker in control records; also makes step ids unique."""
    link_base: str = ""
    cache_leads: int = 200_000
    reached: Callable[[str], Awaitable[None]] = nothing
    """Called at the named steps; the fault tests end the process there."""
    rebuild_when_lost: bool = False
    sources_behind: bool = False
    """Events wait on the source topics that may keep leads from cooling."""


@dataclass(slots=True)
class Position:
    """How far a shard has read."""

    checkpoint: int = 0
    """The next offset of ``lead-events``."""
    fingerprint: bytes = b""
    """Of the record before the checkpoint: finds a topic that was recreated or cut."""
    arrived_ms: int = 0
    """The timestamp of the last record taken."""
    sources: dict[str, int] = field(default_factory=dict)
    """The highest offset taken from each source partition, and of what each other shard sent on."""
    sequence: int = 0
    """The last outbox entry's number."""


class _Places(dict[bytes, str]):
    """Source partitions as they stand in headers -> as text; few, so none is forgotten."""

    def __missing__(self, place: bytes) -> str:
        name = self[place] = place.decode("ascii", "replace")
        return name


class Shard:
    """One partition of ``lead-events``: its leads, its position, its outbox."""

    def __init__(self, partition: int, rules: Rules, env: Environment) -> None:
        """``open`` must be awaited before anything else."""
        self.partition = partition
        self.env = env
        self.scorer = Scorer(rules, lambda lead_id: env.partitioner(lead_id) == partition)
        self.codec = Codec(rules.paths)
        self.position = Position()
        self._places = _Places()
        self.version = -1
        self._opening = 0
        """Which reading of the shard this is: two of one process never take the same step."""
        self.fresh: bool = False
        """Nothing was ever committed for this shard."""
        self.catching_up = False
        """A former owner may have sent alerts without having lived to say so."""
        self.scored_by = ""
        """The version of the scorecards that every lead was read by."""
        self.outbox: list[Entry] = []
        """Entries committed and not yet acknowledged, in order."""
        self.acknowledged = 0
        self.handoff_offset = 0
        """Everything before this offset of the handoff partition was acknowledged."""
        self.dirty: dict[str, int] = {}
        """Leads whose score is to be published, with the version that made it so."""
        self.clean: dict[str, int] = {}
        """Of these, the published ones that the store still has as dirty."""
        self.next_due: float = math.inf
        self.relay: Callable[[Sequence[Entry]], None] = lambda entries: None
        """Takes the entries of a step once it is committed."""

    # Opening --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read where the shard stands. Leads stay in memory if nobody has written since."""
        control = await self.env.store.control(self.partition)
        if control.version == self.version:
            self.catching_up = self.catching_up or bool(self.outbox)
            self.relay(self.outbox)
            return
        self.version = control.version
        self._opening = next(_openings)
        self.fresh = control.version == 0
        self.scorer.states.clear()
        self._read(control)
        waiting = await self._waiting()
        self.outbox = waiting
        self.catching_up = bool(waiting) or self.handoff_offset == 0
        self.dirty = dict.fromkeys(await self.env.store.dirty(self.partition), -self._opening)
        self.clean = {}
        self.next_due = await self.env.store.next_due(self.partition) or math.inf
        self.relay(waiting)

    def _read(self, control: Control) -> None:
        fields = control.fields
        self.position = Position(
            int(fields.get("ckpt", b"0")),
            bytes(fields.get("fingerprint", b"")),
            int(fields.get("arrived", b"0")),
            msgspec.msgpack.decode(fields.get("sources", b"\x80"), type=dict[str, int]),
            int(fields.get("sequence", b"0")),
        )
        self.scored_by = bytes(fields.get("scorecards", b"")).decode()
        self.scorer.rescoring = not self.fresh and self.scored_by != self.scorer.rules.version
        self.acknowledged = 0
        self.handoff_offset = int(fields.get("handoff", b"0"))

    async def _waiting(self) -> list[Entry]:
        entries: list[Entry] = await self.env.store.outbox(self.partition, 1_000_000)
        return entries

    def use(self, rules: Rules) -> None:
        """Score by other rules from the next step on."""
        self.scorer.use(rules)
        self.codec = Codec(rules.paths)

    # One step -------------------------------------------------------------------------------------------------

    async def take(self, records: Sequence[Any]) -> None:
        """Score one batch. Safe to repeat: the store refuses a step that it has already taken.

        Raises:
            Conflict: the shard was written by somebody else; nothing of the batch was applied.
        """
        started_s = monotonic_s()
        records = self._new(records)
        if not records:
            return
        await self.env.reached("fetched")
        inputs, rejects = self._decode(records)
        await self.load(inputs.keys())
        self.scorer.run(inputs)
        outcome = self.scorer.finish()
        await self.env.reached("scored")
        last = records[-1]
        self.position.checkpoint = last.offset + 1
        self.position.fingerprint = fingerprint(last)
        self.position.arrived_ms = max(last.timestamp, 0)
        await self._commit(outcome, rejects)
        self.env.metrics.step_seconds.observe(monotonic_s() - started_s)

    def _new(self, records: Sequence[Any]) -> Sequence[Any]:
        """Without what the checkpoint has passed already."""
        checkpoint = self.position.checkpoint
        if records and records[0].offset >= checkpoint:
            return records
        return [record for record in records if record.offset >= checkpoint]

    def _decode(self, records: Sequence[Any]) -> tuple[dict[str, list[Input]], list[Outgoing]]:
        """What the records say, by lead."""
        inputs: dict[str, list[Input]] = {}
        rejects: list[Outgoing] = []
        marked = (self._marked(record) if record.headers or record.value is None else "" for record in records)
        for record, item in zip(records, self.codec.events(records, marked), strict=True):
            if type(item) is Reject:
                rejects.append(self._reject(record, item))
            elif item is not None:
                try:
                    inputs[item.lead_id].append((record.offset, item))  # type: ignore[union-attr, arg-type]
                except KeyError:
                    inputs[item.lead_id] = [(record.offset, item)]  # type: ignore[union-attr, list-item]
        return inputs, rejects

    def _marked(self, record: Any) -> str | ControlRecord | Reject | None:
        """Read a record that has headers or no value: from intake, from another shard, or a request to erase.

        Returns:
            The lead of an event, where intake or another shard has determined it, else ""; a control record; None
            for a record that was taken before.
        """
        headers = dict(record.headers)
        source = headers.get(SOURCE_HEADER)
        if source is not None and not self._first_time(source):
            self.env.metrics.events.labels("skipped").inc()
            return None
        if record.value is None or KIND_HEADER in headers:
            kind = (headers.get(KIND_HEADER) or b"").decode("ascii", "replace")
            return wire.decode_control(kind, record.value, record.key, record.timestamp)
        return record.key.decode("utf-8", "replace") if source is not None and record.key else ""

    def _first_time(self, source: bytes) -> bool:
        """Whether a record with these coordinates was not taken before."""
        place, _, number = source.rpartition(b":")
        try:
            name, at = self._places[place], int(number)
        except ValueError:
            return True
        if at <= self.position.sources.get(name, -1):
            return False
        self.position.sources[name] = at
        return True

    def _reject(self, record: Any, reject: Reject) -> Outgoing:
        self.env.metrics.rejected.labels(reject.reason).inc()
        place = f"{self.env.topics.lead_events}:{self.partition}:{record.offset}"
        return rejected(self.env.topics.rejected, record, place, reject)

    async def load(self, lead_ids: Iterable[str]) -> None:
        """Load the leads that are not in memory."""
        states = self.scorer.states
        missing = [lead_id for lead_id in lead_ids if lead_id not in states]
        if not missing:
            return
        for lead_id, blob in zip(missing, await self.env.store.load(self.partition, missing), strict=True):
            self.scorer.put(lead_id, blob)

    # The atomic part ------------------------------------------------------------------------------------------

    async def _commit(self, outcome: Outcome, rejects: list[Outgoing]) -> None:
        """1. State, schedule, ranking, outbox and offset in one step. 2. The relay. Nothing before 1 is visible."""
        entries = self._entries(outcome, rejects)
        commit = self._step(outcome, entries)
        await self.env.reached("commit_sent")
        verdict = await self.env.store.commit(self.partition, commit)
        self.env.metrics.commits.labels(verdict.value).inc()
        if verdict is Verdict.CONFLICT:
            self.version = -1
            raise Conflict(self.partition)
        self._committed(commit, outcome)
        await self.env.reached("committed")
        if commit.trim_to:
            await self.env.reached("trimmed")
        if entries:
            self.relay(entries)
        self._bound_cache()

    def _step(self, outcome: Outcome, entries: list[Entry]) -> Commit:
        dirty, clean = self.dirty, self.clean
        published = [i for i, at in clean.items() if dirty.get(i) == at and i not in outcome.dirty]
        return Commit(
            self.version,
            f"{self.env.owner}:{self._opening}:{self.version + 1}",
            self._fields(),
            outcome.blobs,
            outcome.due,
            outcome.ranks,
            entries,
            self.acknowledged,
            published,
            [lead_id for lead_id in outcome.dirty if lead_id not in dirty or lead_id in clean],
        )

    def _fields(self) -> dict[str, bytes]:
        position = self.position
        scored_by = self.scorer.rules.version if self.fresh else self.scored_by
        return {
            "ckpt": b"%d" % position.checkpoint,
            "fingerprint": position.fingerprint,
            "arrived": b"%d" % position.arrived_ms,
            "sources": msgspec.msgpack.encode(position.sources),
            "sequence": b"%d" % position.sequence,
            "handoff": b"%d" % self.handoff_offset,
            "scorecards": scored_by.encode(),
            "owner": self.env.owner.encode(),
        }

    def _committed(self, commit: Commit, outcome: Outcome) -> None:
        self.version += 1
        if self.acknowledged == commit.trim_to:
            self.acknowledged = 0
        if self.fresh:
            self.fresh, self.scored_by = False, self.scorer.rules.version
        for lead_id in commit.clean:
            self.dirty.pop(lead_id, None)
            self.clean.pop(lead_id, None)
        for lead_id in outcome.dirty:
            self.dirty[lead_id] = self.version
            self.clean.pop(lead_id, None)
        self.outbox += commit.outbox
        self.next_due = min([self.next_due, *(due for due in outcome.due.values() if due is not None)])
        events = self.env.metrics.events
        for name, count in outcome.tally.items():
            events.labels(name).inc(count)
        for crossing in outcome.crossings:
            t = crossing.transition
            self.env.metrics.transitions.labels(t.card, t.stage, t.kind, str(t.silenced).lower()).inc()

    def _entries(self, outcome: Outcome, rejects: list[Outgoing]) -> list[Entry]:
        """What the step sends, numbered."""
        topics, rules = self.env.topics, self.scorer.rules
        sent: list[Outgoing] = []
        for crossing in outcome.crossings:
            if crossing.transition.told:
                body = alert(crossing, rules, self.env.link_base)
                headers: Headers = [("content-type", CONTENT_TYPE.encode())]
                key, at = crossing.transition.lead_id.encode(), crossing.transition.at_ms
                arrived = crossing.event.arrival if crossing.event else None
                sent.append(Outgoing(topics.handoff, key, body, at, headers, crossing.transition.alert_id, arrived))
        sent += self._forwards(outcome)
        sent += rejects
        first = self.position.sequence + 1
        self.position.sequence += len(sent)
        return [Entry(first + i, encode_outgoing(outgoing)) for i, outgoing in enumerate(sent)]

    def _forwards(self, outcome: Outcome) -> list[Outgoing]:
        """Records for other shards, with coordinates that are the same in every replay: the offset they come from."""
        sent: list[Outgoing] = []
        offset, i = -1, 0
        for forward in sorted(outcome.forwards, key=lambda forward: forward.at):
            offset, i = (offset, i + 1) if forward.at == offset else (forward.at, 0)
            outgoing = forwarded(self.env.topics.lead_events, forward.target, forward.item)
            place = f"~{self.partition}:{offset * MOST_FORWARDS + min(i, MOST_FORWARDS - 1)}"
            outgoing.headers.append((SOURCE_HEADER, place.encode()))
            sent.append(outgoing)
        return sent

    def _bound_cache(self) -> None:
        """Forget the leads that were loaded first, when there are too many."""
        states = self.scorer.states
        if len(states) > self.env.cache_leads:
            for lead_id in list(states)[: len(states) // 2]:
                del states[lead_id]

    # Time -----------------------------------------------------------------------------------------------------

    async def tick(self, now_ms: int, most: int = 500) -> int:
        """Do what fell due by ``now_ms``, for ``most`` leads; returns for how many."""
        if now_ms < self.next_due:
            return 0
        lead_ids = await self.env.store.due(self.partition, now_ms, most)
        await self.load(set(lead_ids))
        for lead_id in lead_ids:
            self.scorer.tick(lead_id, now_ms)
        if lead_ids:
            self.next_due = math.inf
            await self._commit(self.scorer.finish(), [])
        if len(lead_ids) < most:
            self.next_due = await self.env.store.next_due(self.partition) or math.inf
        else:
            self.next_due = now_ms
        return len(lead_ids)

    async def show(self, lead_ids: Sequence[str]) -> set[str]:
        """Bring ranking and schedule in line with these leads; returns those whose score is to be published."""
        await self.load(lead_ids)
        changed = self.scorer.show(lead_ids)
        outcome = self.scorer.finish()
        if outcome.ranks or outcome.due:
            await self._commit(outcome, [])
        return changed

    async def tidy(self) -> None:
        """Let the store know what was acknowledged, where no other step does; see that it is as we left it."""
        if self.clean or self.acknowledged:
            await self._commit(Outcome(), [])
        elif (await self.env.store.control(self.partition)).version != self.version:
            self.version = -1
            raise Conflict(self.partition)

    async def rescore(self, lead_ids: Sequence[str], now_ms: int) -> None:
        """Read these leads by the scorecards in use, at ``now_ms``."""
        await self.load(set(lead_ids))
        for lead_id in lead_ids:
            self.scorer.tick(lead_id, now_ms)
        await self._commit(self.scorer.finish(), [])

    async def rescored(self) -> None:
        """Note that every lead was read by the scorecards in use."""
        self.scored_by = self.scorer.rules.version
        self.scorer.rescoring = False
        await self._commit(Outcome(), [])

    # What the relay reports -----------------------------------------------------------------------------------

    def sent(self, entries: Sequence[Entry], handoff_offset: int | None) -> None:
        """These entries were acknowledged by Kafka; the next step takes them out of the outbox."""
        self.acknowledged = max(self.acknowledged, entries[-1].seq)
        del self.outbox[: len(entries)]
        if handoff_offset is not None:
            self.handoff_offset = max(self.handoff_offset, handoff_offset)

    def published(self, versions: dict[str, int]) -> None:
        """The scores of these leads, as of these versions, were acknowledged."""
        self.clean.update({i: at for i, at in versions.items() if self.dirty.get(i) == at})


def fingerprint(record: Any) -> bytes:
    """Tells a record from another that may stand at the same offset of a recreated topic."""
    return b"%x-%x" % (record.timestamp, crc32(record.value or b"", crc32(record.key or b"")))


def forwarded(topic: str, target: str, item: LeadEvent | ControlRecord) -> Outgoing:
    """A record on its way to the shard of another lead, with its arrival kept."""
    if isinstance(item, LeadEvent):
        return Outgoing(topic, target.encode(), item.raw, item.arrival, [])
    headers: Headers = [(KIND_HEADER, wire.kind_of(item).encode())]
    return Outgoing(topic, target.encode(), wire.encode_control(item), item.arrival, headers)


def rejected(topic: str, record: Record, place: str, reject: Reject) -> Outgoing:
    """A record that could not be scored: the original bytes, and why."""
    headers: Headers = [
        ("reason", reject.reason.encode()),
        ("message", reject.sentence.encode()),
        (SOURCE_HEADER, place.encode()),
    ]
    value = record.value
    if value is not None and len(value) > REJECTED_BYTES:
        headers.append(("truncated", b"%d" % len(value)))
        value = value[:REJECTED_BYTES]
    return Outgoing(topic, place.encode(), value, record.timestamp, headers)
