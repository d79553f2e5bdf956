"""Sends the entries of the outbox to Kafka in order, and marks the acknowledged ones."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from streams.clock import monotonic_s, now_ns
from streams.events.outgoing import Outgoing, decode_outgoing
from streams.events.records import Row
from streams.events.rejects import REASONS, Reject, reject_record
from streams.shard.outbox import forwarded_from
from streams.shard.shard import Shard
from streams.store.base import Entry
from streams.transport.channel import Channel

log = logging.getLogger(__name__)
AGAIN_S = 1.0
CHUNK = 500
MAX_OUTBOX = 10_000
"""The number of waiting entries at which a shard stops processing records."""


class Relay:
    """Sends the outbox of one shard, in the order of its entries."""

    def __init__(self, shard: Shard, channel: Channel) -> None:
        """Create the relay; ``run`` sends the entries."""
        self._shard = shard
        self._channel = channel
        self._queue: list[Entry] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._sent_before: set[str] | None = None
        self.waiting_since_s: float | None = None
        """When the wait for the current acknowledgement began, on the monotonic clock; None if nothing waits."""
        shard.relay = self.enqueue

    @property
    def is_full(self) -> bool:
        """Whether the shard must wait before it processes more records."""
        return len(self._queue) >= MAX_OUTBOX

    def enqueue(self, entries: Sequence[Entry]) -> None:
        """Add the entries of a committed step to the queue."""
        if entries:
            self._queue += entries
            self.waiting_since_s = self.waiting_since_s or monotonic_s()
            self._idle.clear()
            self._wake.set()

    def clear(self) -> None:
        """Clear the queue, because the shard reads its outbox again."""
        self._queue.clear()
        self._sent_before = None
        self.waiting_since_s = None
        self._idle.set()

    async def drain(self, timeout_s: float) -> None:
        """Wait until everything is acknowledged, or until the timeout."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_s)

    async def run(self) -> None:
        """Send entries; never returns."""
        while True:
            if not self._queue:
                self._idle.set()
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                chunk = self._queue[:CHUNK]
                offset = await self._deliver([decode_outgoing(entry.payload) for entry in chunk])
                if self._queue[: len(chunk)] == chunk:
                    del self._queue[: len(chunk)]
                    self._shard.mark_sent(chunk, offset)
                    self.waiting_since_s = monotonic_s() if self._queue else None

    async def _deliver(self, records: Sequence[Outgoing]) -> int | None:
        """Send the records that are not on their topic yet; returns the offset after the last alert, if any."""
        topics, channel = self._channel.topics, self._channel
        home = self._shard.partition % channel.handoff_partitions
        alerts = [r for r in records if r.topic == topics.handoff]
        if alerts:
            sent_before = await self._load_sent_before(home)
            alerts = [r for r in alerts if r.alert_id not in sent_before]
        forwards = [r for r in records if r.topic == topics.lead_events]
        others = [r for r in records if r.topic not in (topics.handoff, topics.lead_events)]
        begin_ns = now_ns()
        await channel.reached("produced")
        results = await asyncio.gather(
            self._send(alerts, home) if alerts else _none(),
            self._send_forwards(forwards) if forwards else _none(),
            self._send(others) if others else _none(),
        )
        await channel.reached("acknowledged")
        self._count_alerts(alerts, begin_ns)
        return results[0][-1].offset + 1 if results[0] else None

    async def _send_forwards(self, records: Sequence[Outgoing]) -> list[Any]:
        """Send records to other shards in batches, which costs less than one by one."""
        rows: dict[int, list[Row]] = {}
        for record in records:
            partition = self._shard.env.partitioner(record.key.decode())
            rows.setdefault(partition, []).append((record.timestamp_ms, record.key, record.value, record.headers))
        topic = self._channel.topics.lead_events
        try:
            await self._channel.producer.deliver_batches(topic, rows, (MessageSizeTooLargeError,))
            return []
        except MessageSizeTooLargeError:
            return await self._send(records)

    async def _send(self, records: Sequence[Outgoing], partition: int | None = None) -> list[Any]:
        """Send records. A record that is too large for the broker goes to the rejects, so that the rest is sent."""
        producer = self._channel.producer
        try:
            return await producer.deliver(records, partition)
        except MessageSizeTooLargeError:
            if len(records) > 1:
                return [done for record in records for done in await self._send([record], partition)]
            size = len(records[0].value or b"")
            message = "rejected a record of %d bytes, too large for %s: raise its max.message.bytes, up to 4 MiB"
            log.error(message, size, records[0].topic)
            await producer.deliver([self._rejected(records[0])])
            return []

    def _rejected(self, record: Outgoing) -> Outgoing:
        self._channel.metrics.rejected.labels("too_large").inc()
        place = f"{record.topic}:{self._shard.partition}:{record.alert_id or forwarded_from(record)}"
        raw = SimpleNamespace(key=record.key, value=record.value, timestamp=record.timestamp_ms, headers=())
        return reject_record(self._channel.topics.rejected, raw, place, Reject("too_large", REASONS["too_large"]))

    async def _load_sent_before(self, home: int) -> set[str]:
        """The ids of alerts that were sent after the last one that the state knows of.

        A former owner sent them without recording it, or the state comes from a snapshot that is older.
        """
        while self._sent_before is None:
            try:
                self._sent_before = await self._channel.already_sent(home, self._shard.handoff_offset)
            except KafkaError as error:
                log.warning("cannot read %s (%r); trying again", self._channel.topics.handoff, error)
                await asyncio.sleep(AGAIN_S)
        return self._sent_before

    def _count_alerts(self, alerts: Sequence[Outgoing], begin_ns: int) -> None:
        now, tracer = self._shard.env.clock.now_ms(), self._shard.env.tracer
        for record in alerts:
            self._channel.metrics.alerts.inc()
            event = tracer.trace_alert(record, self._shard.partition, begin_ns, now_ns()) if tracer else None
            if record.arrived_ms is not None:
                seconds = max(now - record.arrived_ms, 0) / 1000
                self._channel.metrics.handoff_seconds.observe(seconds, event and event.exemplar)


async def _none() -> list[object]:
    return []
