"""Runs the parts of a demo: creates its topics and starts a worker, a collector and a board."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

import app
from app.demo.servers import PARTITIONS
from app.embedded.child import temporary_folder
from app.embedded.server import Server, ServerError, free_port
from app.settings import Settings, variable
from streams.store.client import connect
from streams.store.redis import RedisStore
from streams.transport.stopping import stop_consumer
from streams.transport.topics import Topics

READY_S = 180.0
FETCH_WAIT_MS = 20
"""The embedded broker delays a fetch for about this long even if records arrive."""
ANSWER_S = 15.0
"""The timeout for answers of Kafka and Redis."""


class DemoError(Exception):
    """The demo cannot continue; the message has the reason."""


@dataclass(slots=True)
class Stack:
    """The settings, clients and processes of a demo. ``kafka`` holds options of the aiokafka clients."""

    settings: Settings
    topics: Topics
    store: RedisStore
    kafka: Mapping[str, Any]
    children: dict[str, Server] = field(default_factory=dict)
    """The worker, the collector and the board, by these names."""
    env_file: Path | None = None
    """A shell script that sets the settings, so that other commands use this demo."""

    @property
    def collector(self) -> str:
        """The URL of the collector."""
        return f"http://{self.settings.collector_host}:{self.settings.collector_port}"

    @property
    def board(self) -> str:
        """The URL of the board."""
        return f"http://{self.settings.board_host}:{self.settings.board_port}"

    def check(self) -> None:
        """Check that all processes are still running.

        Raises:
            DemoError: a process has ended; the message has the end of its log.
        """
        for name, child in self.children.items():
            if child.process.poll() is not None:
                msg = f"the {name} ended unexpectedly; the end of its log:\n{_tail(child.log_path)}"
                raise DemoError(msg)

    async def metrics(self) -> dict[tuple[str, str], float]:
        """The worker's metrics by (name, value of its first label)."""
        self.check()
        text = await _get(f"http://{self.settings.metrics_host}:{self.settings.metrics_port}/metrics")
        families = text_string_to_metric_families(text or "")
        return {(s.name, next(iter(s.labels.values()), "")): s.value for f in families for s in f.samples}

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """A producer for the source topics."""
        producer = AIOKafkaProducer(**self.kafka, acks="all", linger_ms=5, max_batch_size=256 * 1024)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    @asynccontextmanager
    async def consumer(self, *names: str) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer of all partitions of these topics, from their beginning, without a group."""
        consumer = AIOKafkaConsumer(
            **self.kafka,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(name, p) for name in names for p in range(PARTITIONS)])
            yield consumer
        finally:
            await stop_consumer(consumer)


@asynccontextmanager
async def running(stack: Stack, lasting: bool) -> AsyncIterator[Stack]:
    """Create topics and run the processes. On ``lasting`` servers all topics and keys are removed afterwards."""
    await _check_servers(stack)
    try:
        await _create_topics(stack)
        with temporary_folder("leadglow-demo-") as folder:
            try:
                start_children(stack, folder)
                await _until_ready(stack, folder)
                stack.env_file = _write_settings(stack.settings, folder)
                yield stack
            finally:
                await asyncio.gather(*(asyncio.to_thread(child.stop) for child in stack.children.values()))
    finally:
        await asyncio.wait_for(stack.store.close(), ANSWER_S)
        if lasting:
            await _remove(stack)


def start_children(stack: Stack, directory: Path) -> None:
    """Start the worker, the collector and the board."""
    for name in ("worker", "collector", "board"):
        _start_child(stack, name, directory)


def _start_child(stack: Stack, name: str, directory: Path) -> None:
    """Start a process in its own directory."""
    settings = stack.settings
    port = {
        "worker": settings.metrics_port,
        "collector": settings.collector_metrics_port,
        "board": settings.board_metrics_port,
    }[name]
    own = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=directory))
    stack.children[name] = Server([sys.executable, "-m", "app", name], port, own, environment(settings))


def move_board(stack: Stack, directory: Path) -> None:
    """Restart the board on a free port if another program has taken its port in the meantime."""
    board = stack.children["board"]
    if board.process.poll() is not None and variable("board_port") in _tail(board.log_path):
        stack.settings = stack.settings.model_copy(update={"board_port": free_port()})
        _start_child(stack, "board", directory)


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables for a child process, without the caller's own environment."""
    return {"PYTHONPATH": str(Path(app.__file__ or "").parents[1]), **_variables(settings)}


