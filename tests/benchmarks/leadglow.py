"""Leadglow itself: one real worker process over a backlog, watched through its checkpoints in Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from streams.scorefile import load_file
from streams.scoring.lead import ENTRY_BYTES, ID_BYTES, Lead
from streams.scoring.stored import decode
from streams.store.keys import shard_keys
from streams.store.redis import RedisStore
from tests.benchmarks import measure
from tests.benchmarks.decayed import SCORECARD
from tests.benchmarks.rig import PART_S, Rig, spawn, tail
from tests.benchmarks.workload import PARTITIONS, create_topics

CHECKPOINT = "ckpt"
"""The field of a shard's control record with the next offset of lead-events, in ASCII digits."""
POLL_S = 0.02
CALM_S = 1
"""How long nothing may follow the end of a backlog."""
STOP_S = 20

Ends = Callable[[], Awaitable[dict[TopicPartition, int]]]
"""The end offsets of lead-events."""


@dataclass(frozen=True)
class Worker:
    """A running worker process."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def require_alive(self) -> None:
        """Say why a worker ended that should not have."""
        if self.process.returncode is not None:
            msg = f"the worker ended with status {self.process.returncode}:\n{tail(self.log)}"
            raise RuntimeError(msg)


def topics(rig: Rig, part: str) -> dict[str, str]:
    """The topics of one part, by the setting that names each."""
    settings = ("sources", "lead_events", "handoff", "lead_scores", "rejected", "scorecards_topic")
    return {setting: rig.name(part, setting.replace("_", "-")) for setting in settings}


async def scored(worker: Worker, store: RedisStore, events: int) -> None:
    """Return when the worker has scored so many events and published the scores."""
    async with asyncio.timeout(PART_S):
        while await checkpoints(store) < events:
            await asyncio.sleep(POLL_S)
            worker.require_alive()
    await _at_rest(worker, store)


@asynccontextmanager
async def working(
    rig: Rig,
    part: str,
    names: dict[str, str],
    scorecards: Path = SCORECARD,
    number: int = 1,
    command: tuple[str, ...] = ("app", "worker"),
) -> AsyncIterator[Worker]:
    """A worker on these topics, stopped in the end; workers of the same part share its namespace and its work.

    ``command`` is its Python module.
    """
    settings = {
        "kafka": rig.kafka.address,
        "kafka_idempotence": str(rig.kafka.idempotent),
        "redis": rig.redis.address,
        "namespace": rig.name(part),
        "scorecards": str(scorecards),
        "partitions": str(PARTITIONS),
        "metrics_port": "0",
        "accelerator": rig.accelerator,
        **names,
    }
    env = {f"LEADGLOW_{name.upper()}": value for name, value in settings.items()}
    log = rig.folder / f"{part}-{number}.log"
    worker = Worker(await spawn(log, *command, env=env), log)
    try:
        yield worker
    except TimeoutError as error:
        error.add_note(tail(log))
        raise
    finally:
        await stop(worker.process)


async def backlog(
    rig: Rig, part: str, names: dict[str, str], events: int, scorecards: Path = SCORECARD, records: int = 0
) -> dict[str, Any]:
    """Work off a backlog of ``events`` that becomes ``records`` of lead-events (one each, if 0 is given) or more.

    The clock runs from the first commit seen to the last one, and counts the events between the two. Joins, and
    records that shards forward to each other, are work for the events and not counted as such.
    """
    await rig.empty_redis()
    empty_bytes = await rig.used_redis_bytes()
    store = RedisStore(rig.redis.address, rig.name(part), partitions=PARTITIONS)
    async with working(rig, part, names, scorecards) as worker:
        async with AIOKafkaConsumer(bootstrap_servers=rig.kafka.address) as consumer:
            log = [TopicPartition(names["lead_events"], partition) for partition in range(PARTITIONS)]
            result = await _watch(worker, store, events, max(events, records), lambda: consumer.end_offsets(log))
        scored_s = measure.cpu_s(worker.pid)
        await _at_rest(worker, store)
        result["publishing_cpu_us_per_event"] = round((measure.cpu_s(worker.pid) - scored_s) / events * 1e6, 1)
        used_bytes = await rig.used_redis_bytes() - empty_bytes
        counts = [await store.counts(partition) for partition in range(PARTITIONS)]
    leads = sum(count["leads"] for count in counts)
    shares = {name: round(used / leads) for name, used in (await _redis_shares(rig, part, store)).items()}
    await store.close()
    result |= {"leads": leads, "redis_bytes_per_lead": round(used_bytes / leads), "redis_bytes_per_lead_by_key": shares}
    result["alerts"] = await entries(rig.kafka.address, names["handoff"])
    return result


async def _redis_shares(rig: Rig, part: str, store: RedisStore) -> dict[str, int]:
    """The size of the keys of each kind in bytes; and, within ``leads``, of the recent events without their ids."""
    shares = dict.fromkeys(("leads", "schedule", "ranking", "history"), 0)
    cards = [card.name for card in load_file(SCORECARD).scorecards]
    async with Redis.from_url(rig.redis.address) as redis:
        for partition in range(PARTITIONS):
            keys = shard_keys(rig.name(part), partition, PARTITIONS)
            kinds = {"leads": [keys.leads], "schedule": [keys.due]}
            kinds |= {"ranking": list(map(keys.ranking, cards)), "history": list(map(keys.histories, cards))}
            for kind, names in kinds.items():
                shares[kind] += sum([await redis.memory_usage(name, samples=0) or 0 for name in names])
    recent_bytes = 0
    for partition in range(PARTITIONS):
        async for _, blob in store.scan(partition):
            if isinstance(lead := decode(blob), Lead):
                recent_bytes += len(lead.recent) // ENTRY_BYTES * (ENTRY_BYTES - ID_BYTES)
    return {**shares, "leads_recent_activity": recent_bytes}


async def _at_rest(worker: Worker, store: RedisStore) -> None:
    """Wait until every changed lead has its place in ranking and schedule, and its score is published."""
    async with asyncio.timeout(PART_S):
        while any([(await store.counts(partition))["dirty"] for partition in range(PARTITIONS)]):
            await asyncio.sleep(POLL_S)
            worker.require_alive()


async def _watch(worker: Worker, store: RedisStore, events: int, records: int, ends: Ends) -> dict[str, Any]:
    """Poll the checkpoints until all of lead-events is scored, at least ``records``, and nothing follows."""
    before = done = half_bytes = 0
    start = end = (0.0, 0.0)
    async with asyncio.timeout(PART_S):
        while done < records or end[0] + CALM_S > time.perf_counter() or done < sum((await ends()).values()):
            await asyncio.sleep(POLL_S)
            worker.require_alive()
            done, known = await checkpoints(store), done
            if done != known:
                end = time.perf_counter(), measure.cpu_s(worker.pid)
            if done and not before:
                before, start = done, end
            if done >= records / 2 and not half_bytes:
                half_bytes = measure.memory_bytes(worker.pid)
    return {
        **measure.figures(round((done - before) * events / done), end[0] - start[0], end[1] - start[1]),
        "records": done,
        "rss_half_bytes": half_bytes,
        "rss_end_bytes": measure.memory_bytes(worker.pid),
        "rss_peak_bytes": measure.memory_bytes(worker.pid, "VmHWM"),
    }


async def begun(worker: Worker, store: RedisStore) -> None:
    """Return when the worker has scored something more."""
    before = await checkpoints(store)
    async with asyncio.timeout(PART_S):
        while await checkpoints(store) == before:
            await asyncio.sleep(POLL_S)
            worker.require_alive()


async def checkpoints(store: RedisStore) -> int:
    """How many events were scored."""
    controls = await asyncio.gather(*(store.control(partition) for partition in range(PARTITIONS)))
    return sum(int(control.fields.get(CHECKPOINT, b"0")) for control in controls)


async def entries(kafka: str, topic: str) -> int:
    """The number of different alerts for entered stages."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        found: set[bytes] = set()
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found |= {record.value for record in records if b".stage.entered." in record.value}
    return len(found)


async def prepare(rig: Rig, names: dict[str, str], *loaded: str) -> None:
    """Create the topics of a part that are not there yet."""
    await create_topics(rig.kafka.address, *(name for name in names.values() if name not in loaded))


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end, then make it."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
