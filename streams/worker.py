"""The worker: builds, starts and stops one process around a Faust app."""

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
from pathlib import Path
from typing import Any

import faust
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.agreement import AgreedScorecards, Scorecards
from streams.clock import SharedClock
from streams.engine import Engine
from streams.environment import Environment, nothing
from streams.exits import Exit
from streams.implementation import Choice, choose
from streams.metrics import Metrics
from streams.mismatch import Mismatch
from streams.scoring.rules import Rules
from streams.store.base import Store
from streams.transport.channel import MOST_RECORDS, Channel
from streams.transport.consumer import Transport
from streams.transport.producer import BATCH_BYTES, Producer
from streams.transport.topics import Partitioner, Topics
from streams.units import HOUR_MS
from streams.yamlfile.watched import Watched

log = logging.getLogger(__name__)
FETCH_WAIT_MS = 20
"""How long a broker may hold back a fetch that finds nothing. The client asks a broker for one thing at a time: while
it waits for news of idle partitions, nothing comes from busy ones, nor from those that have just had something."""
SWITCH_S = 0.0005
"""The thread that talks to Kafka has to wait as long for its turn; Python's default is ten times as much."""
GC_THRESHOLD = 1_000_000
"""Allocations between collections: leads are many, have no cycles, and need no looking at."""


@dataclass(slots=True)
class WorkerConfig:
    """What a worker is to do. ``kafka`` are options of aiokafka's clients: security, credentials."""

    bootstrap: str
    store: Store
    scorecards: Path
    partitions: int
    topics: Topics = field(default_factory=Topics)
    kafka: Mapping[str, Any] = field(default_factory=dict)
    credentials: Any = None
    """The same for Faust."""
    idempotent: bool = True
    group: str = "leadglow"
    lateness_ms: int = 72 * HOUR_MS
    cache_leads: int = 200_000
    link_base: str = ""
    rebuild_when_lost: bool = False
    accelerator: Choice = "auto"
    reached: Callable[[str], Awaitable[None]] = nothing


class WorkerApp(faust.App):
    """Faust with our transport, and no files, tables or web of its own."""

    handler: Engine
    fetch_wait_ms: int
    isolation_level: str

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Faust's folders are for tables; we have none."""


