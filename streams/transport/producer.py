"""Sends records to Kafka in order, and again until all replicas have acknowledged them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.events.outgoing import Outgoing
from streams.events.records import Row
from streams.transport.topic_ids import topic_ids

log = logging.getLogger(__name__)
Result = TypeVar("Result")
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
HEALTH_CHECK_TIMEOUT_S = 2.0
"""How long Kafka may take to answer and still be there."""
STOP_S = 5.0
"""How long a producer that failed may take to give up."""
BATCH_BYTES = 512 * 1024
FEW_ROWS = 200


class Producer:
    """An idempotent producer that is replaced when it fails, for as long as it takes.

    A repeated send may put a record on the topic twice, never out of order; every record has an id or coordinates
    that tell.
    """

    def __init__(self, create: Callable[[], AIOKafkaProducer]) -> None:
        """``create`` makes a producer that is not started yet."""
        self._create = create
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._replaced: asyncio.Future[None] | None = None
        """Done once the producer at hand was given up: it answers nobody any more."""
        self.healthy = False

    async def start(self) -> None:
        """Connect, for as long as it takes."""
        await self._connect()

    async def stop(self) -> None:
        """Send what is waiting and disconnect."""
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

    async def deliver_batches(
        self, topic: str, rows: dict[int, list[Row]], give_up_on: tuple[type[KafkaError], ...] = ()
    ) -> None:
        """Send many (timestamp, key, value, headers) rows per partition, in order within each.

        Raises:
            KafkaError: one of ``give_up_on``; some of the rows may have been written.
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
        """Find out whether Kafka is there: a producer that waits for it does not say."""
        producer = self._producer
        if producer is not None:
            try:
                self.healthy = bool(
                    await asyncio.wait_for(producer.client.force_metadata_update(), HEALTH_CHECK_TIMEOUT_S)
                )
            except (KafkaError, TimeoutError):
                self.healthy = False

    async def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """The ids of those topics that are there, from a broker that knows ids.

        Raises:
            KafkaError: Kafka is away.
        """
        return await topic_ids((await self._connect()).client, topics)

    async def count_partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        producer = await self._connect()
        return len(await producer.partitions_for(topic))

    async def _attempt(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The outcome of some work with the producer at hand.

        Raises:
            KafkaConnectionError: it was replaced because of others, and would never have answered.
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

    async def _send_all(self, producer: AIOKafkaProducer, topic: str, rows: dict[int, list[Row]]) -> None:
        """Few rows one partition after another, which costs no tasks; many at the same time."""
        if sum(map(len, rows.values())) > FEW_ROWS:
            await asyncio.gather(*(self._send_rows(producer, topic, p, part) for p, part in rows.items()))
            return
        sent = []
        for partition, part in rows.items():
            batch = producer.create_batch()
            if all(_append(batch, row) for row in part):
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            else:
                sent.append(asyncio.ensure_future(self._send_rows(producer, topic, partition, part)))
        await asyncio.gather(*sent)

    async def _send_rows(self, producer: AIOKafkaProducer, topic: str, partition: int, rows: list[Row]) -> None:
        sent = []
        batch = producer.create_batch()
        for row in rows:
            if not _append(batch, row):
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                _append(batch, row)
        sent.append(await producer.send_batch(batch, topic, partition=partition))
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
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            return self._producer

    async def _replace_failed(self, failed: Any, error: Exception, pause_s: float) -> float:
        """Replace a producer that failed; a failed idempotent one cannot be used again."""
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
        return min(pause_s * 2, LONGEST_PAUSE_S)


def _append(batch: BatchBuilder, row: Row) -> bool:
    timestamp, key, value, headers = row
    return batch.append(timestamp=timestamp, key=key, value=value, headers=headers) is not None
