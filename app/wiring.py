"""Builds the objects of each command from the settings."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from app.audit import AuditLog
from app.event_log import EventLog
from app.kafka_login import faust_credentials, kafka_options
from app.settings import PREFIX, Settings
from app.settings_source import read_variable
from app.tracing import make_tracer
from streams.store.redis import RedisStore
from streams.transport.batches import BATCH_BYTES
from streams.transport.clients import REQUEST_BYTES
from streams.transport.topics import Topics

if TYPE_CHECKING:
    from app.board.board import Board
    from app.collector.collector import Collector
    from app.notify.service import Notifier
    from streams.metrics import Metrics
    from streams.worker import Worker

CRASH_AT = f"{PREFIX}CRASH_AT"
KAFKA_MS = 10_000
"""How long a command waits for a response of Kafka."""
TAIL_WAIT_MS = 100
"""How long Kafka may delay an empty fetch: other topics may have new records meanwhile."""
ROUTE_FETCH_BYTES = 1024 * 1024
LOOK_FETCH_BYTES = 256 * 1024


def make_topics(settings: Settings) -> Topics:
    """The names of the topics."""
    return Topics(
        settings.sources,
        settings.lead_events,
        settings.handoff,
        settings.lead_scores,
        settings.rejected,
        settings.scorecards_topic,
    )


def make_store(settings: Settings, on_error: Callable[[str], None] = lambda op: None, url: str = "") -> RedisStore:
    """The state in Redis; ``on_error`` is called with each operation that failed and will be retried."""
    return RedisStore(url or settings.redis, settings.namespace, partitions=settings.partitions, on_error=on_error)


def make_admin(settings: Settings) -> AIOKafkaAdminClient:
    """A client for topics; not started."""
    return AIOKafkaAdminClient(bootstrap_servers=settings.kafka, request_timeout_ms=KAFKA_MS, **kafka_options(settings))


@asynccontextmanager
async def started_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for topics, started, and closed afterwards."""
    admin = make_admin(settings)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


def make_producer(settings: Settings) -> AIOKafkaProducer:
    """A producer with acks=all; not started."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        acks="all",
        enable_idempotence=settings.kafka_idempotence,
        request_timeout_ms=KAFKA_MS,
        **kafka_options(settings),
    )


def make_batch_producer(settings: Settings) -> AIOKafkaProducer:
    """The same for large batches, without linger; not started."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        acks="all",
        enable_idempotence=settings.kafka_idempotence,
        request_timeout_ms=KAFKA_MS,
        linger_ms=0,
        max_batch_size=BATCH_BYTES,
        max_request_size=REQUEST_BYTES,
        **kafka_options(settings),
    )


def make_consumer(settings: Settings) -> AIOKafkaConsumer:
    """A consumer without a group; not started."""
    return AIOKafkaConsumer(bootstrap_servers=settings.kafka, request_timeout_ms=KAFKA_MS, **kafka_options(settings))


def make_tail_consumer(settings: Settings, topics: Sequence[str], group: str | None, **limits: int) -> AIOKafkaConsumer:
    """A consumer that follows topics with low latency, within ``limits`` of aiokafka; not started."""
    return AIOKafkaConsumer(
        *topics,
        group_id=group,
        bootstrap_servers=settings.kafka,
        request_timeout_ms=KAFKA_MS,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=TAIL_WAIT_MS,
        **limits,
        **kafka_options(settings),
    )


def make_group_consumer(settings: Settings) -> AIOKafkaConsumer:
    """A consumer that reads committed records, and positions of the workers' group without joining it; not started."""
    return AIOKafkaConsumer(
        group_id=settings.namespace,
        bootstrap_servers=settings.kafka,
        request_timeout_ms=KAFKA_MS,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed" if settings.kafka_idempotence else "read_uncommitted",
        max_partition_fetch_bytes=REQUEST_BYTES,
        **kafka_options(settings),
    )


def make_event_log(settings: Settings) -> EventLog:
    """What reads single events of lead-events; not connected."""
    limits = {"fetch_max_bytes": LOOK_FETCH_BYTES, "max_partition_fetch_bytes": LOOK_FETCH_BYTES}
    return EventLog(lambda: make_tail_consumer(settings, (), None, **limits), settings.lead_events, settings.partitions)


