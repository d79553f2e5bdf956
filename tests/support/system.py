"""A Leadglow system for tests: its own topics and keys on shared servers, its commands and processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from typer.testing import CliRunner, Result

from app.cli.root import build
from app.embedded.child import start_child
from app.kafka_login import kafka_options
from app.settings import Settings
from app.settings_source import load_settings
from app.wiring import make_producer, make_store
from streams.store.base import Store
from streams.transport.topics import partition_of
from tests.support.probes import read_metric, read_status
from tests.support.servers import Running
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
SCORECARDS = ROOT / "tests/data/scorecards/golden.yaml"
ASKED_CARD = """
leadglow: 1
signals: {ask: {event: Asked, half_life: 30d}}
scorecards:
  default:
    points: {ask: 40}
    stages: [{name: hot, enter: 30, leave: 20, handoff: true}]
"""
"""A scorecard by which one event, `Asked`, causes an alert."""
PARTITIONS = 4
STOP_S = 120


class System:
    """The settings of a Leadglow installation as environment variables."""

    def __init__(self, kafka: Running, redis_url: str, name: str, **settings: str) -> None:
        topics = ("lead_events", "handoff", "lead_scores", "rejected", "scorecards_topic", "undelivered")
        values = {
            "kafka": kafka.address,
            "kafka_idempotence": str(kafka.idempotent).lower(),
            "redis": redis_url,
            "namespace": name,
            "scorecards": str(SCORECARDS),
            "partitions": str(PARTITIONS),
            "sources": f"{name}-web",
            "metrics_port": "0",
            **{topic: f"{name}-{topic}" for topic in topics},
            **settings,
        }
        self.env = {f"LEADGLOW_{key.upper()}": value for key, value in values.items()}

    @property
    def settings(self) -> Settings:
        return load_settings(self.env)

    def with_settings(self, **changed: str) -> Settings:
        """The settings with some changed."""
        return load_settings(self.env | {f"LEADGLOW_{key.upper()}": value for key, value in changed.items()})

    def run(self, *args: str, stdin: str = "", **changed: str) -> Result:
        """Run a command in this process."""
        env = self.env | {f"LEADGLOW_{key.upper()}": value for key, value in changed.items()}
        return CliRunner().invoke(build(), list(args), input=stdin, env=env)

    def json(self, *args: str) -> Any:
        result = self.run(*args, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    @contextmanager
    def worker(self, **changed: str) -> Iterator["WorkerProcess"]:
        """A worker process, killed afterwards if it still runs."""
        with self._process("worker", changed) as process:
            yield WorkerProcess(process)

    @contextmanager
    def collector(self, keys: Path, **changed: str) -> Iterator["CollectorProcess"]:
        """A collector process with a keys file, killed afterwards if it still runs."""
        ports = {"collector_port": "0", "collector_metrics_port": "0"}
        with self._process("collector", {"collector_keys": str(keys), **ports, **changed}) as process:
            yield CollectorProcess(process)

    @contextmanager
    def board(self, **changed: str) -> Iterator["CollectorProcess"]:
        """A board process, killed afterwards if it still runs."""
        with self._process("board", {"board_port": "0", "board_metrics_port": "0", **changed}) as process:
            yield CollectorProcess(process)

    @contextmanager
    def notifier(self, routes: Path, **changed: str) -> Iterator["WorkerProcess"]:
        """A notifier process with a routes file, killed afterwards if it still runs."""
        with self._process("notify", {"notify_routes": str(routes), "notify_metrics_port": "0", **changed}) as process:
            yield WorkerProcess(process)

    @contextmanager
    def _process(self, command: str, changed: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
        env = self.env | {f"LEADGLOW_{key.upper()}": value for key, value in changed.items()}
        argv = [sys.executable, "-m", "app", command]
        env = {**os.environ, **env}  # noqa: TID251 - a child needs its PATH
        pipe = subprocess.PIPE
        process = start_child(argv, cwd=ROOT, env=env, text=True, stdout=pipe, stderr=pipe)
        with process:
            try:
                yield process
            finally:
                process.kill()

    def send(self, events: Iterable[tuple[int, dict[str, Any]]], topic: str | None = None) -> None:
        """Put (arrival, event) on a topic: the source, or, keyed by lead, the one given."""
        asyncio.run(self._send(events, topic))

    async def _send(self, events: Iterable[tuple[int, dict[str, Any]]], topic: str | None) -> None:
        producer = make_producer(self.settings)
        await producer.start()
        try:
            for arrival, event in events:
                where: dict[str, Any] = {}
                if topic is not None:
                    lead_id = event["userId"]
                    where = {"key": lead_id.encode(), "partition": partition_of(lead_id, PARTITIONS)}
                value = json.dumps(event).encode()
                name = topic or self.settings.sources[0]
                await producer.send_and_wait(name, value, timestamp_ms=arrival, **where)
        finally:
            await producer.stop()

    def records(self, topic: str) -> list[Any]:
        """All records that a topic has now."""
        return asyncio.run(self._records(topic))

    async def _records(self, topic: str) -> list[Any]:
        options = kafka_options(self.settings)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka, auto_offset_reset="earliest", **options)
        await consumer.start()
        try:
            places = [TopicPartition(topic, p) for p in range(PARTITIONS)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[Any] = []
            for place in places:
                while await consumer.position(place) < ends[place]:
                    for batch in (await consumer.getmany(place, timeout_ms=200)).values():
                        found += batch
            return found
        finally:
            await consumer.stop()

    def wait_until_scored(self) -> None:
        """Return when the shards have scored every record that lead-events has now."""
        ends = [0] * PARTITIONS
        for record in self.records(self.settings.lead_events):
            ends[record.partition] = record.offset + 1
        wait_for(
            lambda: all(at >= end for at, end in zip(self.checkpoints(), ends, strict=True)),
            "scored",
            said=lambda: f"{self.checkpoints()} of {ends}",
        )

    def wait_until_published(self) -> None:
        """Return when no alert waits to be published."""
        wait_for(lambda: self.unpublished() == 0, "published", said=lambda: f"{self.unpublished()} alerts wait")

    def checkpoints(self) -> list[int]:
        """The number of records of lead-events that each shard has scored."""
        return asyncio.run(self._of_each_shard(self._checkpoint))

    def unpublished(self) -> int:
        """The number of alerts that wait to be published."""
        return sum(asyncio.run(self._of_each_shard(self._outbox_size)))

    async def _of_each_shard(self, read: Callable[[Store, int], Awaitable[int]]) -> list[int]:
        store = make_store(self.settings)
        try:
            return [await read(store, p) for p in range(PARTITIONS)]
        finally:
            await store.close()

    @staticmethod
    async def _checkpoint(store: Store, partition: int) -> int:
        return int((await store.control(partition)).fields.get("ckpt", b"0"))

    @staticmethod
    async def _outbox_size(store: Store, partition: int) -> int:
        return (await store.counts(partition))["outbox"]


class WorkerProcess:
    """A worker as others see it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._address = ""

    @property
    def address(self) -> str:
        """The URL of the probes, from the first line of output."""
        if not self._address:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert "metrics on" in line, line + self.ended()[1]
            self._address = line.split()[-1].removesuffix("/metrics")
        return self._address

    def probe(self, path: str) -> int:
        """The HTTP status of /live or /ready; 0 without an answer."""
        return read_status(f"{self.address}{path}")

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        return read_metric(self.address, name, **labels)

    def wait_ready(self) -> None:
        wait_for(lambda: self.probe("/ready") == 200 or self.process.poll() is not None, "ready")
        assert self.process.poll() is None, self.ended()

    def says(self, words: str) -> str:
        """The next line on stderr with these words."""
        assert self.process.stderr is not None
        return next(line for line in self.process.stderr if words in line)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stop it by a signal; returns its exit status and its stderr."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        _, stderr = self.process.communicate(timeout=STOP_S)
        return self.process.returncode, stderr


class CollectorProcess(WorkerProcess):
    """A collector, or a board, as others see it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        super().__init__(process)
        self._url = ""

    @property
    def url(self) -> str:
        """The URL that it serves, from its second line of output."""
        if not self._url:
            assert self.address
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert "listening on" in line, line
            self._url = line.split()[-1]
        return self._url
