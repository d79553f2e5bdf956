"""Requests the ids of topics from Kafka. A topic that was deleted and created again has a new id.

The metadata requests of aiokafka do not include ids; this is the first version that does (KIP-516, Kafka 2.8).
"""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO
from typing import Any, ClassVar
from uuid import UUID

from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

NONE = UUID(int=0)


class _Uuid(AbstractType):  # type: ignore[misc]
    """A UUID of sixteen bytes in the Kafka protocol."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_TEXT, _TAGS = CompactString("utf-8"), ("tags", TaggedFields)
_NUMBERS = CompactArray(Int32)


class _Response(Response):  # type: ignore[misc]
    API_KEY: ClassVar[int] = 3
    API_VERSION: ClassVar[int] = 10
    SCHEMA: ClassVar[Schema] = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), _TAGS)),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("topic_id", _Uuid),
                ("internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", _NUMBERS),
                        ("isr", _NUMBERS),
                        ("offline", _NUMBERS),
                        _TAGS,
                    ),
                ),
                ("authorized", Int32),
                _TAGS,
            ),
        ),
        ("authorized", Int32),
        _TAGS,
    )


class _Struct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION: ClassVar[bool] = True
    API_KEY: ClassVar[int] = 3
    API_VERSION: ClassVar[int] = 10
    RESPONSE_TYPE: ClassVar[type] = _Response
    SCHEMA: ClassVar[Schema] = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), _TAGS)),
        ("create", Boolean),
        ("cluster_authorized", Boolean),
        ("topic_authorized", Boolean),
        _TAGS,
    )


class _TopicIds(Request[_Struct]):  # type: ignore[misc]
    API_KEY: ClassVar[int] = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics: list[tuple[UUID, str, dict[int, bytes]]] = [(NONE, name, {}) for name in topics]

    def build(self, request_struct_class: type[_Struct]) -> _Struct:
        return request_struct_class(self._topics, False, False, False, {})


async def topic_ids(client: Any, topics: Collection[str]) -> dict[str, str]:
    """The ids of the topics that exist; empty if the broker does not support topic ids.

    Raises:
        KafkaError: Kafka cannot be reached.
    """
    node = client.get_random_node()
    if node is None:
        raise KafkaConnectionError
    try:
        reply = await client.send(node, _TopicIds(topics))
    except NotImplementedError:  # the broker does not support this version of the request
        return {}
    return {name: str(found) for code, name, found, *_ in reply.topics if code == 0 and found != NONE}
