"""Waits for a condition with a deadline."""

import asyncio
import time
from collections.abc import Callable


def wait_for(
    condition: Callable[[], object],
    what: str,
    timeout_s: float = 120,
    said: Callable[[], str] = str,
) -> None:
    """Return when a condition holds; ``said`` returns details for the error message."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not {what} within {timeout_s} s\n{said()}"
        time.sleep(0.02)


async def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.005)
