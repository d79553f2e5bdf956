"""``leadglow board``: shows leads over HTTP until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys

import typer

from app.board.board import Board
from app.board.site import is_loopback
from app.cli.common import Fault
from app.cli.common import settings as read_settings
from app.cli.worker import run_long
from app.logs import set_up_logs
from app.settings import Settings, variable
from app.wiring import board_of
from streams.exits import Exit
from streams.scorefile import ScorefileError

log = logging.getLogger(__name__)
GC_THRESHOLD = 50_000
"""Allocations between collections: what a request leaves behind has no cycles."""


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(board)


def board() -> None:
    """Show leads in a browser and by an API until stopped.

    Reads Redis and follows Kafka; it changes nothing in either. Without the access file that LEADGLOW_BOARD_ACCESS
    names, it shows itself to this machine only. While Redis is away the answer is 503, and /ready says so. Stop it with
    Ctrl-C or SIGTERM.
    """
    settings = read_settings()
    _check_settings(settings)
    try:
        built = board_of(settings)
    except ScorefileError as error:
        raise Fault(Exit.REFUSED, f"{error}\nCorrect the file, or name another one.") from None
    set_up_logs(settings.log)
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # thirty lines a second while Kafka is away; we say it once
    status = run_long(_work(settings, built))
    sys.stdout.flush()
    raise typer.Exit(status)


def _check_settings(settings: Settings) -> None:
    if settings.board_access is None and not is_loopback(settings.board_host):
        message = (
            f"the board on {settings.board_host} would show every lead to whoever reaches it: make an access file with "
            f"`leadglow tokens new NAME --file access.yaml` and name it in {variable('board_access')}, or set "
            f"{variable('board_host')}=127.0.0.1."
        )
        raise Fault(Exit.REFUSED, message)


async def _work(settings: Settings, built: Board) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await _start(settings, built)
        await stop.wait()
        log.info("stopping")
        return Exit.OK
    finally:
        await built.stop()


async def _start(settings: Settings, built: Board) -> None:
    """1. Answer /live. 2. Take requests."""
    try:
        place = "board_metrics_port"
        probes = await built.probe(settings.metrics_host, settings.board_metrics_port)
        place = "board_port"
        address = await built.listen(settings.board_host, settings.board_port)
    except OSError as error:
        message = f"cannot listen ({error.strerror}): name another port in {variable(place)}, or 0 for any free one"
        raise Fault(Exit.REFUSED, message) from None
    typer.echo(f"leadglow board: metrics on {probes}/metrics")
    typer.echo(f"leadglow board: listening on {address}")
    sys.stdout.flush()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    log.info("started")