def _variables(settings: Settings) -> dict[str, str]:
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {variable(name): _text(value) for name, value in values.items() if value not in (None, "")}


def _write_settings(settings: Settings, directory: Path) -> Path:
    """Write a shell script that sets the settings; the directory is the user's alone."""
    path = directory / "env"
    lines = (f"export {name}={shlex.quote(text)}\n" for name, text in _variables(settings).items())
    path.write_text("".join(lines))
    return path


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


async def _check_servers(stack: Stack) -> None:
    """Check that Redis and Kafka answer.

    Raises:
        DemoError: one of them does not answer.
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            await stack.store.control(0)
    except TimeoutError:
        msg = "Redis does not answer: check that it runs, and check --redis"
        raise DemoError(msg) from None
    try:
        async with asyncio.timeout(ANSWER_S), _admin(stack):
            pass
    except (KafkaError, TimeoutError) as error:
        place = stack.settings.kafka
        msg = f"Kafka at {place} cannot be reached ({error or 'no answer'}): check that it runs, and check --kafka"
        raise DemoError(msg) from None


async def _create_topics(stack: Stack) -> None:
    topics = stack.topics
    plain = [*topics.sources, topics.lead_events, topics.handoff, topics.rejected]
    alone = {"min.insync.replicas": "1"}
    wanted = [NewTopic(name, PARTITIONS, 1, topic_configs=alone) for name in plain]
    compacted = {**alone, "cleanup.policy": "compact"}
    wanted.append(NewTopic(topics.lead_scores, PARTITIONS, 1, topic_configs=compacted))
    wanted.append(NewTopic(topics.scorecards, 1, 1, topic_configs=compacted))
    async with _admin(stack) as admin:
        reply: Any = await admin.create_topics(wanted)
    refused = [f"{row[0]} (error {row[1]})" for row in reply.topic_errors if row[1]]
    if refused:
        msg = f"Kafka refused to create topics: {', '.join(refused)}"
        raise DemoError(msg)


async def _until_ready(stack: Stack, directory: Path) -> None:
    """Wait until all processes report that they are ready."""
    deadline = asyncio.get_running_loop().time() + READY_S
    for name in tuple(stack.children):
        while await _get(f"http://{stack.children[name].address}/ready") is None:
            move_board(stack, directory)
            stack.check()
            if asyncio.get_running_loop().time() > deadline:
                log = _tail(stack.children[name].log_path)
                msg = f"the {name} was not ready in {READY_S:.0f} s; its log:\n{log}"
                raise DemoError(msg)
            await asyncio.sleep(0.05)


async def _get(url: str) -> str | None:
    """The text at a URL; None if there is no answer or an error."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.text() if answer.ok else None
    except aiohttp.ClientError:
        return None


async def _remove(stack: Stack) -> None:
    """Remove all topics and keys of the demo from the servers; print what cannot be removed."""
    namespace, topics = stack.settings.namespace, stack.topics
    written = [topics.lead_events, topics.handoff, topics.lead_scores, topics.rejected, topics.scorecards]
    try:
        async with asyncio.timeout(ANSWER_S), _admin(stack) as admin:
            await admin.delete_topics([*topics.sources, *written])
    except (KafkaError, TimeoutError, OSError) as error:
        print(f"the topics {namespace}.* could not be removed: {error!r}", file=sys.stderr)
    client: Any = connect(stack.settings.redis)
    try:
        async with asyncio.timeout(ANSWER_S):
            keys = [key async for key in client.scan_iter(match=f"{namespace}:*", count=1000)]
            for key in keys:
                await client.unlink(key)
    except Exception as error:
        print(f"the keys {namespace}:* could not be removed: {error!r}", file=sys.stderr)
    finally:
        await client.aclose()


@asynccontextmanager
async def _admin(stack: Stack) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**stack.kafka)
    try:
        await admin.start()
        yield admin
    finally:
        with contextlib.suppress(KafkaError):
            await admin.close()


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


__all__ = ["DemoError", "ServerError", "Stack", "environment", "move_board", "running", "start_children"]
