"""Writes calls to Kafka. Waiting requests are sent together; each is answered once all its records are acknowledged."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import orjson
from aiokafka.errors import MessageSizeTooLargeError

from app.collector.inbound import BadCall, Call, Refusal
from app.collector.metrics import Metrics
from streams.events.identities import record_key
from streams.events.outgoing import Outgoing
from streams.events.rejects import MAX_EVENT_BYTES, REASONS, Reject, reject_record
from streams.tasks import end_tasks
from streams.transport.producer import Producer
from streams.transport.topics import Partitioner

log = logging.getLogger(__name__)
DEADLINE_S: Final = 5.0
"""How long a request waits for acknowledgement."""
RETRY_AFTER_S: Final = 2
CHECK_S: Final = 2.0
"""Time between two checks whether Kafka answers."""
TICK_S: Final = 0.2
"""Time between two checks for requests that have waited too long."""
REMEMBERED: Final = 100_000
"""Record keys whose partition is cached, per topic."""

_FINAL: Final = (MessageSizeTooLargeError,)


def record_of(call: Call, topic: str, received_ms: int) -> Outgoing | BadCall:
    """A call as a record of a source topic, with its lead as key."""
    try:
        value = orjson.dumps(call)
    except TypeError:
        value = json.dumps(call, default=str).encode()  # only Python can encode it; the engine decides about it
    if len(value) > MAX_EVENT_BYTES:
        return BadCall(value, "too_large", REASONS["too_large"])
    return Outgoing(topic, record_key(call), value, received_ms, [])


def reject_record_of(bad: BadCall, topic: str, route: str, received_ms: int) -> Outgoing:
    """A bad call as a record for the topic of rejects."""
    raw = SimpleNamespace(key=None, value=bad.raw, timestamp=received_ms, headers=())
    return reject_record(topic, raw, f"collector:{route}", Reject(bad.reason, bad.sentence))


@dataclass(slots=True, eq=False)
class _Request:
    """The records of one request, which are acknowledged together."""

    records: Sequence[Outgoing]
    answered: asyncio.Future[None]
    since_s: float


class EventWriter:
    """Writes the records of all requests, one batch at a time; requests that arrive meanwhile go into the next batch.

    A request that has waited too long gets 503. Its records may still reach Kafka if they were already sent; the
    sender repeats them with the same ``messageId``, and scoring counts them once.
    """

    def __init__(self, producer: Producer, topics: Iterable[str], metrics: Metrics, now_s: Callable[[], float]) -> None:
        """``topics`` are all topics that are written to; ``now_s`` is a monotonic clock."""
        self._producer = producer
        self._topics = tuple(topics)
        self._metrics = metrics
        self._now_s = now_s
        self._partitioners: dict[str, Partitioner] = {}
        self._turns = itertools.count()
        self._waiting: deque[_Request] = deque()
        self._sent: list[_Request] = []
        self._since_s = 0.0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False

    @property
    def ready(self) -> bool:
        """Whether Kafka answered recently."""
        return self._started and self._producer.healthy and not self._is_stuck()

    async def start(self) -> None:
        """Connect, and retry until Kafka answers; until then every request gets 503."""
        await self._producer.start()
        for topic in self._topics:
            self._partitioners[topic] = Partitioner(await self._producer.count_partitions(topic), REMEMBERED)
        self._tasks = [
            asyncio.create_task(work()) for work in (self._send_waiting, self._refuse_late, self._watch_kafka)
        ]
        self._started = True

    async def stop(self) -> None:
        """Disconnect; requests that still wait get 503."""
        self._started = False
        await end_tasks(*self._tasks)
        self._refuse([*self._sent, *self._waiting])
        await self._producer.stop()

    async def write_records(self, records: Sequence[Outgoing]) -> None:
        """Return when Kafka has acknowledged every record.

        Raises:
            Refusal: 503, Kafka does not answer.
        """
        if not records:
            return
        if not self._started or self._is_stuck():
            raise kafka_unavailable()
        request = _Request(records, asyncio.get_running_loop().create_future(), self._now_s())
        self._waiting.append(request)
        self._wake.set()
        await request.answered

    async def _send_waiting(self) -> None:
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            self._sent = list(self._waiting)
            self._waiting.clear()
            self._since_s = self._now_s()
            try:
                await self._send_together(self._sent)
            except Exception:
                log.exception("a batch failed; its requests get 503")
                self._refuse(self._sent)
            self._metrics.publish_seconds.observe(self._now_s() - self._since_s)
            for request in self._sent:
                if not request.answered.done():
                    request.answered.set_result(None)
            self._sent = []

    async def _send_together(self, requests: Sequence[_Request]) -> None:
        """Send all requests in one batch; if a record is too large, one by one, so that only its request is refused."""
        try:
            await self._deliver(requests)
        except MessageSizeTooLargeError:
            for request in requests:
                await self._send_alone(request)

    async def _send_alone(self, request: _Request) -> None:
        try:
            await self._deliver([request])
        except MessageSizeTooLargeError as error:
            log.error("Kafka refuses a record as too large (%s): raise max.message.bytes of %s", error, self._topics)
            if not request.answered.done():
                request.answered.set_exception(_oversized())

    async def _deliver(self, requests: Iterable[_Request]) -> None:
        batches: dict[str, dict[int, list[tuple[Any, ...]]]] = {}
        for request in requests:
            for record in request.records:
                rows = batches.setdefault(record.topic, {})
                row = (record.timestamp_ms, record.key or None, record.value, record.headers)
                rows.setdefault(self._partition(record), []).append(row)
        sending = [self._producer.deliver_batches(topic, rows, _FINAL) for topic, rows in batches.items()]
        await (sending[0] if len(sending) == 1 else asyncio.gather(*sending))

    def _partition(self, record: Outgoing) -> int:
        partitioner = self._partitioners[record.topic]
        if not record.key:
            return next(self._turns) % partitioner.partitions
        return partitioner(record.key.decode())

    def _is_stuck(self) -> bool:
        return bool(self._sent) and self._now_s() - self._since_s > DEADLINE_S

    async def _refuse_late(self) -> None:
        """Refuse requests that have waited too long; those not sent yet are not sent at all."""
        while True:
            await asyncio.sleep(TICK_S)
            before_s = self._now_s() - DEADLINE_S
            while self._waiting and self._waiting[0].since_s < before_s:
                self._refuse([self._waiting.popleft()])
            self._refuse(request for request in self._sent if request.since_s < before_s)

    def _refuse(self, requests: Iterable[_Request]) -> None:
        for request in requests:
            if not request.answered.done():
                self._metrics.late.inc()
                request.answered.set_exception(kafka_unavailable())

    async def _watch_kafka(self) -> None:
        """Log once when Kafka stops answering, and once when it answers again."""
        was = True
        while True:
            await self._producer.check_health()
            ready = self.ready
            if ready != was:
                log.log(logging.INFO if ready else logging.ERROR, _BACK if ready else _GONE)
            was = ready
            await asyncio.sleep(CHECK_S)


_GONE: Final = "Kafka does not answer: requests get 503 until it does"
_BACK: Final = "Kafka answers again"


def _oversized() -> Refusal:
    return Refusal(413, "too_large", "The broker refuses an event of this size: send smaller ones.")


def kafka_unavailable() -> Refusal:
    """The refusal of a request that cannot be stored now."""
    return Refusal(
        503, "kafka_away", "The events could not be stored: send the same request again later.", RETRY_AFTER_S
    )
