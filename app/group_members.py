"""Reads who the workers are, and which partitions they own, from what Kafka says about their group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaError

from app.kafka_rights import NoGroups, describe_group

Admin: TypeAlias = AIOKafkaAdminClient
log = logging.getLogger(__name__)
LOOK_S: Final = 2.0
RETRY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Member:
    """A worker, as a member of the workers' group."""

    client: str
    host: str
    partitions: Mapping[str, list[int]] | None
    """Topic -> its partitions that this worker reads; None if Kafka does not say, as the embedded broker."""


async def read_members(admin: Admin, group: str) -> list[Member] | None:
    """The workers; None if Kafka has no coordinator of groups, because no group was ever used or Kafka is starting.

    Raises:
        KafkaError, OSError, TimeoutError: Kafka does not respond, or the user may not see the group.
    """
    try:
        found = await describe_group(admin, group)
    except NoGroups:
        return None
    says_nothing = found["state"] == "Stable" and not found["protocol"]
    return [
        Member(
            each["client_id"] or each["member_id"],
            each["client_host"].removeprefix("/"),
            None if says_nothing else _read_assignment(each["member_assignment"]),
        )
        for each in found["members"]
    ]


def _read_assignment(assignment: bytes) -> dict[str, list[int]]:
    """Topic -> its partitions in the assignment of a member, which is empty during a rebalance."""
    found = ConsumerProtocol.ASSIGNMENT.decode(assignment).assignment if assignment else ()
    return {topic: sorted(partitions) for topic, partitions in sorted(found)}


def read_unowned(workers: Iterable[Member], topic: str, count: int) -> list[int] | None:
    """The partitions of a topic that no worker reads; None if Kafka does not say."""
    owned: set[int] = set()
    for each in workers:
        if each.partitions is None:
            return None
        owned.update(each.partitions.get(topic, ()))
    return sorted(set(range(count)) - owned)


class WorkerCount:
    """Counts the workers, and the partitions of lead-events that none of them reads."""

    def __init__(self, admin: Callable[[], Admin] | None, group: str, topic: str) -> None:
        """``admin`` makes a client; without one the numbers stay unknown."""
        self._admin = admin
        self.group = group
        self._topic = topic
        self._members: list[Member] | None = None

    @property
    def value(self) -> int | None:
        """The number of members of the workers' group; None while it is unknown."""
        return None if self._members is None else len(self._members)

    def count_unowned(self, partitions: int) -> int | None:
        """How many of the partitions no worker reads; None while it is unknown."""
        found = None if self._members is None else read_unowned(self._members, self._topic, partitions)
        return None if found is None else len(found)

    async def watch(self) -> None:
        """Count regularly, for ever."""
        while self._admin is not None:
            admin = self._admin()
            try:
                await admin.start()
                while True:
                    self._members = await read_members(admin, self.group)
                    await asyncio.sleep(LOOK_S)
            except (KafkaError, OSError, TimeoutError) as error:
                log.debug("the workers cannot be counted: %r", error)
                self._members = None
            finally:
                await admin.close()
            await asyncio.sleep(RETRY_S)
