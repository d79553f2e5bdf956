"""``leadglow worker``: scores events until it is stopped.

Probes answer before Kafka's and Redis' clients, Faust and the accelerator are imported: that takes seconds, and
compiling takes longer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING

import typer
from prometheus_client import CollectorRegistry

from app.cli.errors import CommandError
from app.cli.process import run_process, run_until_stopped
from app.loop import is_busy_in_background, run_in_background
from app.settings import Settings
from app.settings_source import load_settings
from streams import probes
from streams.exits import Exit
from streams.metrics import Metrics

if TYPE_CHECKING:
    from aiohttp import web

    from streams.scoring.scorecard import Model
    from streams.worker import Worker

log = logging.getLogger(__name__)
STOP_S = 4.0
"""Time limit of an orderly stop: a worker obeys SIGTERM within 5 s, and Docker kills a container after 10 s."""


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(worker)


def worker() -> None:
    """Score events until stopped.

    Reads events from Kafka, keeps leads in Redis and sends alerts. Stop it with Ctrl-C or SIGTERM: it finishes the
    steps in flight. Killing it loses nothing, either. Any number of workers can run: they share the partitions.
    While it compiles, or Kafka or Redis cannot be reached, it waits and /ready responds with 503.
    """
    run_process(_work(load_settings()))


async def _work(settings: Settings) -> int:
    process = _Process(settings)
    return await run_until_stopped(process.start(), process.run, lambda: _stop(process))


class _Process:
    """One worker process, from its first probe to its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics(CollectorRegistry())
        self._metrics.ready.set_function(self._is_ready)
        self._model: Model | None = None
        """The scorecard file, if there is one."""
        self._worker: Worker | None = None
        self._runner: web.AppRunner | None = None
        self._step = "starting; Redis and Kafka are not checked yet, so it may still end"
        """Reported by /ready."""

    async def start(self) -> None:
        """1. Answer /live. 2. Build the worker. 3. Check Redis. 4. Check the topics. 5. Compile. 6. Score."""
        await self._serve_probes()
        worker = await run_in_background(self._build)
        from app.certificates import start_watching
        from app.cli.reachable import check_kafka, check_store

        start_watching(self._settings, self._metrics.process.certificates)

        self._step = "waiting for Redis"
        await check_store(worker.config.store)
        self._step = "waiting for Kafka"
        topics = await check_kafka(self._settings, "worker")
        if self._model is not None:
            from app.scorecards.lasting import describe_lasting
            from app.topic_settings import kept_ms

            topic = self._settings.lead_events
            if text := describe_lasting(self._model, topic, kept_ms(topics.get(topic), self._settings)):
                log.warning("%s", text)
        self._step = "warming up"
        await run_in_background(worker.warm_up)
        self._step = "Kafka or Redis does not answer"
        self._worker = worker  # from here on there is something to stop in order
        await worker.start()
        log.info("started")

    async def _serve_probes(self) -> None:
        host, port = self._settings.metrics_host, self._settings.metrics_port
        try:
            self._runner = await probes.serve(
                host, port, self._metrics.registry, self._is_ready, reason=lambda: self._step
            )
        except OSError as error:
            message = (
                f"cannot listen on {host}:{port} ({error.strerror}): set another LEADGLOW_METRICS_PORT, "
                "or 0 for any free port"
            )
            raise CommandError(Exit.REFUSED, message) from None
        typer.echo(f"leadglow worker: metrics on http://{host}:{self._runner.addresses[0][1]}/metrics")
        sys.stdout.flush()

    def _is_ready(self) -> bool:
        return self._worker is not None and self._worker.ready

    def _build(self) -> Worker:
        import app.certificates
        import app.cli.reachable  # noqa: F401 - imported in this thread, as it takes long
        from app.cli.published import load_file_rules
        from app.logs import set_up_logs
        from app.wiring import make_worker
        from streams.implementation import AcceleratorMissing

        if self._settings.scorecards.exists():
            self._model = load_file_rules(self._settings).model
        set_up_logs(self._settings.log, self._settings.log_level)
        try:
            return make_worker(self._settings, self._metrics)
        except AcceleratorMissing as missing:
            raise CommandError(Exit.REFUSED, str(missing)) from None

    async def run(self, stopped: asyncio.Event) -> int:
        """Wait for a signal, or until Faust ends by itself."""
        assert self._worker is not None
        return await _run_until_ended(self._worker, stopped, self._settings)

    async def stop(self) -> None:
        """Finish the steps in flight."""
        if self._worker is not None:
            await self._worker.stop()
        if self._runner is not None:
            await self._runner.cleanup()


async def _run_until_ended(built: Worker, stopped: asyncio.Event, settings: Settings) -> int:
    """Wait for a signal, or until Faust ends by itself."""
    assert built.app is not None
    await built.app.wait_for_stopped(stopped.wait())
    if stopped.is_set():
        return Exit.OK
    from app.cli.unreachable import kafka_fault

    error = built.app.crash_reason
    fault = kafka_fault(settings, error) if error is not None else None
    if fault is not None and fault.status is Exit.REFUSED:  # a permission was taken away
        log.critical("%s", fault)
        return fault.status
    log.critical("the consumer ended by itself (%r): restart the worker", error)
    return Exit.TROUBLE


async def _stop(process: _Process) -> None:
    """Stop in order; after a time limit, or while it compiles, end the process at once, which loses nothing."""
    try:
        await asyncio.wait_for(process.stop(), STOP_S)
    except TimeoutError:
        log.error("no orderly stop within %s s: ending at once, nothing is lost", STOP_S)
        sys.stdout.flush()
        os._exit(Exit.TROUBLE)
    if is_busy_in_background():
        sys.stdout.flush()
        os._exit(Exit.OK)
