"""Who the workers are, by what Kafka says about their group."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaError

from app import group_members
from app.group_members import Member, WorkerCount, read_members
from app.kafka_rights import NoGroups

ASSIGNED = ConsumerProtocol.ASSIGNMENT(0, [("web-events", [1]), ("lead-events", [2, 0])], b"").encode()
OWNER = {"client_id": "w", "client_host": "/10.0.0.1", "member_assignment": ASSIGNED}
IDLE = OWNER | {"member_assignment": b""}


async def test_workers_are_named_with_their_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_members, "describe_group", AsyncMock(return_value={"members": [OWNER, IDLE]}))

    assert await read_members(AsyncMock(), "leadglow") == [
        Member("w", "10.0.0.1", {"lead-events": [0, 2], "web-events": [1]}), Member("w", "10.0.0.1", {})
    ]  # fmt: skip


async def test_workers_are_counted_until_kafka_does_not_know_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[int | None, int | None]] = []
    answers = iter([{"members": [OWNER, IDLE]}, NoGroups(), KafkaError(), asyncio.CancelledError()])

    async def describe(*asked: object) -> Any:
        found.append((count.value, count.owned))
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

    assert found == [(None, None), (2, 2), (None, None), (None, None)]
    assert admin.close.await_count == admin.start.await_count == 2
