"""``leadglow demo``: the whole system on made-up traffic, live, or as a check that ends by itself."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

import typer
from rich.console import Console

from app.cli.common import Fault, console, run
from app.cli.common import settings as read_settings
from app.server_urls import kafka_servers, redis_url
from app.wiring import kafka_options, store_of, topics_of
from streams.exits import Exit

if TYPE_CHECKING:
    from app.demo.run import Summary
    from app.demo.stack import Stack

T = TypeVar("T")
LIVE_RATE = 150.0
SHOWN = 10
"""Mismatches that are told in full."""


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(demo)


def _address(checked: Callable[[str], str]) -> Callable[[str | None], str | None]:
    """An option's callback that refuses what the setting of that name would."""

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
        int | None, typer.Option(min=1, metavar="N", help="Send so many, verify the outcome, and end.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="With --events: one JSON object on stdout.")] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            callback=_finite,
            metavar="RATE",
            help="Events per second. [live: 150; with --events: as many as possible]",
        ),
    ] = None,
    leads: Annotated[int, typer.Option(min=1, metavar="N", help="How many people visit the site.")] = 3000,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed sends the same events.")] = 1,
    kafka: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", callback=_address(kafka_servers), help="Use this Kafka; else an embedded broker."
        ),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(metavar="URL", callback=_address(redis_url), help="Use this Redis; else an embedded one."),
    ] = None,
) -> None:
    """See leads glow and cool, live in the terminal.

    The whole system on believable traffic. Broker, Redis, worker, collector and board need nothing but this program:
    pip install 'leadglow[embedded]'. The screen shows the board's address, and a command to paste that sends events of
    your own. Ctrl-C stops everything. With --kafka or --redis, topics and keys get names of their own, and are removed
    afterwards. With --events, everything is scored a second time in memory: exit status 1 if anything differs.
    """
    if json and events is None:
        msg = "--json needs --events: the live view has no end"
        raise typer.BadParameter(msg)
    if events is None:
        run(_stoppable(_live(kafka, redis, (rate or LIVE_RATE, leads, seed))))
        return
    summary = run(_stoppable(_check(kafka, redis, (events, rate or 0.0, leads, seed))))
    if summary is None:
        raise Fault(Exit.TROUBLE, "stopped before the end: nothing was verified")
    _tell(summary, json)


async def _live(kafka: str | None, redis: str | None, traffic: tuple[float, int, int]) -> None:
    from app.demo.screen import show

    out = console()
    async with _stack(kafka, redis, out) as stack:
        await show(stack, *traffic, out)


async def _check(kafka: str | None, redis: str | None, order: tuple[int, float, int, int]) -> Summary:
    from app.demo.run import Order
    from app.demo.run import run as run_demo

    async with _stack(kafka, redis, Console(stderr=True)) as stack:
        used = (kafka or "embedded broker", _plain(redis) if redis else "embedded server")
        return await run_demo(stack, Order(*order), *used)


@asynccontextmanager
async def _stack(kafka: str | None, redis: str | None, console: Console) -> AsyncIterator[Stack]:
    """Everything running; gone afterwards.

    Raises:
        Fault: something did not start, or ended.
    """
    from aiokafka.errors import KafkaError

    from app.demo.servers import servers
    from app.demo.stack import DemoError, ServerError, Stack, running
    from app.embedded.server import EmbeddedMissingError

    base = read_settings()
    try:
        with console.status("starting a broker, Redis, a worker, a collector and a board …") as status:
            async with servers(base, kafka, redis) as settings:
                options = {"bootstrap_servers": settings.kafka, **kafka_options(settings)}
                stack = Stack(settings, topics_of(settings), store_of(settings), options)
                async with running(stack, lasting=bool(kafka or redis)):
                    status.stop()
                    yield stack
    except EmbeddedMissingError as error:
        raise Fault(Exit.REFUSED, f"{error}; or name your own servers with --kafka and --redis") from None
    except (DemoError, ServerError, KafkaError) as error:
        raise Fault(Exit.TROUBLE, str(error) or type(error).__name__) from None


async def _stoppable(work: Coroutine[Any, Any, T]) -> T | None:
    """The outcome; None if Ctrl-C or SIGTERM came first. What is stopped gets the time to clean up."""
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


def _tell(summary: Summary, json: bool) -> None:
    """Print the summary.

    Raises:
        Fault: there are mismatches.
    """
    if json:
        typer.echo(summary.json())
    else:
        for name, value in summary.rows():
            typer.echo(f"{name:>28}  {value}")
    if summary.mismatches:
        first = "\n".join(f"  {line}" for line in summary.explained[:SHOWN])
        message = f"{summary.mismatches} mismatches between the run and the same records in memory:\n{first}"
        raise Fault(Exit.CHECK_FAILED, message)
