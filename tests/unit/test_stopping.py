"""Stopping a consumer whose request waits to be repeated."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import pytest

from streams.transport.stopping import stop_consumer

pytestmark = pytest.mark.asyncio


async def test_a_request_that_is_cancelled_does_not_escape_and_connections_are_closed() -> None:
    consumer = AsyncMock()
    consumer.stop.side_effect = asyncio.CancelledError
    await stop_consumer(consumer)
    consumer._client.close.assert_awaited_once()


async def test_a_cancellation_of_the_task_itself_is_passed_on() -> None:
    consumer = AsyncMock()
    consumer.stop.side_effect = asyncio.Event().wait
    task = asyncio.create_task(stop_consumer(consumer))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
