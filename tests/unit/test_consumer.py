"""What the consumer answers at once, and in which order it fetches and seeks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import CorruptRecordException, KafkaConnectionError, TopicAuthorizationFailedError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.transport.consumer import FEW_RECORDS, GATHER_S, Consumer, ConsumerCursor, ConsumerThread
from streams.transport.parsed import Parsed

PLACE = TP("web-events", 0)


class Thread:
    """The consumer's thread, without one."""

    def __init__(self, subscription: Any) -> None:
        self._consumer = SimpleNamespace(_subscription=subscription)

    def _ensure_consumer(self) -> Any:
        return self._consumer

    async def call_thread(self, method: Any, *args: Any) -> Any:
        return await method(*args)


async def test_a_position_that_is_not_settled_is_not_waited_for() -> None:
    subscription: Any = SubscriptionState()
    consumer: Any = object.__new__(Consumer)
    consumer._thread = Thread(subscription)
    assert await consumer.next_offsets([PLACE]) == {PLACE: None}
    subscription.subscribe({PLACE.topic})
    assert await consumer.next_offsets([PLACE]) == {PLACE: None}
    subscription.assign_from_subscribed({TopicPartition(*PLACE)})
    assert await consumer.next_offsets([PLACE]) == {PLACE: None}
    subscription.seek(TopicPartition(*PLACE), 7)
    assert await consumer.next_offsets([PLACE]) == {PLACE: 7}
    assert await consumer.next_offsets([TP("web-events", 1)]) == {TP("web-events", 1): None}


async def test_a_running_fetch_ends_before_the_seek_of_a_rebalance() -> None:
    """Fetched after the seek but left aside, because the flow had not resumed, it would never be fetched again."""
    steps: list[Any] = []
    fetching, fetched = asyncio.Event(), asyncio.Event()

    class Handler:
        async def on_assigned(self, *_: Any) -> dict[TP, int]:
            return {PLACE: 51}

        def is_full(self, _: TP) -> bool:
            return False

        def enqueue(self, records: Any, _: Any) -> None:
            steps.append(records)

    async def getmany(*_: Any) -> dict[TP, list[str]]:
        fetching.set()
        await fetched.wait()
        steps.append("fetched")
        return {PLACE: ["a record"]}

    async def seek_wait(positions: Any) -> None:
        steps.append(positions)

    class Fetching(Consumer):
        app: Any = SimpleNamespace(handler=Handler(), consumer_generation_id=1)
        flow_active = True

    consumer: Any = object.__new__(Fetching)
    consumer._getmany, consumer.seek_wait = getmany, seek_wait
    consumer.assignment = consumer._get_active_partitions = lambda: {PLACE}
    draining = asyncio.create_task(consumer._drain_once())
    await fetching.wait()
    consumer.flow_active = False
    seeking = asyncio.create_task(consumer.seek_to_committed())
    for _ in range(10):
        await asyncio.sleep(0)
    assert steps == []
    fetched.set()
    await asyncio.gather(draining, seeking)
    assert steps == ["fetched", {PLACE: 51}]


@pytest.mark.parametrize(
    ("answer", "first"), [([{PLACE: 40}], 40), (KafkaConnectionError(), 0), (TimeoutError(), 0)], ids=repr
)
async def test_the_first_offset_is_0_while_kafka_cannot_be_reached(answer: Any, first: int) -> None:
    consumer: Any = AsyncMock(first_offsets=AsyncMock(side_effect=answer))
    assert await ConsumerCursor(consumer, PLACE).first_offset() == first


