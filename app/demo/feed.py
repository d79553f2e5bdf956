"""Sends traffic to the source topics, and waits until it is scored and all results are sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from app.demo.generator import Traffic
from app.demo.salespeople import SalesPeople
from app.demo.stack import DemoError, Stack
from streams.clock import monotonic_s, now_ms
from streams.events.outgoing import decode_outgoing

BURST_S = 0.2
"""Events are sent in bursts, because the embedded broker gets slower with every stored batch."""
STUCK_S = 60.0
MAX_BURST = 1000
"""The number of events sent between two pauses if no rate is given."""


@dataclass(slots=True)
class Feed:
    """Sends traffic and counts the events. ``rate`` is in events per second; 0 means as fast as possible."""

    stack: Stack
    traffic: Traffic
    rate: float
    sales: SalesPeople | None = None
    """They send verdicts about leads, which count as events."""
    sent: int = 0

    async def run(self, events: float = float("inf")) -> None:
        """Send this number of events at the rate; returns when Kafka has acknowledged them."""
        async with self.stack.producer() as producer:
            began_s = monotonic_s()
            while self.sent < events:
                due = self.sent + MAX_BURST if not self.rate else int((monotonic_s() - began_s) * self.rate) + 1
                await self._send(producer, int(min(due, events)))
                await asyncio.sleep(BURST_S if self.rate else 0)
            await producer.flush()

    async def _send(self, producer: AIOKafkaProducer, until: int) -> None:
        topics = self.stack.topics.sources
        for at_ms, (source, key, value) in [] if self.sales is None else self.sales.take_due(now_ms()):
            await producer.send(topics[source], value, key=key, timestamp_ms=at_ms)
            self.sent += 1
        while self.sent < until:
            at_ms = now_ms()
            source, key, value = self.traffic.next(at_ms)
            await producer.send(topics[source], value, key=key, timestamp_ms=at_ms)
            self.sent += 1


async def until_done(stack: Stack, sent: int) -> int:
    """Wait until all events are scored, all results are sent and no timer is due.

    Returns:
        The instant, in ms since the epoch, after which no record arrived.

    Raises:
        DemoError: there is no progress.
    """
    before: object = None
    progress_s = monotonic_s()
    done_ms = 0
    async with stack.consumer(stack.topics.lead_events) as consumer:
        while True:
            taken = int((await stack.metrics()).get(("leadglow_records_total", "intake"), 0))
            if taken >= sent:
                done_ms = done_ms or now_ms()
                if await _is_quiet(stack, consumer, done_ms):
                    return done_ms
            state = (taken, await _checkpoints(stack))
            if state != before:
                before, progress_s = state, monotonic_s()
            elif monotonic_s() - progress_s > STUCK_S:
                msg = f"no progress in {STUCK_S:.0f} s: {taken} of {sent} events were processed"
                raise DemoError(msg)
            await asyncio.sleep(0.05)


async def _is_quiet(stack: Stack, consumer: AIOKafkaConsumer, done_ms: int) -> bool:
    """Whether all work up to ``done_ms`` is done.

    The order of the checks matters: 1. read the end of lead-events; 2. check that everything is scored and no timer is
    due; 3. check that no outbox entry waits; 4. check that lead-events has not grown, so nothing was forwarded.
    """
    ends = await end_offsets(consumer)
    by_partition = {place.partition: end for place, end in ends.items()}
    partitions = range(stack.settings.partitions)
    if await _checkpoints(stack) != [by_partition[p] for p in partitions]:
        return False
    dues = [await stack.store.next_due(p) for p in partitions]
    if any(due is not None and due <= done_ms for due in dues):
        return False
    for partition in partitions:
        entries = await stack.store.outbox(partition, 100_000)
        if any(decode_outgoing(entry.payload).timestamp_ms <= done_ms for entry in entries):
            return False
    return ends == await end_offsets(consumer)


async def _checkpoints(stack: Stack) -> list[int]:
    controls = [await stack.store.control(p) for p in range(stack.settings.partitions)]
    return [int(control.fields.get("ckpt", b"0")) for control in controls]


async def end_offsets(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """The end offsets of the partitions, from a fetch: the embedded broker's ListOffsets is not exact."""
    while True:
        await consumer.getmany(timeout_ms=200)
        marks = {place: consumer.highwater(place) for place in consumer.assignment()}
        behind = [p for p, mark in marks.items() if mark is None or await consumer.position(p) < mark]
        if not behind:
            return {place: int(mark or 0) for place, mark in marks.items()}
