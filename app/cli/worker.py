"""``leadglow worker``: scores events until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import typer
from aiokafka.errors import KafkaError

from app.cli.common import CommandError, load_rules
from app.cli.serving import run_process, run_until_stopped
from app.cli.topics import partition_counts, wanted
from app.cli.unreachable import KafkaErrorCapture, explain_kafka_failure
from app.logs import set_up_logs
from app.settings import Settings
from app.settings_source import load_settings
from app.wiring import make_admin, make_worker
from streams.exits import Exit
from streams.store.checks import StoreRefused
from streams.store.redis import RedisStore

if TYPE_CHECKING:
    from streams.worker import Worker

log = logging.getLogger(__name__)
AGAIN_S = 2.0
"""Pause between attempts to reach Kafka at the start."""
STOP_S = 8.0
"""Longest orderly stop: less than the 10 s that Docker waits before it kills a container."""


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(worker)


def worker() -> None:
    """Score events until stopped.

    Reads events from Kafka, keeps leads in Redis and sends alerts. Stop it with Ctrl-C or SIGTERM: it finishes the
    steps in flight. Killing it loses nothing, either. Any number of workers can run: they share the partitions.
    While Kafka or Redis cannot be reached, it waits and /ready responds with 503.
    """
    settings = load_settings()
    load_rules(settings)
    set_up_logs(settings.log)
    run_process(_work(settings))


async def _work(settings: Settings) -> int:
    built = make_worker(settings)
    return await run_until_stopped(
        _start(settings, built), lambda stopped: _run_until_ended(built, stopped), lambda: _stop(built)
    )


async def _start(settings: Settings, built: Worker) -> None:
    """1. Answer /live. 2. Look for the accelerator. 3. Check Redis. 4. Check the topics. 5. Score."""
    from streams.implementation import AcceleratorMissing, choose

    store = built.plan.store
    assert isinstance(store, RedisStore)
    async with _serve_probes(settings, built):
        try:
            choose(settings.accelerator)
        except AcceleratorMissing as missing:
            raise CommandError(Exit.REFUSED, str(missing)) from None
        try:
            await store.verify()
        except StoreRefused as refused:
            raise CommandError(Exit.REFUSED, str(refused)) from None
        await _check_topics(settings)
    await built.start()
    log.info("started")


@asynccontextmanager
async def _serve_probes(settings: Settings, built: Worker) -> AsyncIterator[None]:
    """Answer /live with 200 and /ready with 503 until the worker starts."""
    from streams import probes

    host, port = settings.metrics_host, settings.metrics_port
    try:
        runner = await probes.serve(host, port, built.metrics.registry, lambda: False)
    except OSError as error:
        message = (
            f"cannot listen on {host}:{port} ({error.strerror}): set another LEADGLOW_METRICS_PORT, "
            "or 0 for any free port"
        )
        raise CommandError(Exit.REFUSED, message) from None
    built.plan.metrics_port = int(runner.addresses[0][1])
    typer.echo(f"leadglow worker: metrics on http://{host}:{built.plan.metrics_port}/metrics")
    try:
        yield
    finally:
        await runner.cleanup()


async def _check_topics(settings: Settings) -> None:
    """Refuse to start without the topics: a broker that creates them itself uses the wrong settings."""
    existing = await wait_for_topics(settings)
    missing = [topic.name for topic in wanted(settings) if topic.name not in existing]
    if missing:
        names = ", ".join(missing)
        raise CommandError(Exit.REFUSED, f"Kafka has no topic {names}: run `leadglow topics create` first.")


async def wait_for_topics(settings: Settings) -> dict[str, int]:
    """Every topic with its number of partitions; tries again until Kafka answers."""
    while True:
        admin = make_admin(settings)
        with KafkaErrorCapture() as ear:
            try:
                await admin.start()
                return await partition_counts(admin)
            except (KafkaError, TimeoutError) as error:
                log.warning("%s Trying again.", explain_kafka_failure(settings, ear.reason or error))
            finally:
                await admin.close()
        await asyncio.sleep(AGAIN_S)


async def _run_until_ended(built: Worker, stopped: asyncio.Event) -> int:
    """Wait for a signal, or until Faust ends by itself."""
    assert built.app is not None
    await built.app.wait_for_stopped(stopped.wait())
    if stopped.is_set():
        return Exit.OK
    log.critical("the consumer ended by itself (%r): restart the worker", built.app.crash_reason)
    return Exit.TROUBLE


async def _stop(built: Worker) -> None:
    """Stop in order; after a time limit end the process at once, which loses nothing."""
    try:
        await asyncio.wait_for(built.stop(), STOP_S)
    except TimeoutError:
        log.error("no orderly stop within %s s: ending at once, nothing is lost", STOP_S)
        sys.stdout.flush()
        os._exit(Exit.TROUBLE)
