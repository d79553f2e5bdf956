"""Serving HTTP until told to stop, as the collector and the board do."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol

import typer

from app.cli.common import Fault
from app.logs import set_up_logs
from app.loop import run_long
from app.settings import Settings, variable
from streams.exits import Exit

log = logging.getLogger(__name__)
GC_THRESHOLD = 50_000
"""Allocations between collections: what a request leaves behind has no cycles."""


class Server(Protocol):
    """What is served; the addresses come back as URLs.

    Raises:
        OSError: nobody can listen there.
    """

    async def probe(self, host: str, port: int) -> str:
        """Answer /live, /ready and /metrics."""

    async def listen(self, host: str, port: int) -> str:
        """Take requests."""

    async def stop(self) -> None:
        """Finish what is in flight."""


async def _nothing_more() -> None:
    """All is started."""


def serve(
    name: str, server: Server, settings: Settings, start: Callable[[], Awaitable[None]] = _nothing_more
) -> NoReturn:
    """Serve until SIGTERM or Ctrl-C; ``start`` brings up what requests may wait for.

    ``name`` is that of the command; its settings are ``{name}_host``, ``{name}_port`` and ``{name}_metrics_port``.

    Raises:
        typer.Exit: it was told to stop.
        Fault: it could not start.
    """
    set_up_logs(settings.log)
    # Thirty lines a second while Kafka is away; we say it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    status = run_long(_work(name, server, settings, start))
    sys.stdout.flush()
    raise typer.Exit(status)


async def _work(name: str, server: Server, settings: Settings, start: Callable[[], Awaitable[None]]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(_start(name, server, settings, start))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            await stopping
        log.info("stopping")
        return Exit.OK
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        await server.stop()


async def _start(name: str, server: Server, settings: Settings, start: Callable[[], Awaitable[None]]) -> None:
    """1. Answer /live. 2. Take requests. 3. Bring up the rest."""
    place = f"{name}_metrics_port"
    try:
        probes = await server.probe(settings.metrics_host, getattr(settings, place))
        place = f"{name}_port"
        address = await server.listen(getattr(settings, f"{name}_host"), getattr(settings, place))
    except OSError as error:
        message = f"cannot listen ({error.strerror}): name another port in {variable(place)}, or 0 for any free one"
        raise Fault(Exit.REFUSED, message) from None
    typer.echo(f"leadglow {name}: metrics on {probes}/metrics")
    typer.echo(f"leadglow {name}: listening on {address}")
    sys.stdout.flush()
    await start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    log.info("started")
