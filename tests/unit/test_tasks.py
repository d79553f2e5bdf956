"""Tasks end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from streams.tasks import end_tasks


async def forever() -> None:
    await asyncio.Event().wait()


async def losing_a_cancellation() -> None:
    with suppress(asyncio.CancelledError):
        await forever()
    await forever()


async def failing() -> None:
    msg = "not reported"
    raise ValueError(msg)


async def test_tasks_end_whatever_they_do(caplog: pytest.LogCaptureFixture) -> None:
    running = [asyncio.create_task(each()) for each in (forever, losing_a_cancellation, failing)]
    await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await end_tasks(*running, None, again_s=0.01)

    assert all(task.done() for task in running)
    assert "losing_a_cancellation" in caplog.text
    assert caplog.text.count("cancelled again") == 1


async def test_no_task_has_ended_already() -> None:
    await end_tasks(None)
