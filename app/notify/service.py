"""One notifier process: runs all routes, and starts them anew when the routes file changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from app.audit import AuditLog
from app.http.serving import url_of
from app.notify.breaker import Gate
from app.notify.dispatcher import Dispatcher, Reached, Target, reach_nothing
from app.notify.metrics import Metrics
from app.notify.route_runner import END_S, RouteRunner, Source
from app.notify.routes import Route, Routes
from app.notify.routes_file import load_routes
from app.notify.secrets import ReadVariable
from app.notify.sender import make_sender
from app.notify.waiting import Waiting
from streams import probes
from streams.tasks import end_tasks
from streams.tracing import Tracer
from streams.transport.producer import Producer
from streams.yamlfile.watched import Watched

log = logging.getLogger(__name__)
HEALTH_S: Final = 2.0
STOP_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class NotifyConfig:
    """What a notifier needs."""

    routes: Path
    read_variable: ReadVariable
    make_consumer: Callable[[str], AIOKafkaConsumer]
    """Makes a consumer of a group."""
    make_producer: Callable[[], AIOKafkaProducer]
    make_admin: Callable[[], AIOKafkaAdminClient]
    handoff: str
    undelivered: str
    namespace: str
    reached: Reached = reach_nothing
    tracer: Tracer | None = None
    audit: AuditLog | None = None


class Notifier:
    """A whole notifier, from Kafka to the destinations."""

    def __init__(self, config: NotifyConfig) -> None:
        """Nothing is connected yet.

        Raises:
            YamlFileError: the routes file has mistakes.
        """
        self.metrics = Metrics()
        self.config = config
        self._routes = Watched(
            config.routes,
            lambda path: load_routes(path, config.read_variable),
            "routes",
        )
        self.metrics.process.watch_file(self._routes)
        self.metrics.ready.set_function(lambda: self.ready)
        self._routes.on_change = lambda old, new: self._changed.set()
        self._changed = asyncio.Event()
        self._producer = Producer(config.make_producer)
        self._runners: list[RouteRunner] = []
        self._probes: web.AppRunner | None = None

    @property
    def ready(self) -> bool:
        """Whether all routes read, and Kafka can be reached."""
        return self._producer.healthy and bool(self._runners) and all(runner.ready for runner in self._runners)

    @property
    def routes(self) -> Routes:
        """The routes file, as last read."""
        return self._routes.value

    async def probe(self, host: str, port: int) -> str:
        """Serve metrics and probes, and return their URL."""
        self._probes = await probes.serve(host, port, self.metrics.registry, lambda: self.ready)
        return url_of(self._probes, host)

    async def run(self) -> None:
        """Run until cancelled; a changed file starts all routes anew."""
        if self.config.audit is not None:
            self.config.audit.follow_file(self._routes)
        await self._producer.start()
        background = [asyncio.create_task(self._routes.watch()), asyncio.create_task(self._check_health())]
        try:
            while True:
                self._changed.clear()
                await self._run_routes(self._routes.value)
        finally:
            await end_tasks(*background)

    async def _run_routes(self, routes: Routes) -> None:
        """Run these routes until the file changes."""
        targets = {
            name: Target(each, make_sender(each), Gate(each.gap_ms)) for name, each in routes.destinations.items()
        }
        for route in routes.routes:
            self.metrics.begin_at_zero(route.name, route.to)
        self._runners = [self.make_runner(route, targets[route.to]) for route in routes.routes]
        self.metrics.late.clear()
        for runner in self._runners:
            self.metrics.late.labels(runner.route.name).set_function(runner.dispatcher.late_s)
        running = [asyncio.create_task(runner.run()) for runner in self._runners]
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait([*running, changed], return_when=asyncio.FIRST_COMPLETED)
            for task in running:
                if task.done():
                    await task
        finally:
            await end_tasks(changed, *running, again_s=END_S)
            for target in targets.values():
                await target.sender.close()

    def make_runner(self, route: Route, target: Target, replayed: str = "") -> RouteRunner:
        """A route at work; ``replayed`` reads its dead letters instead of the alerts."""
        waiting = Waiting(getattr(target.destination.kind, "most", 1))
        dispatcher = Dispatcher(
            route, target, waiting, self._producer.deliver, self.config.undelivered, self.metrics, self.config.reached
        )
        dispatcher.tracer = self.config.tracer
        group = f"{self.config.namespace}-notify-{'replay-' if replayed else ''}{route.name}"
        topic = self.config.undelivered if replayed else self.config.handoff
        source = Source(
            self.config.make_consumer(group), topic, group, self._read_committed, replayed, from_begin=bool(replayed)
        )
        return RouteRunner(source, dispatcher)

    async def _read_committed(self, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
        admin = self.config.make_admin()
        try:
            await admin.start()
            return dict(await admin.list_consumer_group_offsets(group))
        finally:
            await admin.close()

    async def _check_health(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_S)
            with suppress(KafkaError):
                await self._producer.check_health()

    async def start_producer(self) -> None:
        """Connect the producer alone, for a replay."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect from Kafka, and end the probes."""
        await self._producer.stop()
        if self._probes is not None:
            await self._probes.cleanup()


async def run_until(work: Awaitable[Any], stopped: asyncio.Event) -> bool:
    """Run until an event is set; returns whether the work ended by itself."""
    task, stopping = asyncio.ensure_future(work), asyncio.create_task(stopped.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    with suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), STOP_S)
    return False
