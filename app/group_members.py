"""Counts the workers, and the partitions that they own, by what Kafka says about their group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaError

Admin: TypeAlias = AIOKafkaAdminClient
log = logging.getLogger(__name__)
LOOK_S: Final = 2.0
RETRY_S: Final = 2.0


class Members(NamedTuple):
    """The members of a group."""

    workers: int
    owned: int
    """The partitions of one topic that they own."""


class WorkerCount:
    """Counts the workers, and the partitions of lead-events that they own."""

    def __init__(self, admin: Callable[[], Admin] | None, group: str, topic: str) -> None:
        """``admin`` makes a client; without one the numbers stay unknown."""
        self._admin = admin
        self.group = group
        self._topic = topic
        self.members: Members | None = None
        """None while they are unknown."""

    @property
    def value(self) -> int | None:
        """The number of members of the workers' group; None while it is unknown."""
        return None if self.members is None else self.members.workers

    @property
    def owned(self) -> int | None:
        """The number of partitions that they own; None while it is unknown."""
        return None if self.members is None else self.members.owned

    async def watch(self) -> None:
        """Count regularly, for ever."""
        while self._admin is not None:
            admin = self._admin()
            try:
                await admin.start()
                while True:
                    self.members = await self._count(admin)
                    await asyncio.sleep(LOOK_S)
            except (KafkaError, OSError, TimeoutError) as error:
                log.debug("the workers cannot be counted: %r", error)
                self.members = None
            finally:
                await admin.close()
            await asyncio.sleep(RETRY_S)

    async def _count(self, admin: Admin) -> Members | None:
        (found,) = await admin.describe_consumer_groups([self.group])
        error, _, _, _, _, members = found.groups[0][:6]
        if error:
            return None
        return Members(len(members), sum(len(read_assignment(member[4]).get(self._topic, ())) for member in members))


def read_assignment(assignment: bytes) -> dict[str, list[int]]:
    """Topic -> its partitions in the assignment of a member, which is empty during a rebalance."""
    found = ConsumerProtocol.ASSIGNMENT.decode(assignment).assignment if assignment else ()
    return {topic: sorted(partitions) for topic, partitions in sorted(found)}
