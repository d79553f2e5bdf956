"""One collector process: starts and stops its parts in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from aiohttp import web
from aiokafka import AIOKafkaProducer

from app.audit import AuditLog
from app.collector.event_writer import EventWriter
from app.collector.keyring import Keyring, load_keys
from app.collector.metrics import Metrics
from app.collector.reception import EventSettings, Reception
from app.collector.request_reader import Limits
from app.collector.site import Site
from app.collector.webhooks import SERVICES
from app.http.serving import url_of
from app.private_files import load_private
from streams import probes
from streams.clock import monotonic_s
from streams.tasks import end_tasks
from streams.tracing import Tracer
from streams.transport.producer import Producer
from streams.yamlfile.watched import Watched

log = logging.getLogger(__name__)


class Collector:
    """A whole collector, from the socket to Kafka."""

    def __init__(
        self,
        create: Callable[[], AIOKafkaProducer],
        keys: Path,
        settings: EventSettings,
        limits: Limits,
        tracer: Tracer | None = None,
        audit: AuditLog | None = None,
    ) -> None:
        """``create`` makes a producer, which is not started yet.

        Raises:
            YamlFileError: the keys file has mistakes.
        """
        self.metrics = Metrics()
        self._keys = watch_keys(keys, self.metrics)
        topics = {settings.web_topic, settings.mail_topic, settings.rejected_topic}
        self._writer = EventWriter(Producer(create), topics, self.metrics, monotonic_s)
        reception = Reception(settings, self._writer, self._keys, self.metrics, tracer)
        self._site = Site(reception, limits, self.metrics)
        self._probes: web.AppRunner | None = None
        self.metrics.ready.set_function(lambda: self._writer.ready)
        self._watching: asyncio.Task[None] | None = None
        self._audit = audit

    async def probe(self, host: str, port: int) -> str:
        """Serve metrics and probes, and return their URL."""
        self._probes = await probes.serve(host, port, self.metrics.registry, lambda: self._writer.ready)
        return url_of(self._probes, host)

    async def listen(self, host: str, port: int) -> str:
        """Accept requests, and return the URL; until ``connect`` has finished they get 503."""
        if self._audit is not None:
            self._audit.follow_file(self._keys)
        self._watching = asyncio.create_task(self._keys.watch())
        return await self._site.start(host, port)

    async def connect(self) -> None:
        """Connect to Kafka; retry until it answers."""
        await self._writer.start()

    async def stop(self) -> None:
        """1. Close the listener. 2. Finish the requests in flight. 3. Disconnect from Kafka. 4. End the probes."""
        await self._site.stop()
        await self._writer.stop()
        await end_tasks(self._watching)
        if self._audit is not None:
            self._audit.close()
        if self._probes is not None:
            await self._probes.cleanup()


def watch_keys(path: Path, metrics: Metrics) -> Watched[Keyring]:
    """The keys file, read now and again when it changes; a new keyring keeps the usage of the old one.

    Raises:
        YamlFileError: the file has mistakes, or others can read it.
    """
    watched = Watched(path, _load_private_keys, "keys")
    metrics.process.watch_file(watched)
    watched.on_change = lambda old, new: new.inherit_usage(old)
    return watched


def _load_private_keys(path: Path) -> Keyring:
    return load_private(partial(load_keys, services=SERVICES), path)
