"""A live system in memory: intake and shards with their timers, and the records that they leave in the topics."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

from app.demo.generator import Message
from streams.environment import Environment
from streams.events.changes import ScorecardsChange, encode_change, find_change
from streams.events.outgoing import decode_outgoing
from streams.implementation import Implementation
from streams.intake.adapt import Intake
from streams.metrics import Metrics
from streams.publishing.publications import OneVersion, Publications
from streams.scoring.rules import Rules
from streams.shard.shard import Shard
from streams.shard.sweep import Sweep
from streams.store.base import Entry
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics

TOPICS = Topics()


@dataclass
class LiveLog:
    """A Leadglow with the clock of its records."""

    rules: Rules
    partitions: int
    implementation: Implementation
    chance: Random
    log: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """Partition of lead-events -> its records."""
    alert_ids: list[str] = field(default_factory=list)
    publications: Publications = field(default_factory=OneVersion)
    changes: dict[int, ScorecardsChange] = field(default_factory=dict)
    """Number of a message -> the change of the scorecards before it."""

    async def start(self) -> None:
        """Start the shards."""
        self.home = Partitioner(self.partitions)
        env = Environment(MemoryStore(), TOPICS, self.home, Metrics(), "worker-1", implementation=self.implementation)
        env.publications = self.publications
        self.intake = Intake(TOPICS, self.home)
        self.shards = [Shard(p, self.rules, env) for p in range(self.partitions)]
        for shard in self.shards:
            shard.relay = partial(self._relay, shard)
            await shard.open()

    async def run(self, messages: Iterable[tuple[int, Message]], until_ms: int) -> None:
        """Process messages by arrival; at random instants all is scored and timers run."""
        await self.start()
        for offset, (at_ms, message) in enumerate(messages):
            if offset in self.changes:
                self._publish(self.changes[offset], at_ms)
            record = SimpleNamespace(offset=offset, timestamp=at_ms, key=None, value=message.value, headers=())
            output = self.intake.adapt_records({f"{TOPICS.sources[0]}:0": [record]}, at_ms)
            for partition, rows in output.rows.items():
                for row in rows:
                    self.append(partition, *row)
            if self.chance.random() < 0.15:
                await self._score_some()
            if self.chance.random() < 0.02:
                await self._catch_up(at_ms)
        await self._catch_up(until_ms)

    def append(self, partition: int, timestamp: int, key: bytes, value: bytes | None, headers: Any) -> None:
        """Put a record on lead-events."""
        offset = len(self.log[partition])
        self.log[partition].append(
            SimpleNamespace(offset=offset, timestamp=timestamp, key=key, value=value, headers=headers)
        )

    def _publish(self, change: ScorecardsChange, at_ms: int) -> None:
        """Put the control record of a publication on each partition, at nearly the same time."""
        for partition in range(self.partitions):
            sent = encode_change(TOPICS.lead_events, change, at_ms + partition)
            self.append(partition, sent.timestamp_ms, sent.key, sent.value, sent.headers)

    async def _score_some(self) -> None:
        await self._score(self.chance.choice(self.shards))

    async def _score(self, shard: Shard) -> None:
        """Score what is there, up to the next control record or past it, as a lane does."""
        sweep, records = Sweep(shard), self.log[shard.partition][shard.position.checkpoint :]
        at = find_change(records)
        if sweep.comes_first or (records and at == 0):
            await self._settle(shard)
        if records and at == 0:
            await shard.change_scorecards(records[0])
        else:
            await shard.score_batch(records[:at])

    async def _settle(self, shard: Shard) -> None:
        sweep = Sweep(shard)
        while shard.scorer.change is not None:
            await sweep.settle_some(0)

    async def _catch_up(self, at_ms: int) -> None:
        while any(shard.position.checkpoint < len(self.log[shard.partition]) for shard in self.shards):
            for shard in self.shards:
                await self._score(shard)
        for shard in self.shards:
            await self._settle(shard)
            await shard.update_ranking(list(shard.unpublished.versions))
            while await shard.advance_due(at_ms):
                pass

    def _relay(self, shard: Shard, entries: Sequence[Entry]) -> None:
        for sent in (decode_outgoing(entry.payload) for entry in entries):
            if sent.topic == TOPICS.lead_events:
                self.append(self.home(sent.key.decode()), sent.timestamp_ms, sent.key, sent.value, sent.headers)
            elif sent.topic == TOPICS.handoff:
                self.alert_ids.append(json.loads(sent.value or b"")["id"])
