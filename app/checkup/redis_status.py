"""What Redis says about a system: the server itself, and the shards in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.asyncio import RedisCluster

from app.freshness import ShardPosition
from streams.clock import now_ms
from streams.store.base import Store
from streams.store.client import connect

LATE_MS = 10_000
AT_ONCE = 16
"""Shards that are read at the same time, each by up to four connections."""


@dataclass(frozen=True, slots=True)
class Node:
    """One server."""

    name: str
    version: str
    """``Valkey 9.1.0`` or ``Redis 7.0.15``."""
    compatible: str
    """The version of Redis that it is compatible with."""
    policy: str
    memory_bytes: int
    max_memory_bytes: int
    """0 for no limit."""
    is_cluster: bool
    is_replica: bool
    is_persistent: bool
    """Whether it writes an append-only file, or has a replica that is connected."""
    skew_ms: int
    """By how much its clock and that of this machine differ at least."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard."""

    position: ShardPosition
    owner: str
    leads: int
    outbox: int
    late: int
    """Leads whose timer is more than ten seconds late."""


@dataclass(frozen=True, slots=True)
class RedisStatus:
    """Redis at a moment."""

    nodes: list[Node]
    shards: list[Shard] = field(default_factory=list)
    plan: str = ""
    """The plan of a repartition that has begun and not ended; empty if there is none."""


def describe_size(size_bytes: int) -> str:
    """A size in the unit of ``maxmemory``, where ``100mb`` are 100 MiB."""
    return f"{size_bytes / 2**20:,.0f} MiB"


def parse_info(name: str, info: Mapping[str, Any], asked_ms: int, answered_ms: int) -> Node:
    """A server by its answer to INFO, which it gave between these times of this machine's clock."""
    compatible = str(info.get("redis_version", ""))
    valkey = info.get("valkey_version")
    told_ms = int(info.get("server_time_usec", 0)) // 1000
    return Node(
        name,
        f"Valkey {valkey}" if valkey else f"Redis {compatible}",
        compatible,
        str(info.get("maxmemory_policy", "")),
        int(info.get("used_memory", 0)),
        int(info.get("maxmemory", 0)),
        bool(info.get("cluster_enabled")),
        info.get("role") == "slave",
        bool(info.get("aof_enabled")) or int(info.get("connected_slaves", 0)) > 0,
        max(asked_ms - told_ms, told_ms - answered_ms, 0) if told_ms else 0,
    )


async def read_nodes(url: str, place: str) -> list[Node]:
    """Ask the server at ``place``, or each primary of a cluster.

    Raises:
        RedisError, OSError: Redis does not respond, or does not allow it.
    """
    client: Any = connect(url)
    try:
        if not isinstance(client, RedisCluster):
            return [await _read_node(place, client.info)]
        await client.initialize()
        return [await _read_node(node.name, partial(client.info, target_nodes=node)) for node in client.get_primaries()]
    finally:
        await client.aclose()


async def _read_node(name: str, ask: Callable[[], Awaitable[Mapping[str, Any]]]) -> Node:
    asked_ms = now_ms()
    return parse_info(name, await ask(), asked_ms, now_ms())


async def read_shards(store: Store, partitions: int) -> list[Shard]:
    """Ask for all shards."""
    now, turns = await store.time_ms(), asyncio.Semaphore(AT_ONCE)
    return list(await asyncio.gather(*(_read_shard(store, partition, now, turns) for partition in range(partitions))))


async def _read_shard(store: Store, partition: int, now_ms: int, turns: asyncio.Semaphore) -> Shard:
    async with turns:
        control, counts = await store.control(partition), await store.counts(partition)
        late = await store.count_due(partition, now_ms - LATE_MS)
    return Shard(
        ShardPosition.from_fields(partition, control.fields),
        control.fields.get("owner", b"").decode("utf-8", "replace"),
        counts["leads"],
        counts["outbox"],
        late,
    )
