"""Reads the topic ``lead-events``, up to the end that it has at the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.backtest.records import Unreadable
from streams.clock import monotonic_s
from streams.transport.parsed import read_whole_batches

AT_ONCE: Final = 5000
"""Records of all partitions that are taken from one fetch."""
WAIT_S: Final = 0.5
STUCK_S: Final = 30.0


class Topic:
    """The events that Kafka still has."""

    is_log = True

    def __init__(
        self, name: str, consumer: AIOKafkaConsumer, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> None:
        """``starts`` and ``ends`` are offsets by partition; ``consumer`` is started."""
        self.name = name
        self.unreadable = Unreadable()
        self.partitions = len(starts)
        self.starts = dict(starts)
        self.total, self.taken = sum(ends[p] - starts[p] for p in starts), 0
        self._ends = ends
        self._consumer = consumer

    @classmethod
    async def open(
        cls, name: str, partitions: int, consumer: AIOKafkaConsumer, begin: Mapping[int, int] | None = None
    ) -> Topic:
        """Look up the offsets. ``begin`` has those before which records are left out, as they are in other partitions.

        Raises:
            KafkaError, TimeoutError: Kafka does not respond.
        """
        places = [TopicPartition(name, p) for p in range(partitions)]
        consumer.assign(places)
        offsets = (await consumer.beginning_offsets(places), await consumer.end_offsets(places))
        starts, ends = ({place.partition: at for place, at in found.items()} for found in offsets)
        starts |= {p: min(max(at, starts[p]), ends[p]) for p, at in (begin or {}).items() if p in starts}
        return cls(name, consumer, starts, ends)

    async def read(self) -> AsyncIterator[tuple[int, Sequence[Any]]]:
        """Yield the records of each partition in order, without those that were written since.

        Raises:
            TimeoutError: Kafka sends no records any more.
        """
        places = {TopicPartition(self.name, p) for p in self.starts}
        for place in places:
            self._consumer.seek(place, self.starts[place.partition])
        progress_s = monotonic_s()
        while places := {place for place in places if not await self._is_at_end(place)}:
            fetched = await self._take_fetched(places) or await self._wait_for_fetch()
            if fetched:
                progress_s = monotonic_s()
            elif monotonic_s() - progress_s > STUCK_S:
                raise TimeoutError
            for place, records in fetched.items():
                self.taken += len(records)
                end = self._ends[place.partition]
                yield place.partition, records if records[-1].offset < end else [r for r in records if r.offset < end]

    async def _take_fetched(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, Sequence[Any]]:
        read_whole_batches(self._consumer)
        return await self._consumer.getmany(*places, max_records=AT_ONCE)  # type: ignore[no-any-return]

    async def _wait_for_fetch(self) -> Mapping[TopicPartition, Sequence[Any]]:
        waiter = self._consumer._fetcher._create_fetch_waiter()
        with suppress(TimeoutError):
            await asyncio.wait_for(waiter, WAIT_S)  # raises if there is no permission to read
        return {}

    async def _is_at_end(self, place: TopicPartition) -> bool:
        return int(await self._consumer.position(place)) >= self._ends[place.partition]
