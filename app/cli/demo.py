"""``leadglow demo``: the whole system on generated traffic, live or as a check that ends by itself."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

import typer
from rich.console import Console

from app.cli.common import console, run
from app.cli.errors import CommandError
from app.cli.file_commands import check_file
from app.kafka_login import kafka_options
from app.server_urls import kafka_servers, redis_url
from app.settings_source import load_settings
from app.wiring import make_store, make_topics
from streams.exits import Exit
from streams.scorefile import read_file

if TYPE_CHECKING:
    from app.demo.run import Summary
    from app.demo.stack import Stack

T = TypeVar("T")
Place = tuple[str | None, str | None, Path | None]
"""The Kafka, the Redis and the scorecard file that a demo uses instead of its own."""
LIVE_RATE = 150.0
SHOWN = 10
"""Mismatches that are printed in full."""


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(demo)


def _address(checked: Callable[[str], str]) -> Callable[[str | None], str | None]:
    """A callback of an option that checks it like the setting of that name."""

    def callback(value: str | None) -> str | None:
        try:
            return None if value is None else checked(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return callback


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        msg = "Input should be a finite number"
        raise typer.BadParameter(msg)
    return value


def demo(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    events: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Send N events, verify the outcome, and end.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="With --events: one JSON object on stdout.")] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            callback=_finite,
            metavar="RATE",
            help="Events per second. [live: 150; with --events: no limit]",
        ),
    ] = None,
    leads: Annotated[int, typer.Option(min=1, metavar="N", help="Number of visitors.")] = 3000,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of the generator: the same seed sends the same events.")
    ] = 1,
    kafka: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", callback=_address(kafka_servers), help="Use this Kafka instead of an embedded broker."
        ),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(metavar="URL", callback=_address(redis_url), help="Use this Redis instead of an embedded one."),
    ] = None,
    scorecards: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Score with this file instead of the demo's own, whose half-lives are short."
        ),
    ] = None,
) -> None:
    """Watch leads glow and cool, live in the terminal.

    Runs the whole system on realistic traffic: broker, Redis, worker, collector and board. Needs only
    pip install 'leadglow[embedded]'. The screen shows the board's address and a command that sends your own events.
    Ctrl-C stops all that it started. With --kafka or --redis, topics and keys get temporary names and are removed
    afterwards. With --events, all events are scored a second time in memory; exit status 1 if the results differ.
    """
    if json and events is None:
        msg = "--json needs --events, as the live view does not end"
        raise typer.BadParameter(msg)
    if scorecards is not None:
        check_file(read_file, scorecards)
    place = (kafka, redis, scorecards)
    if events is None:
        run(_stoppable(_live(place, (rate or LIVE_RATE, leads, seed))))
        return
    summary = run(_stoppable(_check(place, (events, rate or 0.0, leads, seed))))
    if summary is None:
        raise CommandError(Exit.TROUBLE, "stopped before the end: nothing was verified")
    _print_summary(summary, json)


async def _live(place: Place, traffic: tuple[float, int, int]) -> None:
    from app.demo.screen import show

    out = console()
    async with _stack(place, out) as stack:
        await show(stack, *traffic, out)


async def _check(place: Place, order: tuple[int, float, int, int]) -> Summary:
    from app.demo.run import Order
    from app.demo.run import run as run_demo

    kafka, redis, _ = place
    async with _stack(place, Console(stderr=True)) as stack:
        used = (kafka or "embedded broker", _plain(redis) if redis else "embedded server")
        return await run_demo(stack, Order(*order), *used)


@asynccontextmanager
async def _stack(place: Place, console: Console) -> AsyncIterator[Stack]:
    """Start everything, and stop it at the end of the block.

    Raises:
        CommandError: something did not start, or ended.
    """
    from aiokafka.errors import KafkaError

    from app.demo.servers import servers
    from app.demo.stack import DemoError, ServerError, Stack, running
    from app.embedded.server import EmbeddedMissingError

    base = load_settings()
    try:
        with console.status("starting a broker, Redis, a worker, a collector and a board …") as status:
            async with servers(base, *place) as settings:
                options = {"bootstrap_servers": settings.kafka, **kafka_options(settings)}
                stack = Stack(settings, make_topics(settings), make_store(settings), options)
                async with running(stack, lasting=any(place[:2])):
                    status.stop()
                    yield stack
    except EmbeddedMissingError as error:
        raise CommandError(Exit.REFUSED, f"{error}; or name your own servers with --kafka and --redis") from None
    except (DemoError, ServerError, KafkaError) as error:
        raise CommandError(Exit.TROUBLE, str(error) or type(error).__name__) from None


async def _stoppable(work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``, or None if Ctrl-C or SIGTERM stopped it; it may clean up first."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


def _plain(url: str) -> str:
    """A URL without its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}"


def _print_summary(summary: Summary, json: bool) -> None:
    """Print the summary.

    Raises:
        CommandError: there are mismatches.
    """
    if json:
        typer.echo(summary.json())
    else:
        for name, value in summary.rows():
            typer.echo(f"{name:>28}  {value}")
    if summary.mismatches:
        first = "\n".join(f"  {line}" for line in summary.explained[:SHOWN])
        message = f"{summary.mismatches} mismatches between the run and the same records in memory:\n{first}"
        raise CommandError(Exit.CHECK_FAILED, message)
