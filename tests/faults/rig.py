"""A complete Leadglow system for fault tests: topics, its own Redis, worker processes and all their output."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

import orjson
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.protocol.group import LeaveGroupRequest
from redis.asyncio import Redis

from app.embedded.redis import start_redis
from app.embedded.server import Server, free_port
from streams.events.records import SOURCE_HEADER
from streams.publishing.catalog import Catalog
from streams.publishing.topic import ScorecardsTopic
from streams.scorefile import load_file
from streams.scoring.rules import Rules
from streams.store.redis import RedisStore
from streams.transport.alert_ids import alert_id_of
from streams.transport.stopping import stop_consumer
from tests.faults.oracle import Found, differences
from tests.faults.workload import SOURCES, Sent
from tests.support.probes import read_metric, read_status
from tests.support.servers import Running

ROOT = Path(__file__).parents[2]
SCORECARDS = Path(__file__).with_name("scorecards.yaml")
COMPACTED = ("lead-scores", "scorecards")
DEADLINE_S = 180.0
"""Generous, for a busy machine."""
LATENESS_MS = 72 * 3_600_000
Value = TypeVar("Value")


async def until(
    what: str,
    probe: Callable[[], Awaitable[Value]],
    said: Callable[[], str] = str,
    deadline_s: float = DEADLINE_S,
) -> Value:
    """Wait until the probe returns true; ``said`` returns details for the error message."""
    end = time.monotonic() + deadline_s
    while not (answer := await probe()):
        assert time.monotonic() < end, f"{what}: not within {deadline_s} s\n{said()}"
        await asyncio.sleep(0.03)
    return answer


class Worker:
    """A worker process."""

    def __init__(self, server: Server) -> None:
        """Wrap a running server process."""
        self._server = server

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while the worker runs."""
        return self._server.process.poll()

    @property
    def pid(self) -> int:
        """The process."""
        return self._server.process.pid

    @property
    def asleep(self) -> bool:
        """Whether the worker is stopped by a signal."""
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    @property
    def log(self) -> str:
        """The whole log."""
        return self._server.log_path.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._server.process.send_signal(number)

    def kill(self) -> None:
        """Kill the worker."""
        self._server.process.kill()
        self._server.process.wait()

    async def ended(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait until the worker has ended; returns the exit status."""

        async def over() -> bool:
            return self.status is not None

        await until("the end of a worker", over, lambda: self.log[-3000:], deadline_s)
        assert self.status is not None
        return self.status

    async def ready(self) -> bool | None:
        """The reply of ``/ready``; None if there is no answer."""
        status = await asyncio.to_thread(read_status, f"http://{self._server.address}/ready")
        return status == 200 if status else None

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels; 0 without an answer."""
        try:
            return await asyncio.to_thread(read_metric, f"http://{self._server.address}", name, **labels)
        except (OSError, HTTPException):
            return 0


class Rig:
    """A Leadglow system. Call ``open`` first and ``close`` last. Topics have the default names with a prefix."""

    def __init__(self, kafka: Running, directory: Path, name: str, partitions: int = 4, redis_url: str = "") -> None:
        """``name`` is the prefix of all names; ``redis_url`` is the URL of an existing Redis."""
        self.kafka = kafka
        self.name = name
        self.directory = directory
        self.partitions = partitions
        self.scorecards = directory / "scorecards.yaml"
        self.scorecards.write_bytes(SCORECARDS.read_bytes())
        self.accelerator = ""
        """LEADGLOW_ACCELERATOR of the workers; if empty, the environment decides."""
        self.workers: list[Worker] = []
        self.redis: Server
        self._redis_url = redis_url
        self.store: RedisStore
        self.records: dict[TopicPartition, list[Any]] = defaultdict(list)
        self.sent: dict[str, int] = {}
        """Source partition -> acknowledged records."""
        self._redis_directory = directory / "redis"
        self._redis_directory.mkdir()
        self._servers: list[Server] = []

    # Servers --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start everything that a worker needs."""
        if not self._redis_url:
            await self.start_redis()
        self.store = RedisStore(self.redis_url, self.name, partitions=self.partitions)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.address)
        await self._admin.start()
        await self.create_topics()
        self._producer = AIOKafkaProducer(bootstrap_servers=self.kafka.address, acks="all")
        await self._producer.start()
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.address, auto_offset_reset="earliest")
        await self._consumer.start()
        names = ("lead-events", "handoff", "rejected-events", "lead-scores")
        self._followed = [TopicPartition(self.topic(n), p) for n in names for p in range(self.partitions)]
        self._consumer.assign(self._followed)

    async def use_partitions(self, total: int) -> None:
        """Expect so many partitions of lead-events from now on; what was read stays."""
        added = [TopicPartition(self.topic("lead-events"), p) for p in range(self.partitions, total)]
        self.partitions = total
        await self.store.close()
        self.store = RedisStore(self.redis_url, self.name, partitions=total)
        self._followed += added
        places = {place: len(self.records[place]) for place in self._followed}
        self._consumer.assign(self._followed)
        for place, offset in places.items():
            self._consumer.seek(place, offset)

    @property
    def redis_url(self) -> str:
        """The URL of Redis."""
        return self._redis_url or f"redis://{self.redis.address}"

    async def create_topics(self) -> None:
        """Create all topics."""
        counts = dict(SOURCES) | dict.fromkeys(
            ("lead-events", "handoff", "rejected-events", "lead-scores"), self.partitions
        )
        counts["scorecards"] = 1
        await self._admin.create_topics([self._new_topic(name, count) for name, count in counts.items()])

    def _new_topic(self, name: str, partitions: int) -> NewTopic:
        policy = {"cleanup.policy": "compact"} if name in COMPACTED else {}
        return NewTopic(self.topic(name), partitions, 1, topic_configs=policy)

    async def recreate(self, topic: str) -> None:
        """Delete a topic and create it again."""
        await self._admin.delete_topics([self.topic(topic)])

        async def created() -> bool:
            if self.topic(topic) not in await self._admin.list_topics():
                count = dict(SOURCES).get(topic, self.partitions)
                await self._admin.create_topics([self._new_topic(topic, count)])
                return True
            return False

        await until("the end of a topic", created)

    async def add_partitions(self, topic: str, total: int) -> None:
        """Add partitions to a topic."""
        await self._admin.create_partitions({self.topic(topic): NewPartitions(total)})

        async def listed() -> bool:
            await self._producer.client.force_metadata_update()
            return len(await self._producer.partitions_for(self.topic(topic))) == total

        await until("partitions in the metadata", listed)

    async def set_topic(self, topic: str, **settings: str) -> None:
        """Set options of a topic; write dots as underscores."""
        values = {name.replace("_", "."): value for name, value in settings.items()}
        await self._admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self.topic(topic), values)])

    async def delete_records(self, topic: str) -> None:
        """Delete all records of a topic."""
        partitions = [TopicPartition(self.topic(topic), p) for p in range(self.partitions)]
        await self._admin.delete_records({tp: RecordsToDelete(-1) for tp in partitions})

    def filler(self, counts: Mapping[int, int]) -> list[Sent]:
        """Create records for lead-events, the same number for each partition."""
        value = b'{"type":"page","userId":"filler"}'
        return [Sent("lead-events", p, value) for p, count in counts.items() for _ in range(count)]

    async def start_redis(self, appendonly: str = "yes") -> None:
        """Start Redis, or restart it with its data; without an append-only file with those of the snapshot."""
        options = ("--appendonly", appendonly, "--appendfsync", "everysec")
        port = self.redis.port if self._servers else 0
        self.redis = start_redis(self._redis_directory, *options, port=port)
        self._servers.append(self.redis)
        await asyncio.to_thread(self.redis.wait_ready)

    def kill_redis(self) -> None:
        """Kill Redis."""
        self.redis.process.kill()
        self.redis.process.wait()

    async def fail_over(self, replica: Server) -> None:
        """Kill Redis, and use another one from now on."""
        self.kill_redis()
        await self.store.close()
        self.redis = replica
        self._servers.append(replica)
        self.store = RedisStore(self.redis_url, self.name, partitions=self.partitions)

    @property
    def snapshot(self) -> Path:
        """The snapshot file of Redis."""
        return self._redis_directory / "dump.rdb"

    @property
    def append_only_file(self) -> Path:
        """The append-only file of Redis."""
        return max(self._redis_directory.glob("appendonlydir/*.incr.aof"))

    def topic(self, name: str) -> str:
        """The name of a topic in this rig."""
        return f"{self.name}-{name}"

    async def close(self) -> None:
        """Stop everything, in any state."""
        for worker in self.workers:
            worker.kill()
        await stop_consumer(self._consumer)
        await self._producer.stop()
        await self._admin.close()
        await self.store.close()
        for server in self._servers:
            await asyncio.to_thread(server.stop)

    # Workers --------------------------------------------------------------------------------------------------

    def start_worker(self, crash_at: str = "", module: str = "app", code: Path = ROOT, **settings: object) -> Worker:
        """Start a worker by ``python -m module``; it ends itself at ``crash_at`` (step:n, or step:n:STOP)."""
        worker = Worker(self._start(("worker",), f"worker-{len(self.workers)}", settings, crash_at, module, code))
        self.workers.append(worker)
        return worker

    def start_notifier(self, crash_at: str = "", **settings: object) -> Worker:
        """Start a notifier; the settings name its routes file."""
        name = f"notifier-{len(self.workers)}"
        notifier = Worker(self._start(("notify",), name, settings, crash_at))
        self.workers.append(notifier)
        return notifier

    def _start(
        self,
        arguments: Iterable[str],
        name: str,
        settings: Mapping[str, object],
        crash_at: str = "",
        module: str = "app",
        code: Path = ROOT,
    ) -> Server:
        port = free_port()
        values: dict[str, object] = {
            "kafka": self.kafka.address,
            "kafka_idempotence": self.kafka.idempotent,
            "redis": self.redis_url,
            "namespace": self.name,
            "scorecards": self.scorecards,
            "partitions": self.partitions,
            "sources": ",".join(self.topic(source) for source, _ in SOURCES),
            "lead_events": self.topic("lead-events"),
            "handoff": self.topic("handoff"),
            "lead_scores": self.topic("lead-scores"),
            "rejected": self.topic("rejected-events"),
            "scorecards_topic": self.topic("scorecards"),
            "metrics_port": port,
            "notify_metrics_port": port,
            "most_model_alerts": 1_000_000,
            **({"accelerator": self.accelerator} if self.accelerator else {}),
            **settings,
        }
        env = {f"LEADGLOW_{key.upper()}": str(value) for key, value in values.items()}
        env |= {"PYTHONPATH": str(code)} | ({"LEADGLOW_CRASH_AT": crash_at} if crash_at else {})
        directory = self.directory / name
        directory.mkdir()
        return Server([sys.executable, "-m", module, *arguments], port, directory, env)

    async def command(self, *arguments: str, crash_at: str = "", **settings: object) -> tuple[int, str]:
        """Run a command to its end, or to ``crash_at``; returns its exit status and output."""
        server = self._start(arguments, f"command-{len(self._servers)}", settings, crash_at)
        self._servers.append(server)
        worker = Worker(server)
        return await worker.ended(), worker.log

    async def stop_and_empty(self, worker: Worker) -> None:
        """Stop a worker, and remove everything from Redis."""
        worker.send(signal.SIGTERM)
        assert await worker.ended() == 0, worker.log
        async with Redis(port=self.redis.port) as redis:
            await redis.flushall()

    async def forget_dead(self) -> None:
        """Remove members that have ended from the group now, instead of after the session timeout."""
        await self.forget_members(self.name)

    async def forget_members(self, *groups: str) -> None:
        """Remove all members of groups, which have ended."""
        for group in groups:
            for member in await self.members(group):
                node = await self._admin.find_coordinator(group)
                await self._admin._send_request(LeaveGroupRequest(group, member), node)

    async def members(self, group: str = "") -> list[str]:
        """The ids of a group's members; by default of the workers' group."""
        described = await self._admin.describe_consumer_groups([group or self.name])
        return [member[0] for _, _, _, _, _, members, *_ in described[0].groups for member in members]

    # Traffic --------------------------------------------------------------------------------------------------

    async def send(self, records: Iterable[Sent], producer: AIOKafkaProducer | None = None) -> None:
        """Send records and wait for the acknowledgements."""
        producer = producer or self._producer
        waiting = [
            (r, await producer.send(self.topic(r.topic), r.value, key=r.key, partition=r.partition)) for r in records
        ]
        for record, future in waiting:
            metadata = await future
            if record.topic != "lead-events":
                self.sent[f"{metadata.topic}:{metadata.partition}"] = metadata.offset + 1

    async def read(self) -> None:
        """Read the new output of the workers."""
        ends = await self._consumer.end_offsets(self._followed)
        while True:
            behind = [tp for tp in self._followed if await self._consumer.position(tp) < ends[tp]]
            if not behind:
                return
            for tp, records in (await self._consumer.getmany(*behind, timeout_ms=1000)).items():
                self.records[tp] += records

    def of(self, topic: str) -> dict[int, list[Any]]:
        """The records read from a topic."""
        return {p: self.records[TopicPartition(self.topic(topic), p)] for p in range(self.partitions)}

    # The outcome ----------------------------------------------------------------------------------------------

    async def settled(self, deadline_s: float = DEADLINE_S) -> Found:
        """Wait until all work is done; returns the state and output."""
        end = time.monotonic() + deadline_s
        while isinstance(found := await self._settled(), str):
            assert time.monotonic() < end, f"{found}; workers said\n{self.said()}"
            await asyncio.sleep(0.05)
        return found

    def said(self) -> str:
        """The end of each worker's log."""
        return "\n--\n".join(f"[{w.status}] {w.log[-2500:]}" for w in self.workers)

    async def _settled(self) -> Found | str:
        """The state and output, or a description of unfinished work."""
        before = await self.versions()
        for p in range(self.partitions):
            counts = await self.store.counts(p)
            if counts["outbox"] or counts["dirty"]:
                return f"partition {p} has still something to send: {counts}"
        await self.read()
        if missing := self._not_carried():
            return f"{len(missing)} records were not carried over, such as {sorted(missing)[:5]}"
        found = await self._found()
        ends = {p: records[-1].offset + 1 if records else 0 for p, records in found.lead_events.items()}
        if ends != found.checkpoints:
            return f"scored up to {found.checkpoints} of {ends}"
        return found if before == await self.versions() else "the state moves"

    def _not_carried(self) -> set[bytes]:
        """The coordinates of source records that became neither one of lead-events nor a rejected one."""
        places = {f"{tp}:{i}".encode() for tp, end in self.sent.items() for i in range(end)}
        for topic in ("lead-events", "rejected-events"):
            for records in self.of(topic).values():
                places -= {header(record, SOURCE_HEADER) for record in records}
        return places

    async def owners(self) -> list[str]:
        """The worker that last wrote each shard."""
        controls = [await self.store.control(p) for p in range(self.partitions)]
        return [control.fields["owner"].decode() for control in controls]

    async def versions(self) -> list[int]:
        return [(await self.store.control(p)).version for p in range(self.partitions)]

    async def _found(self) -> Found:
        controls = {p: await self.store.control(p) for p in range(self.partitions)}
        return Found(
            {p: list(records) for p, records in self.of("lead-events").items()},
            {p: {lead_id: blob async for lead_id, blob in self.store.scan(p)} for p in range(self.partitions)},
            {p: int(control.fields.get("ckpt", b"0")) for p, control in controls.items()},
            self.handed_off(),
            frozenset(r.key.decode() for p in self.of("rejected-events").values() for r in p),
            await self.catalog(),
            frozenset([row.decode() for p in range(self.partitions) for row in await self.store.sales(p, 0)]),
        )

    async def catalog(self) -> Catalog:
        """The published scorecards."""
        create = partial(AIOKafkaConsumer, bootstrap_servers=self.kafka.address)
        topic = ScorecardsTopic(self.topic("scorecards"), LATENESS_MS, create)
        try:
            await topic.start()
        finally:
            await topic.stop()
        return topic.catalog

    def alerts(self) -> list[str]:
        """The ids on handoff, in order."""
        return [alert_id_of(record.value) for records in self.of("handoff").values() for record in records]

    def handed_off(self) -> list[Any]:
        """The alerts on handoff, in order."""
        return [orjson.loads(record.value) for records in self.of("handoff").values() for record in records]

    @property
    def rules(self) -> Rules:
        """The scorecards as they are now."""
        return Rules(load_file(self.scorecards), LATENESS_MS)

    async def promise_kept(self, deadline_s: float = DEADLINE_S, free: Collection[str] = ()) -> Found:
        """Wait until all is quiet and compare every lead and alert with the model, but for ``free`` facts of leads."""
        found = await self.settled(deadline_s)
        problems = differences(self.rules, self.topic("lead-events"), found, free)
        assert not problems, "\n".join([*problems[:20], f"... {len(problems)} in all", self.said()])
        assert found.alerts, "a workload without alerts proves nothing"
        return found


def header(record: Any, name: str) -> bytes:
    """A header of a record."""
    headers: Mapping[str, bytes] = dict(record.headers)
    return headers.get(name, b"")