class Worker:
    """One worker process."""

    def __init__(self, plan: WorkerConfig, metrics: Metrics, fail: Callable[[int, str], None] | None = None) -> None:
        """``fail(exit status, message)`` ends the process at once; tests may do otherwise.

        Raises:
            AcceleratorMissing: the accelerator is required and cannot be imported.
        """
        self.plan = plan
        self.metrics = metrics
        self._implementation = choose(plan.accelerator)
        self._fail = fail or end_process
        self._producer = Producer(self._new_producer)
        self._tasks: list[asyncio.Task[None]] = []
        self.app: WorkerApp | None = None
        self.engine: Engine | None = None

    @property
    def ready(self) -> bool:
        """Whether Redis and Kafka answered the last time."""
        return self.engine is not None and self.engine.ready

    def warm_up(self) -> None:
        """Compile what scores, or load it. Takes seconds, so call it in a thread, before ``start``."""
        self._implementation.warm_up()

    async def start(self) -> None:
        """Start everything; records flow when Kafka has assigned partitions.

        Raises:
            YamlFileError: the scorecard file has mistakes.
        """
        gc.set_threshold(GC_THRESHOLD, 20, 100)
        sys.setswitchinterval(SWITCH_S)
        plan = self.plan
        implementation = self._implementation
        log.info("scoring by the %s%s", implementation.name, implementation.reason and f" ({implementation.reason})")
        self.metrics.implementation.info({"name": implementation.name})
        file = Watched(plan.scorecards, self._read_scorecards, "scorecard file", self.metrics.scorecard_errors.inc)
        scorecards = AgreedScorecards(plan.store, file, plan.lateness_ms, self._use_rules)
        rules = file.value.rules
        await self._producer.start()
        await self._check_partitions()
        await self._join_scorecards(scorecards)
        env = Environment(
            plan.store,
            plan.topics,
            Partitioner(plan.partitions, hashed=implementation.murmur2),
            self.metrics,
            f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}",
            plan.link_base,
            plan.cache_leads,
            plan.reached,
            plan.rebuild_when_lost,
            implementation,
            SharedClock(self.metrics.clock_offset.set),
        )
        await env.clock.measure(plan.store.time_ms)
        channel = Channel(
            self._producer,
            plan.topics,
            self.metrics,
            self._already_sent,
            await self._producer.count_partitions(plan.topics.handoff),
            await self._producer.count_partitions(plan.topics.lead_scores),
            plan.reached,
        )
        self.engine = Engine(rules, env, channel, self._fail, real_ends=plan.idempotent)
        self.engine.use_rules(rules)
        self.app = self._new_app(self.engine)
        watching = (self.engine.watch(), scorecards.follow(), env.clock.follow(plan.store.time_ms))
        self._tasks = [asyncio.create_task(each) for each in watching]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        await self.app.start()

    async def stop(self) -> None:
        """Finish the steps in flight and let go of everything."""
        for task in self._tasks:
            task.cancel()
        if self.engine is not None:
            await self.engine.stop()
        if self.app is not None:
            await self.app.stop()
        await self._producer.stop()
        await self.plan.store.close()

    # Making things --------------------------------------------------------------------------------------------

    def _new_app(self, engine: Engine) -> WorkerApp:
        plan = self.plan
        app = WorkerApp(
            plan.group,
            broker=[f"kafka://{server.strip()}" for server in plan.bootstrap.split(",")],
            broker_credentials=plan.credentials,
            # The embedded broker lets the first member of a group wait for half a session, in case others come.
            broker_session_timeout=12.0 if plan.idempotent else 2.0,
            broker_heartbeat_interval=3.0 if plan.idempotent else 0.5,
            broker_max_poll_interval=90.0,
            broker_max_poll_records=MOST_RECORDS,
            consumer_max_fetch_size=4 * 1024 * 1024,
            consumer_auto_offset_reset="earliest",
            topic_disable_leader=True,
            topic_allow_declare=False,
            web_enabled=False,
            store="memory://",
        )
        app.handler = engine
        app.fetch_wait_ms = FETCH_WAIT_MS
        app.isolation_level = "read_committed" if plan.idempotent else "read_uncommitted"
        for name in (*plan.topics.sources, plan.topics.lead_events):
            app.topics.add(app.topic(name, acks=False, value_type=bytes, value_serializer="raw"))
        return app

    def _new_producer(self) -> AIOKafkaProducer:
        plan = self.plan
        return AIOKafkaProducer(
            bootstrap_servers=plan.bootstrap,
            enable_idempotence=plan.idempotent,
            acks="all",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=4 * 1024 * 1024,
            **plan.kafka,
        )

    async def _check_partitions(self) -> None:
        """The number of partitions is asked for once; leads would be lost sight of if it changed."""
        plan = self.plan
        actual = await self._producer.count_partitions(plan.topics.lead_events)
        agreed = await plan.store.meta("partitions", str(actual) if actual == plan.partitions else "")
        wanted = int(agreed or actual)
        if not actual == wanted == plan.partitions:
            state = f" and Redis holds state for {agreed}" if agreed else ""
            self._fail(
                Exit.REFUSED,
                f"LEADGLOW_PARTITIONS is {plan.partitions}, topic {plan.topics.lead_events} has {actual} partitions"
                f"{state}. They must agree: set LEADGLOW_PARTITIONS={wanted}, or start with fresh topics and another "
                "LEADGLOW_NAMESPACE",
            )

    async def _join_scorecards(self, scorecards: AgreedScorecards) -> None:
        try:
            await scorecards.join()
        except Mismatch as mismatch:
            self._fail(Exit.REFUSED, str(mismatch))

    async def _already_sent(self, partition: int, offset: int) -> set[str]:
        """The alert ids on a partition of handoff from an offset on."""
        plan = self.plan
        consumer = AIOKafkaConsumer(bootstrap_servers=plan.bootstrap, enable_auto_commit=False, **plan.kafka)
        tp = TopicPartition(plan.topics.handoff, partition)
        try:
            await consumer.start()
            consumer.assign([tp])
            first = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            consumer.seek(tp, max(first, offset))
            found: set[str] = set()
            while await consumer.position(tp) < end:
                for records in (await consumer.getmany(tp, timeout_ms=500)).values():
                    found.update(_alert_id(record.value) for record in records)
            return found
        finally:
            await consumer.stop()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that watches has ended, which it should not."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Mismatch):
            self._fail(Exit.REFUSED, str(error))
        elif error is not None:
            self._fail(Exit.TROUBLE, f"a watching task ended: {error!r}")

    def _read_scorecards(self, path: Path) -> Scorecards:
        return Scorecards.read_file(path, self.plan.lateness_ms)

    def _use_rules(self, old: Rules, new: Rules) -> None:
        """Score by other scorecards."""
        if self.engine is None:
            return
        log.info("scoring by scorecards %s from here on", new.version[:12])
        if anew := new.counted_anew(old):
            log.warning(
                "another half-life: what leads have of %s counts for nothing until `leadglow rebuild`", ", ".join(anew)
            )
        self.engine.use_rules(new)


def _alert_id(value: bytes | None) -> str:
    try:
        event = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return ""
    return str(event.get("id", "")) if isinstance(event, dict) else ""


def end_process(status: int, message: str) -> None:
    """End at once: what is not committed will be done again by whoever comes next."""
    log.critical("%s", message)
    sys.stderr.flush()
    logging.shutdown()
    os._exit(status)