def make_worker(settings: Settings, metrics: Metrics) -> Worker:
    """The worker with its store; not started.

    Raises:
        AcceleratorMissing: the accelerator is required and cannot be imported.
    """
    from streams.worker import Worker, WorkerConfig  # importing Faust takes a second

    store = make_store(settings, lambda op: metrics.store_errors.labels(op).inc())
    config = WorkerConfig(
        bootstrap=settings.kafka,
        store=store,
        scorecards=settings.scorecards,
        partitions=settings.partitions,
        topics=make_topics(settings),
        kafka=kafka_options(settings),
        credentials=faust_credentials(settings),
        idempotent=settings.kafka_idempotence,
        group=settings.namespace,
        lateness_ms=settings.lateness_ms,
        cache_leads=settings.cache_leads,
        link_base=settings.link_base_url,
        rebuild_when_lost=settings.rebuild_when_lost,
        most_alerts=settings.most_model_alerts,
        accelerator=settings.accelerator,
        tracer=make_tracer(settings, "leadglow-worker"),
    )
    config.reached = find_crash_point()
    return Worker(config, metrics)


def make_collector(settings: Settings) -> Collector:
    """The collector; not started.

    Raises:
        YamlFileError: the keys file has mistakes.
        AuditLogUnwritable: the audit log cannot be written.
    """
    from app.collector.collector import Collector
    from app.collector.reception import EventSettings
    from app.collector.request_reader import Limits

    assert settings.collector_keys is not None
    events = EventSettings(
        settings.collector_web_topic,
        settings.collector_mail_topic,
        settings.rejected,
        tuple(filter(None, settings.collector_consent_path.split("."))),
        settings.collector_honour_gpc,
    )
    limits = Limits(
        settings.collector_max_body_bytes,
        settings.collector_max_in_flight_bytes,
        settings.collector_trusted_proxies,
        settings.collector_public_url,
    )
    tracer, audit = make_tracer(settings, "leadglow-collector"), AuditLog(settings.audit_log, "collector")
    return Collector(lambda: make_batch_producer(settings), settings.collector_keys, events, limits, tracer, audit)


def make_board(settings: Settings) -> Board:
    """The board; not started.

    Raises:
        YamlFileError: the scorecards, the access file or the costs file have mistakes.
        AuditLogUnwritable: the audit log cannot be written.
    """
    from app.board.board import Board, BoardConfig

    return Board(
        BoardConfig(
            lambda on_error: make_store(settings, on_error, settings.board_redis),
            lambda topics, group: make_tail_consumer(settings, topics, group),
            make_event_log(settings),
            lambda: make_admin(settings),
            lambda: make_producer(settings),
            make_topics(settings),
            settings.namespace,
            settings.undelivered,
            settings.partitions,
            settings.scorecards,
            settings.lateness_ms,
            settings.most_model_alerts,
            settings.board_access,
            settings.board_costs,
            settings.link_base_url.startswith("https:"),
            settings.board_index,
            settings.board_traits,
            AuditLog(settings.audit_log, "board"),
            settings.board_compare_minutes * 60,
        )
    )


def make_notifier(settings: Settings) -> Notifier:
    """The notifier; not started.

    Raises:
        YamlFileError: the routes file has mistakes, or a secret is missing.
        AuditLogUnwritable: the audit log cannot be written.
    """
    from app.notify.service import Notifier, NotifyConfig

    assert settings.notify_routes is not None
    return Notifier(
        NotifyConfig(
            settings.notify_routes,
            read_variable,
            lambda group: make_route_consumer(settings, group),
            lambda: make_batch_producer(settings),
            lambda: make_admin(settings),
            settings.handoff,
            settings.undelivered,
            settings.namespace,
            reached=find_crash_point(),
            tracer=make_tracer(settings, "leadglow-notifier"),
            audit=AuditLog(settings.audit_log, "notify"),
        )
    )


def make_route_consumer(settings: Settings, group: str) -> AIOKafkaConsumer:
    """A consumer of a route's group, which keeps little in memory; not started and not subscribed."""
    limits = {"fetch_max_bytes": ROUTE_FETCH_BYTES, "max_partition_fetch_bytes": ROUTE_FETCH_BYTES // 4}
    return make_tail_consumer(settings, (), group, **limits)


def find_crash_point() -> Callable[[str], Coroutine[Any, Any, None]]:
    """To call when a named step is reached: does nothing, except in the fault tests."""
    return make_crash_point(os.environ.get(CRASH_AT, ""))  # noqa: TID251 - only for the fault tests, so not a setting


def make_crash_point(at: str) -> Callable[[str], Coroutine[Any, Any, None]]:
    """Kill this process, or halt it, when a step is reached for the n-th time: ``step:n`` or ``step:n:STOP``."""
    name, _, rest = at.partition(":")
    number, _, how = rest.partition(":")
    reached: Counter[str] = Counter()

    async def crash(step: str) -> None:
        reached[step] += 1
        if step == name and reached[step] == int(number or 1):
            os.kill(os.getpid(), signal.Signals[f"SIG{how or 'KILL'}"])

    return crash
