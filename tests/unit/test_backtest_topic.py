"""The topic is read up to its end at the start, twice, and never waits for ever."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from app.backtest import topic
from app.backtest.topic import Topic


class Consumer:
    """A consumer of two partitions with five records each, to which records are added all the time."""

    def __init__(self) -> None:
        self.at = {0: 0, 1: 0}
        self.ends = {0: 5, 1: 5}
        self.gives = True
        self._fetcher = SimpleNamespace(_records={}, _create_fetch_waiter=asyncio.Future)

    def assign(self, places: list[TopicPartition]) -> None:
        assert len(places) == 2

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: 2 if place.partition else 0 for place in places}

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: self.ends[place.partition] for place in places}

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.at[place.partition] = offset

    async def position(self, place: TopicPartition) -> int:
        return self.at[place.partition]

    async def getmany(self, *places: TopicPartition, max_records: int) -> dict[TopicPartition, Any]:
        if not self.gives:
            return {}
        found = {}
        for place in places:
            begin = self.at[place.partition]
            self.at[place.partition] = begin + 2
            found[place] = [SimpleNamespace(offset=offset) for offset in range(begin, begin + 2)]
        return found


async def offsets_of(source: Topic) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {0: [], 1: []}
    async for partition, records in source.read():
        found[partition] += [record.offset for record in records]
    return found


async def test_records_that_were_written_since_are_left_out() -> None:
    source = await Topic.open("lead-events", 2, Consumer())
    assert (source.total, source.starts) == (8, {0: 0, 1: 2})
    for _ in range(2):
        assert await offsets_of(source) == {0: [0, 1, 2, 3, 4], 1: [2, 3, 4]}


async def test_a_broker_that_sends_no_records_any_more_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer()
    source = await Topic.open("lead-events", 2, consumer)
    consumer.gives = False
    monkeypatch.setattr(topic, "STUCK_S", -1.0)
    monkeypatch.setattr(topic, "WAIT_S", 0.0)
    with pytest.raises(TimeoutError):
        await offsets_of(source)
