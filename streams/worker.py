"""The worker: builds, starts and stops the parts of one worker process, including its Faust app."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.clock import SharedClock
from streams.engine import Engine
from streams.environment import Environment, ignore_step
from streams.exits import Exit, end_process
from streams.implementation import Choice, choose
from streams.live_effect import count_alerts
from streams.metrics import Metrics
from streams.mismatch import Mismatch, name_rebuild
from streams.partition_numbers import REPARTITION, Numbers, explain_partitions, explain_unfinished
from streams.publishing.keeper import FORMER_AGREEMENT, Brake, ScorecardsKeeper
from streams.publishing.scorecards import Scorecards
from streams.publishing.sessions import ask_noted
from streams.publishing.topic import ScorecardsTopic
from streams.publishing.writer import ScorecardsWriter
from streams.scoring.rules import Rules
from streams.store.base import Store
from streams.store.checks import StoreRefused
from streams.store.format import begin_format, client_of
from streams.store.server_checks import watch_server
from streams.tracing import Tracer
from streams.transport.alert_ids import read_alert_ids
from streams.transport.channel import MAX_RECORDS, Channel
from streams.transport.clients import make_consumer, make_producer
from streams.transport.consumer import Transport
from streams.transport.producer import Producer
from streams.transport.topics import Partitioner, Topics
from streams.units import HOUR_MS
from streams.yamlfile.watched import Watched

log = logging.getLogger(__name__)
FETCH_WAIT_MS = 20
"""How long a broker may delay the answer to a fetch without records. The client sends a broker one fetch at a time:
while it waits for idle partitions, it receives nothing from busy ones."""
IDLE_FETCH_WAIT_MS = 200
"""The same for a fetch of all partitions of a broker, which any new record ends. Offset requests wait behind it."""
SWITCH_S = 0.0005
"""How long the Kafka thread waits for the interpreter at most; Python's default is ten times as long."""
UNKEPT = "%s cannot be written, so each start compiles for a minute: set NUMBA_CACHE_DIR to a folder that can"
GC_THRESHOLD = 1_000_000
"""Allocations between garbage collections: there are many leads, and they contain no reference cycles."""


@dataclass(slots=True)
class WorkerConfig:
    """The configuration of a worker. ``kafka`` holds options of the aiokafka clients: security, credentials."""

    bootstrap: str
    store: Store
    scorecards: Path
    partitions: int
    topics: Topics = field(default_factory=Topics)
    kafka: Mapping[str, Any] = field(default_factory=dict)
    credentials: Any = None
    """The credentials in the form that Faust needs."""
    idempotent: bool = True
    group: str = "leadglow"
    lateness_ms: int = 72 * HOUR_MS
    cache_leads: int = 500_000
    link_base: str = ""
    rebuild_when_lost: bool = False
    most_alerts: int = 50
    """A changed file that would send more alerts is not published."""
    accelerator: Choice = "auto"
    tracer: Tracer | None = None
    reached: Callable[[str], Awaitable[None]] = ignore_step


