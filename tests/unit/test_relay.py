"""The relay goes on, whatever stands in the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import MessageSizeTooLargeError

from streams.clock import SharedClock
from streams.events.outgoing import Outgoing, encode_outgoing
from streams.metrics import Metrics
from streams.scoring.event import LeadEvent
from streams.scoring.outcome import Forward, Outcome
from streams.shard.outbox import forward_records
from streams.shard.relay import Relay
from streams.store.base import Entry
from streams.transport.channel import Channel
from streams.transport.topics import Topics

MAX_BYTES = 200_000


class Broker:
    """A producer that takes no value of more than MAX_BYTES bytes."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []

    async def deliver(self, records: Sequence[Outgoing], partition: int | None = None) -> list[Any]:
        if any(len(record.value or b"") > MAX_BYTES for record in records):
            raise MessageSizeTooLargeError
        self.taken += records
        return [SimpleNamespace(offset=len(self.taken) - 1) for _ in records]


async def nothing(step: str) -> None:
    """No step is of interest."""


async def test_a_record_that_the_broker_takes_in_no_case_goes_to_the_rejects_and_the_rest_goes_on() -> None:
    metrics, broker, done = Metrics(), Broker(), asyncio.Event()
    told: list[int] = []

    def sent(entries: Sequence[Entry], offset: int | None) -> None:
        told.extend([entry.seq for entry in entries])
        done.set()

    env = SimpleNamespace(clock=SharedClock())
    shard: Any = SimpleNamespace(partition=0, catching_up=False, handoff_offset=0, mark_sent=sent, env=env)
    producer: Any = broker
    channel = Channel(producer, Topics(), metrics, SimpleNamespace, 1, 1, nothing)  # type: ignore[arg-type]
    relay = Relay(shard, channel)
    values = (b"a", b"x" * (MAX_BYTES + 1), b"b")
    sending = [Outgoing("handoff", b"u", value, 0, [], f"id-{i}") for i, value in enumerate(values)]
    far = LeadEvent("far", "page", (), "m", 0, 0, None, None, values[1], False, False)
    sending += forward_records(Outcome(forwards=[Forward("far", far, 7)]), "lead-events", 0)
    relay.enqueue([Entry(i, encode_outgoing(record)) for i, record in enumerate(sending)])
    running = asyncio.create_task(relay.run())
    await asyncio.wait_for(done.wait(), 5)
    running.cancel()

    assert told == [0, 1, 2, 3]
    assert [(r.topic, r.value) for r in broker.taken if r.topic == "handoff"] == [("handoff", b"a"), ("handoff", b"b")]
    rejects = [dict(r.headers) for r in broker.taken if r.topic == "rejected-events"]
    assert {reject["reason"] for reject in rejects} == {b"too_large"}
    assert {reject["leadglow-source"] for reject in rejects} == {b"handoff:0:id-1", b"lead-events:0:7"}
