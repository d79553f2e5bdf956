"""Ends tasks of asyncio."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger(__name__)
CANCEL_AGAIN_S = 10.0
"""Longer than the orderly end of any task but a notifier's route."""


async def end_tasks(*tasks: asyncio.Task[Any] | None, again_s: float = CANCEL_AGAIN_S) -> None:
    """Cancel tasks, wait until they have ended, and ignore their errors; None is skipped.

    A task that has not ended after ``again_s`` seconds is cancelled again: code that waits for a task of its own, as
    aiokafka does, can take a cancellation for that of the other task.
    """
    ending = {task for task in tasks if task is not None}
    for task in ending:
        task.cancel()
    while ending:
        ended, ending = await asyncio.wait(ending, timeout=again_s)
        for task in ended:
            if not task.cancelled():
                task.exception()  # else asyncio reports the error as never retrieved
        for task in ending:
            log.warning("%s does not end and is cancelled again", task.get_coro())
            task.cancel()
