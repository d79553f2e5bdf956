"""Sends records to Kafka in order, and repeats this until all replicas have acknowledged them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.events.outgoing import Outgoing
from streams.events.records import Row
from streams.transport.batches import PreparedBatch, RecordBatch
from streams.transport.topic_ids import topic_ids

log = logging.getLogger(__name__)
Result = TypeVar("Result")
FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 5.0
HEALTH_CHECK_TIMEOUT_S = 2.0
"""How long Kafka may take to answer before it counts as unreachable."""
STOP_S = 5.0
"""How long a failed producer may take to stop."""
FEW_ROWS = 200
Part = Sequence[Row] | Sequence[RecordBatch]
"""The records for one partition, in order."""
Parts = Mapping[int, Part]


class Producer:
    """An idempotent producer that is replaced as often as it fails.

    A repeated send may write a record twice, but never out of order. Readers detect duplicates by the id or the source
    header of a record.
    """

    def __init__(self, create: Callable[[], AIOKafkaProducer]) -> None:
        """``create`` returns a producer that is not started yet."""
        self._create = create
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._replaced: asyncio.Future[None] | None = None
        """Completed when the current producer is abandoned and will not complete any pending calls."""
        self.healthy = False

    async def start(self) -> None:
        """Connect; retry until it succeeds."""
        await self._connect()

    async def stop(self) -> None:
        """Send waiting records and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def deliver(self, records: Sequence[Outgoing], partition: int | None = None) -> list[Any]:
        """Send records in order and wait for every acknowledgement; returns the metadata of each."""
        pause_s = FIRST_PAUSE_S
        while True:
            producer = await self._connect()
            try:
                return await self._attempt(self._send_each(producer, records, partition))
            except MessageSizeTooLargeError:
                raise
            except KafkaError as error:
                pause_s = await self._replace_failed(producer, error, pause_s)

    async def deliver_batches(self, topic: str, rows: Parts, give_up_on: tuple[type[KafkaError], ...] = ()) -> None:
        """Send rows of (timestamp, key, value, headers), or batches, by partition, in order within each partition.

        Raises:
            KafkaError: an error in ``give_up_on``; some of the rows may have been written.
        """
        pause_s = FIRST_PAUSE_S
        while rows:
            producer = await self._connect()
            try:
                await self._attempt(self._send_all(producer, topic, rows))
                return
            except give_up_on:
                raise
            except KafkaError as error:
                pause_s = await self._replace_failed(producer, error, pause_s)

    async def check_health(self) -> None:
        """Check whether Kafka answers; a producer that waits for Kafka does not report it."""
        producer = self._producer
        if producer is not None:
            try:
                self.healthy = bool(
                    await asyncio.wait_for(producer.client.force_metadata_update(), HEALTH_CHECK_TIMEOUT_S)
                )
            except (KafkaError, TimeoutError):
                self.healthy = False

    async def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """The ids of the topics that exist; empty if the broker does not support topic ids.

        Raises:
            KafkaError: Kafka cannot be reached.
        """
        return await topic_ids((await self._connect()).client, topics)

    async def count_partitions(self, topic: str) -> int:
        """The number of partitions of a topic."""
        producer = await self._connect()
        return len(await producer.partitions_for(topic))

    async def _attempt(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do some work with the current producer and return its result.

        Raises:
            KafkaConnectionError: another call replaced the producer, so the work would never complete.
        """
        task = asyncio.ensure_future(work)
        waiting: set[asyncio.Future[Any]] = {task}
        if self._replaced is not None:
            waiting.add(self._replaced)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            task.cancel()
        raise KafkaConnectionError

    async def _send_each(
        self, producer: AIOKafkaProducer, records: Sequence[Outgoing], partition: int | None
    ) -> list[Any]:
        sent = [await self._send(producer, record, partition) for record in records]
        return list(await asyncio.gather(*sent))

    async def _send(self, producer: AIOKafkaProducer, record: Outgoing, partition: int | None) -> Any:
        return await producer.send(
            record.topic,
            record.value,
            key=record.key,
            partition=partition,
            timestamp_ms=max(record.timestamp_ms, 0),
            headers=record.headers,
        )

    async def _send_all(self, producer: AIOKafkaProducer, topic: str, rows: Parts) -> None:
        """Send few rows one partition after another, which needs no tasks, and many rows concurrently."""
        if sum(map(len, rows.values())) > FEW_ROWS:
            await asyncio.gather(*(self._send_part(producer, topic, p, part) for p, part in rows.items()))
            return
        sent = []
        for partition, part in rows.items():
            batches = list(_make_batches(producer, part))
            if len(batches) == 1:
                sent.append(await producer.send_batch(batches[0], topic, partition=partition))
            else:
                sent.append(asyncio.ensure_future(self._send_part(producer, topic, partition, part)))
        await asyncio.gather(*sent)

    async def _send_part(self, producer: AIOKafkaProducer, topic: str, partition: int, part: Part) -> None:
        sent = [await producer.send_batch(batch, topic, partition=partition) for batch in _make_batches(producer, part)]
        await asyncio.gather(*sent)

    async def _connect(self) -> AIOKafkaProducer:
        async with self._starting:
            pause_s = FIRST_PAUSE_S
            while self._producer is None:
                producer = self._create()
                try:
                    await producer.start()
                    self._producer = producer
                    self._replaced = asyncio.get_running_loop().create_future()
                    self.healthy = True
                except KafkaError as error:
                    log.warning("Kafka cannot be reached (%s); trying again in %.1f s", error, pause_s)
                    await producer.stop()
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, MAX_PAUSE_S)
            return self._producer

    async def _replace_failed(self, failed: Any, error: Exception, pause_s: float) -> float:
        """Abandon a failed producer: an idempotent producer cannot be used again after a failure."""
        self.healthy = False
        log.warning("sending to Kafka failed (%r); trying again in %.1f s", error, pause_s)
        is_current = self._producer is failed
        if is_current:
            self._producer, replaced = None, self._replaced
            try:
                await asyncio.wait_for(failed.stop(), STOP_S)
            except (KafkaError, TimeoutError):
                log.debug("the failed producer did not stop in time")
            if replaced is not None:
                replaced.set_result(None)
        await asyncio.sleep(pause_s)
        return min(pause_s * 2, MAX_PAUSE_S)


def _make_batches(producer: AIOKafkaProducer, part: Part) -> Iterator[BatchBuilder]:
    """Make the batches for one partition."""
    batch: BatchBuilder | None = None
    for one in part:
        if isinstance(one, RecordBatch):
            yield PreparedBatch(one)
        elif batch is None or not _append(batch, one):
            if batch is not None:
                yield batch
            batch = producer.create_batch()
            _append(batch, one)
    if batch is not None:
        yield batch


def _append(batch: BatchBuilder, row: Row) -> bool:
    timestamp, key, value, headers = row
    return batch.append(timestamp=timestamp, key=key, value=value, headers=headers) is not None
