"""Running the HTTP servers of collector and board until a signal stops them."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol, TypeVar

import typer

from app.audit import AuditLogUnwritable
from app.certificates import start_watching
from app.cli.errors import CommandError
from app.cli.process import run_process, run_until_stopped
from app.logs import set_up_logs
from app.settings import Settings, variable
from streams.exits import Exit
from streams.process_metrics import ProcessMetrics
from streams.yamlfile.load import YamlFileError

log = logging.getLogger(__name__)
GC_THRESHOLD = 50_000
"""Allocations between garbage collections: requests leave no reference cycles behind."""


class ServerMetrics(Protocol):
    """The metrics of a server."""

    @property
    def process(self) -> ProcessMetrics:
        """Those that every process has."""


class Server(Protocol):
    """An HTTP server; ``probe`` and ``listen`` return their URLs.

    Raises:
        OSError: it cannot listen there.
    """

    @property
    def metrics(self) -> ServerMetrics:
        """All its metrics."""

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
    except AuditLogUnwritable as error:
        raise CommandError(Exit.REFUSED, str(error)) from None
    set_up_logs(settings.log, settings.log_level)
    # It logs thirty lines a second while Kafka cannot be reached; we log one.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    run_process(run_until_stopped(_start(name, server, settings, connect), _wait_for_stop, server.stop))


async def _wait_for_stop(stopped: asyncio.Event) -> int:
    await stopped.wait()
    return Exit.OK


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
    start_watching(settings, server.metrics.process.certificates)
    typer.echo(f"leadglow {name}: metrics on {probes}/metrics")
    typer.echo(f"leadglow {name}: listening on {address}")
    sys.stdout.flush()
    await connect(server)
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    log.info("started")
