"""Reads the topic of scorecards, and waits for publications that a log refers to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.clock import monotonic_s
from streams.mismatch import DIVIDED, UNKNOWN_SCORECARDS, Mismatch
from streams.publishing.catalog import Catalog
from streams.publishing.scorecards import Scorecards
from streams.scoring.rules import Rules
from streams.transport.stopping import stop_consumer

log = logging.getLogger(__name__)
WAIT_S: Final = 15.0
"""How long a publication that a log refers to may be missing: it was written before the log was."""
PAUSE_S: Final = 0.2
FOLLOW_S: Final = 1.0
UNREADABLE_S: Final = 30.0
"""The pause before scorecards that cannot be read are read again."""


class ScorecardsTopic:
    """The topic of scorecards, read up to its end by every ``refresh``."""

    def __init__(self, name: str, lateness_ms: int, create: Callable[[], AIOKafkaConsumer]) -> None:
        """``create`` makes a consumer without a group; it is started by ``start``."""
        self.name = name
        self.catalog = Catalog(lateness_ms)
        self._consumer: Any = create()
        self._place = TopicPartition(name, 0)
        self._reading = asyncio.Lock()

    async def start(self) -> None:
        """Connect and read everything.

        Raises:
            KafkaError: Kafka cannot be reached.
            Mismatch: a record cannot be read.
        """
        await self._consumer.start()
        self._consumer.assign([self._place])
        await self._consumer.seek_to_beginning(self._place)
        await self.refresh()

    async def stop(self) -> None:
        """Disconnect."""
        await stop_consumer(self._consumer)

    async def refresh(self) -> None:
        """Read what is new.

        Raises:
            KafkaError: Kafka cannot be reached.
            Mismatch: a record cannot be read.
        """
        async with self._reading:
            ends = await self._consumer.end_offsets([self._place])
            while await self._consumer.position(self._place) < ends[self._place]:
                found = await self._consumer.getmany(self._place, timeout_ms=500)
                self.catalog.add_records(found.get(self._place, ()))

    async def wait_refreshed(self) -> None:
        """Read what is new, as soon as Kafka can be reached."""
        while True:
            try:
                await self.refresh()
                return
            except KafkaError as error:
                log.debug("the published scorecards cannot be read: %r", error)
                await asyncio.sleep(PAUSE_S)

    async def place_at(self, partition: int, offset: int) -> int:
        """The place of the publication in force at an offset, by what is published now; -1 without publications.

        Raises:
            Mismatch: records from there on were keyed by another number of partitions.
        """
        await self.wait_refreshed()
        if offset < (divided := self.catalog.divided.get(partition, 0)):
            raise Mismatch(DIVIDED.format(partition=partition, offset=divided))
        return self.catalog.in_force_at(partition, offset)

    async def has_older(self, lead_events: str) -> bool:
        """Whether Kafka still has records from before a repartition, which no rebuild can use.

        Raises:
            KafkaError: Kafka cannot be reached.
        """
        places = {TopicPartition(lead_events, p): at for p, at in self.catalog.divided.items()}
        first = await self._consumer.beginning_offsets(list(places)) if places else {}
        return any(first[place] < at for place, at in places.items())

    def undone_by(self, place: int) -> frozenset[int]:
        """The places of the publications that this one takes back."""
        return self.catalog.undone_by(place)

    @property
    def backfill(self) -> int | None:
        """The place of the publication whose signals count from the beginning of the log."""
        return self.catalog.backfill

    async def load_rules(self, place: int, partition: int) -> Rules:
        """The scorecards of a publication that the log of a partition refers to.

        Raises:
            Mismatch: there is no such publication, or this version of Leadglow cannot read it.
        """
        deadline_s: float | None = None
        while place not in self.catalog.published:
            await self.wait_refreshed()
            deadline_s = deadline_s or monotonic_s() + WAIT_S
            if place not in self.catalog.published:
                if monotonic_s() > deadline_s:
                    raise Mismatch(UNKNOWN_SCORECARDS.format(partition=partition, place=place, topic=self.name))
                await asyncio.sleep(PAUSE_S)
        return await asyncio.to_thread(self.catalog.rules, place)


async def follow_scorecards(
    name: str,
    lateness_ms: int,
    create: Callable[[], AIOKafkaConsumer],
    use: Callable[[Catalog, Scorecards], None],
    count_error: Callable[[], None],
) -> None:
    """Call ``use`` with all publications and the last scorecards, at first and whenever others follow, for ever."""
    while True:
        topic = ScorecardsTopic(name, lateness_ms, create)
        try:
            await topic.start()
            used = -1
            while True:
                latest = topic.catalog.latest
                if latest is not None and latest.place != used:
                    use(topic.catalog, await asyncio.to_thread(topic.catalog.scorecards, latest.place))
                    used = latest.place
                await asyncio.sleep(FOLLOW_S)
                await topic.refresh()
        except (KafkaError, OSError, TimeoutError) as error:
            log.debug("the published scorecards cannot be read: %r", error)
        except Mismatch as mismatch:
            count_error()
            log.error("%s", mismatch)
            await asyncio.sleep(UNREADABLE_S)
        finally:
            await topic.stop()
        await asyncio.sleep(FOLLOW_S)