class WorkerApp(faust.App):
    """A Faust app with our transport, and without files, tables or a web server."""

    handler: Engine
    fetch_wait_ms: int
    idle_fetch_wait_ms: int
    isolation_level: str

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Create no directories: Faust needs them for tables, which we do not use."""


class Worker:
    """One worker process."""

    def __init__(self, config: WorkerConfig, metrics: Metrics, fail: Callable[[int, str], None] | None = None) -> None:
        """``fail(exit status, message)`` ends the process at once; tests can replace it.

        Raises:
            AcceleratorMissing: the accelerator is required and cannot be imported.
        """
        self.config = config
        self.metrics = metrics
        self._implementation = choose(config.accelerator)
        self._fail = fail or end_process
        self._producer = Producer(self._new_producer)
        self._tasks: list[asyncio.Task[None]] = []
        self.app: WorkerApp | None = None
        self.engine: Engine | None = None
        self._scorecards: ScorecardsTopic | None = None
        self._has_older = False
        """Whether Kafka has records from before a repartition."""

    @property
    def ready(self) -> bool:
        """Whether Redis and Kafka answered the last time."""
        return self.engine is not None and self.engine.ready

    def warm_up(self) -> None:
        """Compile the scorer, or load it from the cache. This takes seconds: call it in a thread, before ``start``."""
        self._implementation.warm_up()
        if not self._implementation.keeps_code:
            log.warning(UNKEPT, self._implementation.cache)

    async def start(self) -> None:
        """Start everything. Records arrive once Kafka has assigned partitions.

        Raises:
            YamlFileError: the scorecard file has mistakes.
        """
        gc.set_threshold(GC_THRESHOLD, 20, 100)
        sys.setswitchinterval(SWITCH_S)
        config = self.config
        implementation = self._implementation
        log.info("scoring by the %s%s", implementation.name, implementation.reason and f" ({implementation.reason})")
        self.metrics.implementation.info({"name": implementation.name})
        await self._producer.start()
        await self._check_partitions()
        self._scorecards = topic = ScorecardsTopic(config.topics.scorecards, config.lateness_ms, self._new_consumer)
        keeper = self._new_keeper(topic)
        await self._start_keeper(keeper)
        self._has_older = await topic.has_older(config.topics.lead_events)
        env = Environment(
            config.store,
            config.topics,
            Partitioner(config.partitions, hashed=implementation.murmur2),
            self.metrics,
            f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}",
            config.link_base,
            config.cache_leads,
            config.reached,
            config.rebuild_when_lost,
            implementation,
            SharedClock(self.metrics.clock_offset.set),
            topic,
            config.tracer,
        )
        await env.clock.measure(config.store.time_ms)
        channel = Channel(
            self._producer,
            config.topics,
            self.metrics,
            self._already_sent,
            await self._producer.count_partitions(config.topics.handoff),
            await self._producer.count_partitions(config.topics.lead_scores),
            config.reached,
        )
        self.engine = Engine(env, channel, self._explain, real_ends=config.idempotent)
        self.app = self._new_app(self.engine)
        clock, server = env.clock.follow(config.store.time_ms), watch_server(config.store.verify)
        self._tasks = [asyncio.create_task(each) for each in (self.engine.watch(), keeper.follow(), clock, server)]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        await self.app.start()

    async def stop(self) -> None:
        """Finish the steps in progress and close everything."""
        for task in self._tasks:
            task.cancel()
        if self.engine is not None:
            await self.engine.stop()
        if self.app is not None:
            await self.app.stop()
        if self._scorecards is not None:
            await self._scorecards.stop()
        await self._producer.stop()
        await self.config.store.close()

    def _explain(self, status: int, message: str) -> None:
        self._fail(status, name_rebuild(message, self._has_older))

    # Building the parts ---------------------------------------------------------------------------------------

    def _new_app(self, engine: Engine) -> WorkerApp:
        config = self.config
        app = WorkerApp(
            config.group,
            broker=[f"kafka://{server.strip()}" for server in config.bootstrap.split(",")],
            broker_credentials=config.credentials,
            broker_client_id=client_of(version("leadglow")),
            # The embedded broker delays the first member of a group by half a session, in case others join.
            broker_session_timeout=12.0 if config.idempotent else 2.0,
            broker_heartbeat_interval=1.0 if config.idempotent else 0.5,
            broker_max_poll_interval=90.0,
            broker_max_poll_records=MAX_RECORDS,
            consumer_max_fetch_size=4 * 1024 * 1024,
            consumer_auto_offset_reset="earliest",
            topic_disable_leader=True,
            topic_allow_declare=False,
            web_enabled=False,
            store="memory://",
        )
        app.handler = engine
        app.fetch_wait_ms = FETCH_WAIT_MS
        app.idle_fetch_wait_ms = IDLE_FETCH_WAIT_MS if config.idempotent else FETCH_WAIT_MS
        app.isolation_level = "read_committed" if config.idempotent else "read_uncommitted"
        for name in (*config.topics.sources, config.topics.lead_events):
            app.topics.add(app.topic(name, acks=False, value_type=bytes, value_serializer="raw"))
        return app

    def _new_producer(self) -> AIOKafkaProducer:
        return make_producer(self.config.bootstrap, self.config.kafka, idempotent=self.config.idempotent)

    async def _check_partitions(self) -> None:
        """Check that the number of partitions has not changed: leads would move to other partitions."""
        config = self.config
        if plan := await config.store.meta(REPARTITION):
            self._fail(Exit.REFUSED, explain_unfinished(plan))
        actual = await self._producer.count_partitions(config.topics.lead_events)
        await begin_format(config.store)
        agreed = await config.store.meta("partitions", str(actual) if actual == config.partitions else "")
        wanted = int(agreed or actual)
        if not actual == wanted == config.partitions:
            topics, state = config.topics, int(agreed) if agreed else None
            noted = state and await ask_noted(topics.scorecards, config.lateness_ms, self._new_consumer)
            numbers = Numbers(config.partitions, actual, state, noted)
            self._fail(Exit.REFUSED, explain_partitions(topics.lead_events, numbers))

    def _new_keeper(self, topic: ScorecardsTopic) -> ScorecardsKeeper:
        config = self.config
        writer = ScorecardsWriter(
            topic, config.topics, config.partitions, self._producer.deliver, config.store.time_ms, config.reached
        )

        async def count(old: Rules, new: Rules) -> int:
            return await count_alerts(config.store, config.partitions, old, new)

        file = None
        if config.scorecards.exists():
            file = Watched(config.scorecards, self._read_scorecards, "scorecards")
            self.metrics.process.watch_file(file)
        else:
            log.warning("there is no scorecard file %s: using the published scorecards", config.scorecards)
        return ScorecardsKeeper(
            topic, writer, file, Brake(config.most_alerts, count), socket.gethostname(), self.metrics
        )

    async def _start_keeper(self, keeper: ScorecardsKeeper) -> None:
        try:
            await keeper.start(await self.config.store.meta(FORMER_AGREEMENT))
        except Mismatch as mismatch:
            self._fail(Exit.REFUSED, str(mismatch))

    def _new_consumer(self) -> AIOKafkaConsumer:
        return make_consumer(self.config.bootstrap, self.config.kafka)

    async def _already_sent(self, partition: int, offset: int) -> set[str]:
        """Read the alert ids on a partition of handoff from an offset on."""
        place = TopicPartition(self.config.topics.handoff, partition)
        return await read_alert_ids(self._new_consumer(), place, offset)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """End the process, because a background task has failed."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Mismatch | StoreRefused):
            self._fail(Exit.REFUSED, str(error))
        elif error is not None:
            self._fail(Exit.TROUBLE, f"a background task failed: {error!r}")

    def _read_scorecards(self, path: Path) -> Scorecards:
        scorecards = Scorecards.read_file(path, self.config.lateness_ms)
        for line in scorecards.warnings:
            log.warning("%s", line)
        return scorecards
