"""Running a process until a signal stops it: the worker, and the HTTP servers of collector and board."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn, Protocol, TypeVar

import typer

from app.cli.common import CommandError
from app.logs import set_up_logs
from app.loop import run_long
from app.settings import Settings, variable
from streams.exits import Exit
from streams.yamlfile.load import YamlFileError

log = logging.getLogger(__name__)
GC_THRESHOLD = 50_000
"""Allocations between garbage collections: requests leave no reference cycles behind."""


class Server(Protocol):
    """An HTTP server; ``probe`` and ``listen`` return their URLs.

    Raises:
        OSError: it cannot listen there.
    """

    async def probe(self, host: str, port: int) -> str:
        """Answer /live, /ready and /metrics."""

    async def listen(self, host: str, port: int) -> str:
        """Accept requests."""

    async def stop(self) -> None:
        """Finish the requests in flight."""


S = TypeVar("S", bound=Server)


async def _connect_nothing(server: Server) -> None:
    """For a server that needs nothing else to be started."""


def serve(
    name: str,
    settings: Settings,
    build: Callable[[Settings], S],
    remedy: str,
    connect: Callable[[S], Awaitable[None]] = _connect_nothing,
) -> NoReturn:
    """Build a server and serve until SIGTERM or Ctrl-C.

    Args:
        name: of the command; its settings are ``{name}_host``, ``{name}_port`` and ``{name}_metrics_port``.
        settings: of this process.
        build: makes the server.
        remedy: printed after the mistakes of a file that the server reads.
        connect: starts what requests may have to wait for.

    Raises:
        typer.Exit: it was stopped.
        CommandError: it could not start.
    """
    try:
        server = build(settings)
    except YamlFileError as error:
        raise CommandError(Exit.REFUSED, f"{error}\n{remedy}") from None
    set_up_logs(settings.log)
    # It logs thirty lines a second while Kafka cannot be reached; we log one.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    run_process(run_until_stopped(_start(name, server, settings, connect), _wait_for_stop, server.stop))


async def _wait_for_stop(stopped: asyncio.Event) -> int:
    await stopped.wait()
    return Exit.OK


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
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        await stop()


async def _start(name: str, server: S, settings: Settings, connect: Callable[[S], Awaitable[None]]) -> None:
    """1. Answer /live. 2. Accept requests. 3. Connect."""
    place = f"{name}_metrics_port"
    try:
        probes = await server.probe(settings.metrics_host, getattr(settings, place))
        place = f"{name}_port"
        address = await server.listen(getattr(settings, f"{name}_host"), getattr(settings, place))
    except OSError as error:
        message = f"cannot listen ({error.strerror}): set another {variable(place)}, or 0 for any free port"
        raise CommandError(Exit.REFUSED, message) from None
    typer.echo(f"leadglow {name}: metrics on {probes}/metrics")
    typer.echo(f"leadglow {name}: listening on {address}")
    sys.stdout.flush()
    await connect(server)
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    log.info("started")
