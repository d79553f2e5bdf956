"""What waits is sent together, and nobody waits for ever."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from app.collector import event_writer
from app.collector.event_writer import DEADLINE_S, EventWriter, record_of
from app.collector.inbound import BadCall, Refusal
from app.collector.metrics import Metrics
from streams.events.outgoing import Outgoing
from streams.transport.topics import partition_of

PARTITIONS = 4
Rows = dict[int, list[tuple[Any, ...]]]


class Kafka:
    """A producer whose sendings wait while ``open`` is not set."""

    def __init__(self) -> None:
        self.sendings: list[tuple[str, Rows]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.fails: list[Exception] = []
        self.healthy = True

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def look(self) -> None:
        pass

    async def count_partitions(self, topic: str) -> int:
        return PARTITIONS

    async def deliver_batches(self, topic: str, rows: Rows, give_up_on: tuple[type[Exception], ...] = ()) -> None:
        self.sendings.append((topic, rows))
        self.asked.set()
        await self.open.wait()
        if self.fails:
            raise self.fails.pop()

    @property
    def values(self) -> list[bytes]:
        return sorted(row[2] for _, rows in self.sendings for part in rows.values() for row in part)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def writer(kafka: Kafka, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EventWriter]:
    monkeypatch.setattr(event_writer, "TICK_S", 0.001)
    made: Any = kafka
    it = EventWriter(made, ("web", "mail"), Metrics(), clock)
    await it.start()
    yield it
    kafka.open.set()
    await it.stop()


def record(value: bytes, key: bytes = b"u-1", topic: str = "web") -> Outgoing:
    return Outgoing(topic, key, value, 7, [])


async def waiting(writer: EventWriter, value: bytes, topic: str = "web") -> "asyncio.Task[None]":
    """A request that has handed its record over."""
    task = asyncio.create_task(writer.write_records([record(value, topic=topic)]))
    await asyncio.sleep(0)
    return task


async def test_requests_during_a_send_go_with_the_next_one(writer: EventWriter, kafka: Kafka) -> None:
    kafka.open.clear()
    first = await waiting(writer, b"0")
    await kafka.asked.wait()
    others = [await waiting(writer, b"%d" % i) for i in range(1, 10)]
    assert not first.done()

    kafka.open.set()
    await asyncio.gather(first, *others)

    assert len(kafka.sendings) == 2
    assert kafka.values == [b"%d" % i for i in range(10)]


async def test_records_go_where_their_key_belongs_with_time_and_key(writer: EventWriter, kafka: Kafka) -> None:
    await writer.write_records([record(b"a", b"u-1"), record(b"b", b"u-2")])

    [(topic, rows)] = kafka.sendings
    assert topic == "web"
    assert rows[partition_of("u-1", PARTITIONS)][0] == (7, b"u-1", b"a", [])
    assert rows[partition_of("u-2", PARTITIONS)][-1] == (7, b"u-2", b"b", [])


async def test_records_without_a_lead_are_spread_over_partitions(writer: EventWriter, kafka: Kafka) -> None:
    await writer.write_records([record(b"x", b"") for _ in range(PARTITIONS)])

    [(_, rows)] = kafka.sendings
    assert sorted(rows) == list(range(PARTITIONS))
    assert rows[0][0][1] is None


async def test_a_request_of_several_topics_waits_for_all(writer: EventWriter, kafka: Kafka) -> None:
    await writer.write_records([record(b"a"), record(b"b", topic="mail")])

    assert {topic for topic, _ in kafka.sendings} == {"web", "mail"}


async def test_a_request_that_waits_too_long_gets_503_and_is_not_sent_later(
    writer: EventWriter, kafka: Kafka, clock: Clock
) -> None:
    kafka.open.clear()
    sent = await waiting(writer, b"sent")
    await kafka.asked.wait()
    queued = await waiting(writer, b"queued")

    clock.now_s += DEADLINE_S + 1
    for task in (sent, queued):
        with pytest.raises(Refusal) as refused:
            await task
        assert (refused.value.status, refused.value.retry_after_s) == (503, 2)

    assert b"queued" not in kafka.values


async def test_while_kafka_hangs_requests_are_refused_at_once_and_accepted_afterwards(
    writer: EventWriter, kafka: Kafka, clock: Clock
) -> None:
    kafka.open.clear()
    stuck = await waiting(writer, b"stuck")
    await kafka.asked.wait()
    clock.now_s += DEADLINE_S + 1
    with pytest.raises(Refusal):
        await stuck
    assert not writer.ready
    with pytest.raises(Refusal):
        await writer.write_records([record(b"at once")])

    kafka.open.set()
    async with asyncio.timeout(5):
        while not writer.ready:  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0)
    await writer.write_records([record(b"later")])

    assert kafka.values == [b"later", b"stuck"]


async def test_of_requests_sent_together_only_the_one_that_is_too_large_is_refused(
    writer: EventWriter, kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    kafka.fails = [MessageSizeTooLargeError(), MessageSizeTooLargeError()]  # both together, then the first alone
    large, small = (asyncio.ensure_future(writer.write_records([record(value)])) for value in (b"large", b"small"))
    await small
    with pytest.raises(Refusal) as caught:
        await large

    assert (caught.value.status, caught.value.code) == (413, "too_large")
    assert [row[2] for part in kafka.sendings[-1][1].values() for row in part] == [b"small"]
    assert caplog.records


async def test_a_sending_that_fails_is_503_and_the_next_is_none_the_worse(
    writer: EventWriter, kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    kafka.fails = [ValueError("odd")]
    with pytest.raises(Refusal):
        await writer.write_records([record(b"a")])

    await writer.write_records([record(b"b")])

    assert caplog.records


async def test_a_failure_while_the_too_large_one_is_looked_for_does_not_end_the_sending(
    writer: EventWriter, kafka: Kafka
) -> None:
    kafka.fails = [RuntimeError("anything"), MessageSizeTooLargeError()]
    with pytest.raises(Refusal) as refused:
        await writer.write_records([record(b"a")])
    assert refused.value.code == "kafka_away"

    async with asyncio.timeout(1):
        await writer.write_records([record(b"b")])


async def test_before_the_start_and_after_the_end_there_is_503(kafka: Kafka, clock: Clock) -> None:
    made: Any = kafka
    writer = EventWriter(made, ("web",), Metrics(), clock)
    with pytest.raises(Refusal):
        await writer.write_records([record(b"a")])
    await writer.start()
    await writer.stop()
    with pytest.raises(Refusal):
        await writer.write_records([record(b"a")])
    assert kafka.sendings == []


async def test_closing_leaves_no_request_waiting(writer: EventWriter, kafka: Kafka) -> None:
    kafka.open.clear()
    task = await waiting(writer, b"a")

    await writer.stop()

    with pytest.raises(Refusal):
        await task


async def test_nothing_needs_no_kafka(writer: EventWriter, kafka: Kafka) -> None:
    await writer.write_records([])

    assert kafka.sendings == []


# Records ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [{"type": "track", "n": 10**30}, {"type": "track", "x": "\ud800"}])
def test_any_json_is_written(call: dict[str, Any]) -> None:
    made = record_of(call, "web", 7)

    assert isinstance(made, Outgoing)
    assert json.loads(made.value or b"") == call


def test_a_call_too_large_for_a_record_is_bad() -> None:
    made = record_of({"type": "track", "x": "y" * 900_000}, "web", 7)

    assert isinstance(made, BadCall)
    assert made.reason == "too_large"
