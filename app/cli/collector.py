"""``leadglow collector``: takes events over HTTP until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys

import typer

from app.cli.common import Fault
from app.cli.common import settings as read_settings
from app.cli.worker import existing_topics, run_long
from app.collector.collector import Collector
from app.collector.keys import KeysError
from app.logs import set_up_logs
from app.settings import Settings, variable
from app.wiring import collector_of
from streams.exits import Exit

log = logging.getLogger(__name__)
GC_THRESHOLD = 50_000
"""Allocations between collections: what a request leaves behind has no cycles."""


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(collector)


def collector() -> None:
    """Take events over HTTP until stopped.

    Trackers, mail services and servers send here; what is answered with 200 is in Kafka. The keys file that
    LEADGLOW_COLLECTOR_KEYS names says who may send. While Kafka is away the answer is 503, and /ready says so. Stop it
    with Ctrl-C or SIGTERM: it finishes what is in flight.
    """
    settings = read_settings()
    _check_settings(settings)
    try:
        built = collector_of(settings)
    except KeysError as error:
        message = f"{error}\nCorrect the keys file; `leadglow keys check` tells when it is right."
        raise Fault(Exit.REFUSED, message) from None
    set_up_logs(settings.log)
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # thirty lines a second while Kafka is away; we say it once
    status = run_long(_work(settings, built))
    sys.stdout.flush()
    raise typer.Exit(status)


def _check_settings(settings: Settings) -> None:
    if settings.collector_keys is None:
        message = (
            f"{variable('collector_keys')} names no keys file, so nobody may send: make one with "
            "`leadglow keys new NAME --file keys.yaml`, and name it there."
        )
        raise Fault(Exit.REFUSED, message)
    for name in ("collector_web_topic", "collector_mail_topic"):
        topic = getattr(settings, name)
        if topic not in settings.sources:
            message = (
                f"{variable(name)} is {topic}, which no worker reads: set it to one of "
                f"{', '.join(settings.sources)}, or add it to {variable('sources')}."
            )
            raise Fault(Exit.REFUSED, message)


async def _work(settings: Settings, built: Collector) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(_start(settings, built))
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
        await built.stop()


async def _start(settings: Settings, built: Collector) -> None:
    """1. Answer /live. 2. Take requests, which get 503 still. 3. Check the topics. 4. Reach Kafka."""
    try:
        place = "collector_metrics_port"
        probes = await built.probe(settings.metrics_host, settings.collector_metrics_port)
        place = "collector_port"
        address = await built.listen(settings.collector_host, settings.collector_port)
    except OSError as error:
        message = f"cannot listen ({error.strerror}): name another port in {variable(place)}, or 0 for any free one"
        raise Fault(Exit.REFUSED, message) from None
    typer.echo(f"leadglow collector: metrics on {probes}/metrics")
    typer.echo(f"leadglow collector: listening on {address}")
    sys.stdout.flush()
    existing = await existing_topics(settings)
    wanted = {settings.collector_web_topic, settings.collector_mail_topic, settings.rejected}
    if missing := sorted(wanted - set(existing)):
        message = f"Kafka has no topic {', '.join(missing)}: run `leadglow topics create` first."
        raise Fault(Exit.REFUSED, message)
    await built.connect()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    log.info("started")
