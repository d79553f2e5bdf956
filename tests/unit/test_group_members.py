"""Who the workers are, by what Kafka says about their group."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaError

from app import group_members
from app.group_members import Member, WorkerCount, read_members, read_unowned
from app.kafka_rights import NoGroups

ASSIGNED = ConsumerProtocol.ASSIGNMENT(0, [("web-events", [1]), ("lead-events", [2, 0])], b"").encode()
GROUP = {"state": "Stable", "protocol": "range"}
OWNER = {"member_id": "w-1", "client_id": "w", "client_host": "/10.0.0.1", "member_assignment": ASSIGNED}
IDLE = OWNER | {"member_assignment": b""}


async def test_workers_are_named_with_their_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_members, "describe_group", AsyncMock(return_value=GROUP | {"members": [OWNER, IDLE]}))

    assert await read_members(AsyncMock(), "leadglow") == [
        Member("w", "10.0.0.1", {"lead-events": [0, 2], "web-events": [1]}), Member("w", "10.0.0.1", {})
    ]  # fmt: skip


async def test_what_workers_read_is_unknown_if_kafka_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the embedded broker."""
    blank = {"member_id": "leadglow-1", "client_id": "", "client_host": "", "member_assignment": b""}
    group = GROUP | {"protocol": "", "members": [blank]}
    monkeypatch.setattr(group_members, "describe_group", AsyncMock(return_value=group))

    assert (found := await read_members(AsyncMock(), "leadglow")) == [Member("leadglow-1", "", None)]
    assert read_unowned(found, "lead-events", 2) is None


async def test_workers_are_counted_until_kafka_does_not_know_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[int | None, int | None]] = []
    answers = iter([GROUP | {"members": [OWNER, IDLE]}, NoGroups(), KafkaError(), asyncio.CancelledError()])

    async def describe(*asked: object) -> Any:
        found.append((count.value, count.count_unowned(5)))
        if isinstance(answer := next(answers), BaseException):
            raise answer
        return answer

    monkeypatch.setattr(group_members, "describe_group", describe)
    monkeypatch.setattr(group_members, "LOOK_S", 0)
    monkeypatch.setattr(group_members, "RETRY_S", 0)
    admin = AsyncMock()
    count = WorkerCount(lambda: admin, "leadglow", "lead-events")
    with pytest.raises(asyncio.CancelledError):
        await count.watch()

    assert found == [(None, None), (2, 3), (None, None), (None, None)]
    assert admin.close.await_count == admin.start.await_count == 2
