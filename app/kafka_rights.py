"""Asks Kafka for topics by name, and for the operations that the user may do on them and on a group.

aiokafka has neither: its requests are older than Kafka's answer to the second question (KIP-430).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from enum import IntEnum
from typing import Any, ClassVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.admin import DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String


class Operation(IntEnum):
    """What a user may do, by the number of its bit in Kafka's answer."""

    READ = 3
    WRITE = 4
    CREATE = 5
    ALTER = 7
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11


UNKNOWN = -(2**31)
"""Kafka's answer if it does not know."""
ATTEMPTS, AGAIN_S = 5, 0.2
_MOVING = (
    CoordinatorLoadInProgressError, CoordinatorNotAvailableError, GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError, NotCoordinatorError, NotCoordinatorForGroupError,
)  # fmt: skip


class NoGroups(Exception):
    """Kafka has no coordinator of groups: nobody has used a group, or it is starting."""


class _TopicsResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
        ("cluster_id", String()),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _TopicsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _TopicsResponse
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _TopicsRequest(Request[_TopicsStruct]):  # type: ignore[misc]
    API_KEY: ClassVar[int] = 3

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def build(self, request_struct_class: type[_TopicsStruct]) -> _TopicsStruct:
        return request_struct_class(self._names, False, False, True)


class _GroupsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3  # aiokafka reads this answer as an older one
    SCHEMA = Schema(("groups", Array(String())), ("include_authorized_operations", Boolean))


class _GroupsRequest(Request[_GroupsStruct]):  # type: ignore[misc]
    API_KEY: ClassVar[int] = 15

    def __init__(self, groups: list[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: type[_GroupsStruct]) -> _GroupsStruct:
        return request_struct_class(self._groups, True)


async def describe_topics(admin: AIOKafkaAdminClient, names: list[str]) -> list[dict[str, Any]]:
    """Rows with topic, error_code, partitions and authorized_operations; creates no topic."""
    reply = await admin._send_request(_TopicsRequest(names))
    rows: list[dict[str, Any]] = reply.to_object()["topics"]
    return rows


async def describe_group(admin: AIOKafkaAdminClient, group: str) -> dict[str, Any]:
    """State, members and authorized_operations of a group; waits a moment for a coordinator that just changes.

    Raises:
        NoGroups: Kafka has no groups yet.
        KafkaError: for example, the user may not see the group.
    """
    for _ in range(ATTEMPTS):
        try:
            return await _describe_group(admin, group)
        except _MOVING:
            await asyncio.sleep(AGAIN_S)
    raise NoGroups


async def _describe_group(admin: AIOKafkaAdminClient, group: str) -> dict[str, Any]:
    coordinator = await admin.find_coordinator(group)
    reply = await admin._send_request(_GroupsRequest([group]), coordinator)
    (found,) = reply.to_object()["groups"]
    if found["error_code"]:
        raise for_code(found["error_code"])(group)
    return dict(found)


def missing_operations(bits: int, needed: Collection[Operation]) -> Iterator[Operation]:
    """The operations that the user may not do; none if Kafka does not know."""
    if bits != UNKNOWN:
        yield from (each for each in needed if not bits >> each & 1)
