"""The relay goes on, whatever stands in the outbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from streams.clock import SharedClock
from streams.events.outgoing import Outgoing, encode_outgoing
from streams.events.records import Row
from streams.metrics import Metrics
from streams.scoring.event import LeadEvent
from streams.scoring.outcome import Forward, Outcome
from streams.shard import relay as relaying
from streams.shard.outbox import Origin, forward_records
from streams.shard.relay import Relay
from streams.store.base import Entry
from streams.transport.channel import AlreadySent, Channel
from streams.transport.topics import Partitioner, Topics, partition_of

MAX_BYTES = 200_000


class Broker:
    """A producer that takes no value of more than MAX_BYTES bytes."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []
        self.batches: list[tuple[int, list[bytes]]] = []

    async def deliver(self, records: Sequence[Outgoing], partition: int | None = None) -> list[Any]:
        if any(len(record.value or b"") > MAX_BYTES for record in records):
            raise MessageSizeTooLargeError
        self.taken += records
        return [SimpleNamespace(offset=len(self.taken) - 1) for _ in records]

    async def deliver_batches(
        self, topic: str, rows: Mapping[int, Sequence[Row]], give_up_on: tuple[type, ...]
    ) -> None:
        assert MessageSizeTooLargeError in give_up_on
        for partition, part in rows.items():
            await self.deliver([Outgoing(topic, key, value, at, headers) for at, key, value, headers in part])
            self.batches.append((partition, [key for _, key, _, _ in part]))


async def nothing(step: str) -> None:
    """No step is of interest."""


async def nothing_sent(partition: int, offset: int) -> set[str]:
    """No alert is on handoff."""
    return set()


async def relayed(
    broker: Broker, sending: Sequence[Outgoing], already_sent: AlreadySent = nothing_sent, offset: int = 0
) -> list[int]:
    """Relay these records; returns the entries that were marked as sent."""
    done, told = asyncio.Event(), list[int]()

    def sent(entries: Sequence[Entry], end: int | None) -> None:
        told.extend([entry.seq for entry in entries])
        done.set()

    env = SimpleNamespace(clock=SharedClock(), partitioner=Partitioner(4), tracer=None)
    shard: Any = SimpleNamespace(partition=0, handoff_offset=offset, mark_sent=sent, env=env)
    producer: Any = broker
    channel = Channel(producer, Topics(), Metrics(), already_sent, 1, 1, nothing)
    relay = Relay(shard, channel)
    relay.enqueue([Entry(i, encode_outgoing(record)) for i, record in enumerate(sending)])
    running = asyncio.create_task(relay.run())
    await asyncio.wait_for(done.wait(), 5)
    running.cancel()
    return told


async def test_a_record_that_the_broker_takes_in_no_case_goes_to_the_rejects_and_the_rest_goes_on() -> None:
    broker = Broker()
    values = (b"a", b"x" * (MAX_BYTES + 1), b"b")
    sending = [Outgoing("handoff", b"u", value, 0, [], f"id-{i}") for i, value in enumerate(values)]
    far = LeadEvent("far", "page", (), "m", 0, 0, None, None, values[1], False, False)
    sending += forward_records(Outcome(forwards=[Forward("far", far, 7)]), "lead-events", Origin(0))
    told = await relayed(broker, sending)

    assert told == [0, 1, 2, 3]
    assert [(r.topic, r.value) for r in broker.taken if r.topic == "handoff"] == [("handoff", b"a"), ("handoff", b"b")]
    rejects = [dict(r.headers) for r in broker.taken if r.topic == "rejected-events"]
    assert {reject["reason"] for reject in rejects} == {b"too_large"}
    assert {reject["leadglow-source"] for reject in rejects} == {b"handoff:0:id-1", b"lead-events:0:7"}


async def test_forwarded_records_are_sent_as_one_batch_for_each_partition() -> None:
    broker, targets = Broker(), ["ana", "ben", "cid", "dan", "eva"]
    forwards = [
        Forward(target, LeadEvent(target, "page", (), "m", 0, 0, None, None, b"a", False, False), at)
        for at, target in enumerate(targets)
    ]
    sending = [*forward_records(Outcome(forwards=forwards), "lead-events", Origin(0))]

    assert await relayed(broker, sending) == [0, 1, 2, 3, 4]
    expected = {partition: [t.encode() for t in targets if partition_of(t, 4) == partition] for partition in range(4)}
    assert dict(broker.batches) == {partition: keys for partition, keys in expected.items() if keys}
    assert len(broker.batches) < len(targets)


async def test_alerts_that_came_after_the_snapshot_of_a_quiet_shard_are_not_sent_again() -> None:
    broker, asked = Broker(), list[tuple[int, int]]()

    async def already_sent(partition: int, offset: int) -> set[str]:
        asked.append((partition, offset))
        return {"id-0", "id-2"}

    sending = [Outgoing("handoff", b"u", b"", 0, [], f"id-{i}") for i in range(4)]
    assert await relayed(broker, sending, already_sent, offset=7) == [0, 1, 2, 3]

    assert asked == [(0, 7)]
    assert [each.alert_id for each in broker.taken] == ["id-1", "id-3"]


async def test_alerts_wait_while_handoff_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relaying, "AGAIN_S", 0)
    broker, errors = Broker(), [KafkaConnectionError("away"), KafkaConnectionError("away")]

    async def already_sent(partition: int, offset: int) -> set[str]:
        assert not broker.taken
        if errors:
            raise errors.pop()
        return {"id-0"}

    with caplog.at_level(logging.WARNING):
        await relayed(broker, [Outgoing("handoff", b"u", b"", 0, [], f"id-{i}") for i in range(2)], already_sent, 7)

    assert [each.alert_id for each in broker.taken] == ["id-1"]
    assert caplog.text.count("cannot read handoff") == 2


async def test_what_is_no_alert_is_sent_without_reading_handoff() -> None:
    async def already_sent(partition: int, offset: int) -> set[str]:
        raise AssertionError

    broker = Broker()
    assert await relayed(broker, [Outgoing("rejected-events", b"u", b"", 0, [])], already_sent, 7) == [0]
    assert len(broker.taken) == 1
