"""``leadglow worker``: scores until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import typer
from aiokafka.errors import KafkaError

from app.cli.common import Fault, rules_of
from app.cli.common import settings as read_settings
from app.cli.topics import partition_counts, wanted
from app.cli.unreachable import Ear, kafka_away
from app.logs import set_up_logs
from app.loop import run_long
from app.settings import Settings
from app.wiring import admin_of, worker_of
from streams.exits import Exit
from streams.store.checks import StoreRefused
from streams.store.redis import RedisStore

if TYPE_CHECKING:
    from streams.worker import Worker

log = logging.getLogger(__name__)
AGAIN_S = 2.0
"""Pause between two attempts to reach Kafka at the start."""
STOP_S = 8.0
"""Longest orderly stop: less than the 10 s that Docker waits before it kills."""


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(worker)


def worker() -> None:
    """Score events until stopped.

    Takes events from Kafka, keeps leads in Redis, sends alerts. Stop it with Ctrl-C or SIGTERM: it finishes
    what is in flight. Killing it loses nothing either. Run as many as you like: they share the partitions.
    While Kafka or Redis is away it waits, and /ready says so.
    """
    settings = read_settings()
    rules_of(settings)
    set_up_logs(settings.log)
    status = run_long(_work(settings))
    sys.stdout.flush()
    raise typer.Exit(status)


async def _work(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    built = worker_of(settings)
    starting = asyncio.create_task(_start(settings, built))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            log.info("stopping before everything was started")
            return Exit.OK
        await starting
        return await _until_stopped(built, stop)
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        await _stop(built)


async def _start(settings: Settings, built: Worker) -> None:
    """1. Answer /live. 2. Look for the accelerator. 3. Check Redis. 4. Check the topics. 5. Work."""
    from streams.implementation import AcceleratorMissing, choose

    store = built.plan.store
    assert isinstance(store, RedisStore)
    async with _waiting_room(settings, built):
        try:
            choose(settings.accelerator)
        except AcceleratorMissing as missing:
            raise Fault(Exit.REFUSED, str(missing)) from None
        try:
            await store.verify()
        except StoreRefused as refused:
            raise Fault(Exit.REFUSED, str(refused)) from None
        await _check_topics(settings)
    await built.start()
    log.info("started")


@asynccontextmanager
async def _waiting_room(settings: Settings, built: Worker) -> AsyncIterator[None]:
    """Be alive and not ready until there is something to work with."""
    from streams import probes

    host, port = settings.metrics_host, settings.metrics_port
    try:
        runner = await probes.serve(host, port, built.metrics.registry, lambda: False)
    except OSError as error:
        message = (
            f"cannot listen on {host}:{port} ({error.strerror}): name another port in LEADGLOW_METRICS_PORT, "
            "or 0 for any free one"
        )
        raise Fault(Exit.REFUSED, message) from None
    built.plan.metrics_port = int(runner.addresses[0][1])
    typer.echo(f"leadglow worker: metrics on http://{host}:{built.plan.metrics_port}/metrics")
    try:
        yield
    finally:
        await runner.cleanup()


async def _check_topics(settings: Settings) -> None:
    """Refuse to start without the topics: a broker that makes them up would make them wrong."""
    existing = await existing_topics(settings)
    missing = [topic.name for topic in wanted(settings) if topic.name not in existing]
    if missing:
        names = ", ".join(missing)
        raise Fault(Exit.REFUSED, f"Kafka has no topic {names}: run `leadglow topics create` first.")


async def existing_topics(settings: Settings) -> dict[str, int]:
    """Every topic with its number of partitions: ask Kafka for as long as it takes."""
    while True:
        admin = admin_of(settings)
        with Ear() as ear:
            try:
                await admin.start()
                return await partition_counts(admin)
            except (KafkaError, TimeoutError) as error:
                log.warning("%s Trying again.", kafka_away(settings, ear.reason or error))
            finally:
                await admin.close()
        await asyncio.sleep(AGAIN_S)


async def _until_stopped(built: Worker, stop: asyncio.Event) -> int:
    """Wait for a signal, or for Faust to give up."""
    assert built.app is not None
    await built.app.wait_for_stopped(stop.wait())
    if stop.is_set():
        log.info("stopping")
        return Exit.OK
    log.critical("the consumer ended by itself (%r); starting again is right", built.app.crash_reason)
    return Exit.TROUBLE


async def _stop(built: Worker) -> None:
    """Stop in order; one that cannot end is ended, which loses nothing."""
    try:
        await asyncio.wait_for(built.stop(), STOP_S)
    except TimeoutError:
        log.error("not stopped in order after %s s; ending now, nothing is lost", STOP_S)
        sys.stdout.flush()
        os._exit(Exit.TROUBLE)
