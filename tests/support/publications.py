"""Kafka's topics in memory, for publications of scorecards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from streams.events.changes import decode_change
from streams.events.outgoing import Outgoing
from streams.publishing.scorecards import Scorecards
from streams.publishing.sessions import open_topic
from streams.publishing.topic import ScorecardsTopic
from streams.publishing.writer import ScorecardsWriter
from streams.scoring.rules import LATENESS_MS
from streams.transport.topics import Topics

PARTITIONS = 3


class Stop(Exception):
    """The publisher ends here."""


class Log:
    """All topics of a broker, in memory. It is also a consumer of the topic of scorecards."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[Any]] = defaultdict(list)
        self.now_ms = 0
        self.stop_after = 10**9
        """The number of records that a publisher writes before it ends."""

    async def deliver(self, records: Sequence[Outgoing], partition: int | None = None) -> list[Any]:
        sent = []
        for record in records:
            if self.stop_after == 0:
                raise Stop
            self.stop_after -= 1
            log = self.records[record.topic, partition or 0]
            kept = SimpleNamespace(
                offset=len(log),
                key=record.key,
                value=record.value,
                headers=record.headers,
                timestamp=record.timestamp_ms,
            )
            log.append(kept)
            sent.append(kept)
        return sent

    async def time_ms(self) -> int:
        self.now_ms += 1
        return self.now_ms

    @asynccontextmanager
    async def open_topic(self) -> AsyncIterator[ScorecardsTopic]:
        """The topic of scorecards, read to its end."""
        async with open_topic("scorecards", LATENESS_MS, lambda: Reader(self)) as topic:
            yield topic

    @asynccontextmanager
    async def open_writer(self, topic: ScorecardsTopic) -> AsyncIterator[ScorecardsWriter]:
        """A writer of publications."""
        yield ScorecardsWriter(topic, Topics(), PARTITIONS, self.deliver, self.time_ms)

    async def publish(self, text: str, author: str = "somebody", **more: Any) -> str:
        """Publish a text; returns its version."""
        async with self.open_topic() as topic, self.open_writer(topic) as writer:
            scorecards = Scorecards.parse_text(text, "published", LATENESS_MS)
            await writer.publish(scorecards, author, topic.catalog.latest_place, **more)
            return scorecards.version

    def changes(self, partition: int) -> list[int]:
        """The places that the control records of a partition name."""
        found = [decode_change(record) for record in self.records["lead-events", partition]]
        return [change.place for change in found if change is not None]


class Reader:
    """A consumer of the topic of scorecards."""

    def __init__(self, log: Log) -> None:
        self._log = log.records["scorecards", 0]
        self._next = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, places: list[Any]) -> None: ...

    async def seek_to_beginning(self, place: Any) -> None:
        self._next = 0

    async def end_offsets(self, places: list[Any]) -> dict[Any, int]:
        return {place: len(self._log) for place in places}

    async def position(self, place: Any) -> int:
        return self._next

    async def getmany(self, place: Any, timeout_ms: int) -> dict[Any, list[Any]]:
        found, self._next = self._log[self._next :], len(self._log)
        return {place: found}