@pytest.mark.parametrize(
    ("records", "pauses"), [(1, [GATHER_S]), (FEW_RECORDS - 1, [GATHER_S]), (FEW_RECORDS, []), (0, [])]
)
async def test_the_next_fetch_gathers_records_unless_there_are_many(
    records: int, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def getmany(*_: Any) -> dict[TP, list[int]]:
        return {PLACE: list(range(records))} if records else {}

    monkeypatch.setattr("streams.transport.consumer.asyncio.sleep", sleep)
    consumer: Any = object.__new__(Gathering)
    consumer._getmany, consumer._get_active_partitions = getmany, lambda: {PLACE}
    await consumer._drain_once()
    assert slept == pauses


class Gathering(Consumer):
    """A consumer without Faust, whose records go nowhere."""

    handler: Any = SimpleNamespace(is_full=lambda _: False, enqueue=lambda *_: None)
    app: Any = SimpleNamespace(consumer_generation_id=1)
    flow_active = True

    def highwater(self, _: Any) -> int:
        """The end of any partition."""
        return 0


# Records as they were parsed ----------------------------------------------------------------------------------


def batch(first: int, values: list[bytes | None], producer_id: int = -1, transactional: int = 0) -> bytes:
    """A record batch as a broker sends it."""
    builder = DefaultRecordBatchBuilder(2, 0, transactional, producer_id, 0 if producer_id >= 0 else -1, 0, 10_000)
    for i, value in enumerate(values):
        builder.append(i, 1000 + first + i, b"key", value, [("source", b"web:0:%d" % i)] if i % 2 else [])
    return first.to_bytes(8, "big") + bytes(builder.build())[8:]  # the checksum begins later


def records_of(*batches: bytes, at: int = 0, aborted: Any = None) -> PartitionRecords:
    place = TopicPartition(*PLACE)
    return PartitionRecords(place, MemoryRecords(b"".join(batches)), aborted, at, None, None, True, READ_COMMITTED)


def told(records: Any, next_offset: int) -> list[Any]:
    """All that Leadglow reads of records, and where the next fetch begins."""
    rows: list[Any] = [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in records]
    return [*rows, next_offset]


def test_parsed_records_equal_those_of_aiokafka() -> None:
    log = [batch(0, [b"a", None, b""]), batch(5, [b"gone"], 7, 1), batch(9, [b"b", b"c"])]
    for at, aborted in ((0, None), (1, None), (2, [(7, 5)]), (3, None), (6, [(7, 5)]), (10, None), (11, None)):
        theirs = records_of(*log, at=at, aborted=aborted)
        expected = told(list(theirs), theirs.next_fetch_offset)
        for most in (1, 2, 3, 4, 9):
            ours, taken = Parsed(records_of(*log, at=at, aborted=aborted)), list[Any]()
            while part := ours.take(most):
                taken += part
                assert len(part) <= most
                assert ours.next_fetch_offset > part[-1].offset
            assert told(taken, ours.next_fetch_offset) == expected
    bad = bytearray(log[0])
    bad[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        Parsed(records_of(bytes(bad))).take(1)


def test_fetched_records_are_released_once_they_are_read() -> None:
    """A ring would keep a megabyte a fetch until the collector comes, which a worker rarely lets it."""
    gc.disable()
    try:
        theirs = records_of(batch(0, [b"a"]))
        old, new = weakref.ref(theirs), weakref.ref(ours := Parsed(theirs))
        del theirs
        assert old() is None
        assert len(ours.take(9)) == 1
        del ours
        assert new() is None
    finally:
        gc.enable()


class Fetching:
    """A consumer with a real Fetcher, whom nobody but the test brings anything."""

    _closed = False

    def __init__(self) -> None:
        self.subscription: Any = SubscriptionState()
        self.subscription.subscribe({PLACE.topic})
        self.subscription.assign_from_subscribed({TopicPartition(*PLACE)})
        self.subscription.seek(TopicPartition(*PLACE), 0)
        self._fetcher: Any = object.__new__(Fetcher)
        self._fetcher._loop, self._fetcher._subscriptions = asyncio.get_running_loop(), self.subscription
        self._fetcher._records, self._fetcher._fetch_waiters = {}, set()
        self._fetcher._closed, self._fetcher._wait_consume_future = False, None

    def bring(self, what: Any) -> None:
        """What a fetch would leave, and the word that it is there."""
        if isinstance(what, PartitionRecords):
            assignment = self.subscription.subscription.assignment
            what = FetchResult(TopicPartition(*PLACE), assignment=assignment, partition_records=what, backoff=0)
        self._fetcher._records[TopicPartition(*PLACE)] = what
        for waiter in list(self._fetcher._fetch_waiters):
            self._fetcher._notify(waiter)


@contextlib.contextmanager
def fetching(flow_active: bool = True) -> Iterator[tuple[Fetching, Any]]:
    consumer, thread = Fetching(), object.__new__(ConsumerThread)
    thread.consumer = SimpleNamespace(flow_active=flow_active)  # type: ignore[assignment]
    yield consumer, lambda timeout: thread._fetch_records(consumer, {TopicPartition(*PLACE)}, timeout, 500)
    assert not consumer._fetcher._fetch_waiters
    assert consumer.subscription._fetch_count == 0


async def test_a_fetch_returns_available_records_or_waits() -> None:
    with fetching() as (consumer, fetch):
        assert await fetch(0) == {}
        assert await fetch(0.001) == {}
        await asyncio.sleep(0)
        consumer.bring(records_of(batch(0, [b"a", b"b"])))
        assert [r.value for r in (await fetch(60))[TopicPartition(*PLACE)]] == [b"a", b"b"]
        waiting = asyncio.create_task(fetch(60))
        await asyncio.sleep(0)
        consumer.bring(records_of(batch(2, [b"c"]), at=2))
        (record,) = (await waiting)[TopicPartition(*PLACE)]
        assert record.value == b"c"
        assert "ConsumerRecord" not in type(record).__name__
        assert consumer.subscription.subscription.assignment.state_value(TopicPartition(*PLACE)).position == 3


async def test_a_fetch_returns_so_many_records_and_keeps_the_others() -> None:
    with fetching() as (consumer, fetch):
        consumer.bring(records_of(batch(0, [b"x"] * 400), batch(400, [b"y"] * 200)))
        for expected in (500, 100):
            assert len((await fetch(0))[TopicPartition(*PLACE)]) == expected
        assert await fetch(0) == {}
        consumer.bring(records_of(batch(600, [b"x"] * 300), batch(900, [b"y"] * 300), at=600))
        assert len((await fetch(0))[TopicPartition(*PLACE)]) == 500
        consumer.subscription.seek(TopicPartition(*PLACE), 3)
        assert await fetch(0) == {}


async def test_a_fetch_waits_for_nothing_during_a_rebalance() -> None:
    """The seek that ends it waits for the fetch."""
    with fetching(flow_active=False) as (consumer, fetch):
        consumer.bring(records_of(batch(0, [b"a"])))
        assert await asyncio.wait_for(fetch(60), 5) == {}


async def test_a_fetch_ends_quietly_with_the_fetcher() -> None:
    with fetching() as (consumer, fetch):
        waiting = asyncio.create_task(fetch(60))
        await asyncio.sleep(0)
        consumer._fetcher._closed = True
        for waiter in list(consumer._fetcher._fetch_waiters):
            consumer._fetcher._notify(waiter)
        assert await waiting == {}


async def test_a_fetch_without_permission_fails() -> None:
    with fetching() as (consumer, fetch):
        consumer.bring(FetchError(error=TopicAuthorizationFailedError(PLACE.topic), backoff=0))
        with pytest.raises(TopicAuthorizationFailedError):
            await fetch(60)
        consumer.subscription._fetch_count = 0  # aiokafka's own way of forgetting
