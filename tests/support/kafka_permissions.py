"""Gives users permissions (ACLs) in Kafka, as an operator does with kafka-acls.sh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.protocol.admin import CreateAclsRequest

from app.kafka_rights import Operation
from app.permissions import PERMISSIONS, topics_needed
from app.settings import Settings
from app.wiring import make_admin

TOPIC, GROUP, LITERAL, PREFIXED, ALLOW = 2, 3, 3, 4, 3
"""Kafka's numbers of these words."""


async def allow(
    admin: Settings, user: str, topics: Mapping[str, Iterable[Operation]], groups: Mapping[str, Operation]
) -> None:
    """Allow operations on topics and groups; a group that ends with a hyphen stands for all that begin so."""
    client: Any = make_admin(admin)
    await client.start()
    try:
        rules = [(TOPIC, topic, LITERAL, each) for topic, operations in topics.items() for each in operations]
        rules += [(GROUP, name, PREFIXED if name.endswith("-") else LITERAL, each) for name, each in groups.items()]
        for kind, name, pattern, operation in rules:
            request = CreateAclsRequest(kind, name, pattern, f"User:{user}", "*", operation, ALLOW)
            reply = await client._send_request(request)
            assert reply.creation_responses[0][0] == 0, reply
    finally:
        await client.close()


async def allow_documented(admin: Settings, user: str, *processes: str) -> None:
    """Give a user what the documentation lists for these processes."""
    groups = {admin.namespace + suffix: each for name in processes for suffix, each in PERMISSIONS[name].groups.items()}
    await allow(admin, user, topics_needed(admin, processes), groups)
