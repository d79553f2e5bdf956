"""Reads events of leads from lead-events, at the places that leads remember, when somebody looks."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.clock import monotonic_s
from streams.events.calls import check_call, message_id_of, parse_call
from streams.events.rejects import Refused
from streams.scoring.lead import UNKNOWN_OFFSET, Lead, id_hash
from streams.transport.stopping import stop_consumer
from streams.transport.topics import partition_of

log = logging.getLogger(__name__)
READ_S: Final = 2.0
"""How long a look may take; what was not found by then is not shown."""
RETRY_S: Final = 5.0
"""After a failure, Kafka is not asked again for so long."""
NEAR: Final = 100
"""Events that are at most so many offsets apart are read in one go."""
MAX_BYTES: Final = 16 * 1024 * 1024
"""The most bytes that are read in one look."""
MAX_CACHED_BYTES: Final = 8 * 1024 * 1024
_ROUNDS: Final = 3
"""Offsets that are tried for an event: those that end in the four bytes which a lead keeps."""
Failure = Literal["", "unreachable", "too_slow", "too_large"]
Call = dict[str, Any]


@dataclass(slots=True)
class Found:
    """The events that were found, by the hash of the message id, and why others may have been missed."""

    calls: dict[bytes, Call] = field(default_factory=dict)
    failure: Failure = ""


@dataclass(slots=True)
class _Look:
    """One look at a lead: what it still misses."""

    missing: dict[bytes, int]
    """Hash of the message id -> the end of the offset."""
    found: Found
    size: int = 0
    """The number of bytes that were read."""

    def note(self, value: bytes) -> bool:
        """Note the event in a record if it is one of those that are missing."""
        try:
            call = parse_call(value)
            check_call(call)
        except Refused:
            return False
        digest = id_hash(message_id_of(call, value))
        if self.missing.pop(digest, None) is None:
            return False
        self.found.calls[digest] = call
        return True


class EventLog:
    """Reads single events from lead-events."""

    def __init__(self, consumer: Callable[[], Any], topic: str, partitions: int) -> None:
        """``consumer`` makes a consumer without topics; it is connected by the first look."""
        self._make_consumer = consumer
        self._topic = topic
        self._partitions = partitions
        self._consumer: Any = None
        self._lock = asyncio.Lock()
        self._failed_s = -RETRY_S
        self._cached: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._cached_bytes = 0
        self._ending: set[asyncio.Task[None]] = set()

    async def read_events(self, lead_id: str, lead: Lead, former: Iterable[int] = ()) -> Found:
        """The recent events of a lead, as far as the log still has them, within a bounded time.

        ``former`` are the numbers of partitions before a repartition, by which earlier events are placed.
        """
        found = Found()
        wanted = {digest: end for digest, _, _, end in lead.remembered() if end != UNKNOWN_OFFSET}
        look = _Look(wanted, found)
        if not wanted:
            return found
        if monotonic_s() - self._failed_s < RETRY_S:
            found.failure = "unreachable"
            return found
        numbers, ids = (self._partitions, *former), (lead_id, *lead.aliases)
        partitions = dict.fromkeys(partition_of(each, number) for number in numbers for each in ids)
        try:
            async with asyncio.timeout(READ_S), self._lock:
                await self._read_connected([TopicPartition(self._topic, each) for each in partitions], look)
        except TimeoutError:
            found.failure = "too_slow"
        except (KafkaError, OSError) as error:
            log.debug("events cannot be read: %r", error)
            found.failure = "unreachable"
        return found

    async def close(self) -> None:
        """Disconnect from Kafka."""
        self._disconnect()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _read_connected(self, places: Sequence[TopicPartition], look: _Look) -> None:
        """Connect if necessary, and read; after a failure the consumer is not used again."""
        connected = False
        try:
            consumer = await self._connect()
            connected = True
            await self._read(consumer, places, look)
        except BaseException as error:
            if not connected or not isinstance(error, asyncio.CancelledError):
                self._failed_s = monotonic_s()
            self._disconnect()
            raise

    async def _read(self, consumer: Any, places: Sequence[TopicPartition], look: _Look) -> None:
        """Look for events in one partition after another: joined leads bring events from those of their old ids."""
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        for place in places:
            offsets = sorted({*_candidates(look.missing.values(), begins[place], ends[place])})
            offsets = [offset for offset in offsets if not self._note_cached(place.partition, offset, look)]
            for run in _runs(offsets):
                await self._read_run(consumer, place, run, look)
                if look.size > MAX_BYTES:
                    look.found.failure = "too_large"
                    return

    async def _connect(self) -> Any:
        if self._consumer is None:
            self._consumer = self._make_consumer()
            await self._consumer.start()
        return self._consumer

    def _disconnect(self) -> None:
        """Stop the consumer, without waiting."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        task = asyncio.create_task(_stop(consumer))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _read_run(self, consumer: Any, place: TopicPartition, run: Sequence[int], look: _Look) -> None:
        """Read the records from the first to the last of some near offsets."""
        at, last = run[0], run[-1]
        consumer.assign([place])
        consumer.seek(place, at)
        while at <= last:
            for record in (await consumer.getmany(place, timeout_ms=500, max_records=last - at + 1)).get(place, ()):
                at, value = record.offset + 1, record.value or b""
                look.size += len(value)
                if record.offset in run and look.note(value):
                    self._cache(place.partition, record.offset, value)
        consumer.pause(place)

    def _note_cached(self, partition: int, offset: int, look: _Look) -> bool:
        """Note an event that was read before; False if it was not."""
        value = self._cached.get((partition, offset))
        if value is None or not look.note(value):
            return False
        self._cached.move_to_end((partition, offset))
        return True

    def _cache(self, partition: int, offset: int, value: bytes) -> None:
        if (partition, offset) not in self._cached:
            self._cached[partition, offset] = value
            self._cached_bytes += len(value)
        while self._cached_bytes > MAX_CACHED_BYTES:
            self._cached_bytes -= len(self._cached.popitem(last=False)[1])


def _candidates(ends: Iterable[int], begin: int, end: int) -> Iterator[int]:
    """The latest offsets of a log from ``begin`` to ``end`` that end in the given four bytes."""
    for offset_end in ends:
        newest = end - 1 - ((end - 1 - offset_end) & UNKNOWN_OFFSET)
        yield from (each for i in range(_ROUNDS) if (each := newest - i * (UNKNOWN_OFFSET + 1)) >= begin)


def _runs(offsets: Sequence[int]) -> list[list[int]]:
    """Group sorted offsets by nearness."""
    runs: list[list[int]] = []
    for offset in offsets:
        if runs and offset - runs[-1][-1] <= NEAR:
            runs[-1].append(offset)
        else:
            runs.append([offset])
    return runs


async def _stop(consumer: Any) -> None:
    with suppress(KafkaError, OSError, TimeoutError):
        await stop_consumer(consumer)
