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
from streams.events.outgoing import decode_outgoing
from streams.implementation import Implementation
from streams.intake.adapt import Intake
from streams.metrics import Metrics
from streams.scoring.rules import Rules
from streams.shard.shard import Shard
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

    async def start(self) -> None:
        """Start the shards."""
        self.home = Partitioner(self.partitions)
        env = Environment(MemoryStore(), TOPICS, self.home, Metrics(), "worker-1", implementation=self.implementation)
        self.intake = Intake(TOPICS, self.home)
        self.shards = [Shard(p, self.rules, env) for p in range(self.partitions)]
        for shard in self.shards:
            shard.relay = partial(self._relay, shard)
            await shard.open()

    async def run(self, messages: Iterable[tuple[int, Message]], until_ms: int) -> None:
        """Process messages by arrival; at random instants all is scored and timers run."""
        await self.start()
        for offset, (at_ms, message) in enumerate(messages):
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

    async def _score_some(self) -> None:
        shard = self.chance.choice(self.shards)
        await shard.score_batch(self.log[shard.partition][shard.position.checkpoint :])

    async def _catch_up(self, at_ms: int) -> None:
        while any(shard.position.checkpoint < len(self.log[shard.partition]) for shard in self.shards):
            for shard in self.shards:
                await shard.score_batch(self.log[shard.partition][shard.position.checkpoint :])
        for shard in self.shards:
            await shard.update_ranking(list(shard.unpublished.versions))
            while await shard.advance_due(at_ms):
                pass

    def _relay(self, shard: Shard, entries: Sequence[Entry]) -> None:
        for sent in (decode_outgoing(entry.payload) for entry in entries):
            if sent.topic == TOPICS.lead_events:
                self.append(self.home(sent.key.decode()), sent.timestamp_ms, sent.key, sent.value, sent.headers)
            elif sent.topic == TOPICS.handoff:
                self.alert_ids.append(json.loads(sent.value or b"")["id"])
