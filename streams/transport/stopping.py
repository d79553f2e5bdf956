"""Stops a consumer of aiokafka."""

from __future__ import annotations

import asyncio
from typing import Any


async def stop_consumer(consumer: Any) -> None:
    """Disconnect a consumer.

    While one of its requests waits to be repeated, aiokafka cancels it and lets that escape from ``stop``, before it
    closes its connections. A cancellation of this task is passed on.
    """
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        await consumer._client.close()
