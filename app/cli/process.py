"""Running a process until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

import typer

from app.loop import run_long
from streams.exits import Exit
from streams.tasks import end_tasks

log = logging.getLogger(__name__)


def run_process(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run ``work`` on the event loop for servers, and exit with the status that it returns."""
    status = run_long(work)
    sys.stdout.flush()
    raise typer.Exit(status)


async def run_until_stopped(
    start: Coroutine[Any, Any, None],
    run: Callable[[asyncio.Event], Awaitable[int]],
    stop: Callable[[], Awaitable[None]],
) -> int:
    """Start, run and stop; returns the exit status of ``run``.

    SIGTERM and SIGINT set the event that ``run`` gets; before that they end the start.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    starting = asyncio.create_task(start)
    stopping = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            log.info("stopping before everything was started")
            return Exit.OK
        await starting
        status = await run(stopped)
        if stopped.is_set():
            log.info("stopping")
        return status
    finally:
        await end_tasks(starting, stopping)
        await stop()
