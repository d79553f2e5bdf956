"""The store in Redis or Valkey, on one node or a cluster. ``keys`` has the layout, ``lua`` the scripts of a step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError

from streams.scoring.packed import NOTHING
from streams.store.base import Commit, Control, Entry, Fired, ServerReport, Verdict
from streams.store.checks import joined, require_sound, split
from streams.store.client import connect
from streams.store.keys import ShardKeys, meta_key, shard_keys
from streams.store.rankings import COUNT, PAGE, PICK, Script, places_in, run_read_only
from streams.store.reports import read_report
from streams.store.retry import RetryPolicy
from streams.store.scripts import COMMIT, COMMIT_SHA, REPLACE, arguments
from streams.store.server_checks import check_server, read_info
from streams.store.transaction import hset, transact

SCAN_COUNT = 500
MANY = 200
"""The number of leads in a step from which on a transaction is faster in spite of its second round trip.

A cluster client cannot use transactions, because it redirects each command separately when slots move.
"""


class RedisStore:
    """Implements the store interface with redis-py."""

    def __init__(
        self,
        client: str | Redis | RedisCluster,
        namespace: str = "leadglow",
        *,
        partitions: int,
        on_error: Callable[[str], None] = lambda op: None,
    ) -> None:
        """Accept a URL or a client; ``on_error`` is called with the operation of each failed attempt."""
        self._client: Any = connect(client) if isinstance(client, str) else client
        self._namespace = namespace
        self._partitions = partitions
        self._retries = RetryPolicy(self._drop_stale, on_error)
        self._call = self._retries.call
        self._turn = asyncio.Lock()

    @property
    def healthy(self) -> bool:
        """Whether no call is waiting for the store."""
        return self._retries.healthy

    async def verify(self, writes: bool = True) -> None:
        """Refuse a Redis that could silently lose leads, that lacks permissions, or that needs another client.

        Raises:
            StoreRefused: the message has the reason and the remedy.
        """
        await self._call("verify", lambda: check_server(self._client, self._namespace, writes))

    async def reports(self) -> dict[str, ServerReport]:
        """The state of each primary, by its address; without a cluster by the name redis."""
        found = await self._call("reports", lambda: read_info(self._client))
        is_cluster = isinstance(self._client, RedisCluster)
        return {node if is_cluster else "redis": read_report(info) for node, info in found.items()}

    async def control(self, partition: int) -> Control:
        """Read the control record."""
        key = self._keys(partition).ctl
        raw: dict[bytes, bytes] = await self._call("control", lambda: self._client.hgetall(key))
        fields = {name.decode(): value for name, value in raw.items()}
        return Control(int(fields.pop("version", 0)), fields.pop("step", b"").decode(), fields)

    async def load(self, partition: int, lead_ids: Sequence[str]) -> list[bytes | None]:
        """Read the blobs of these leads; None for an unknown lead."""
        if not lead_ids:
            return []
        key = self._keys(partition).leads
        blobs: list[bytes | None] = await self._call("load", lambda: self._client.hmget(key, lead_ids))
        return blobs

    async def commit(self, partition: int, commit: Commit) -> Verdict:
        """Apply one step atomically if the last step is the expected one. Safe to repeat."""
        require_sound(commit)
        keys = self._keys(partition)
        scorecards = list(commit.ranks)
        leads, removed = split(commit.leads)
        if removed:  # removed leads are removed from every ranking
            scorecards = sorted({*scorecards, *await self._rankings(keys)})
        shard = keys.of(scorecards)
        if len(leads) + len(commit.packed.lead_ids) >= MANY and isinstance(self._client, Redis):
            rest = arguments(replace(commit, leads=dict.fromkeys(removed), packed=NOTHING), scorecards)
            script = ("EVAL", COMMIT, len(shard), *shard, *rest)  # EVALSHA could fail in a transaction
            put, pool = hset(keys.leads, leads, commit.packed), self._client.connection_pool
            async with self._turn:  # one at a time, so that other calls get through in between
                return await self._call("commit", lambda: transact(pool, keys, commit, put, script))
        argv = arguments(commit, scorecards)  # built once for all attempts

        async def send() -> bytes:
            try:
                reply: bytes = await self._client.evalsha(COMMIT_SHA, len(shard), *shard, *argv)
            except NoScriptError:
                reply = await self._client.eval(COMMIT, len(shard), *shard, *argv)
            return reply

        return Verdict((await self._call("commit", send)).decode())

    async def due(self, partition: int, until_ms: float, limit: int) -> list[str]:
        """Leads that are due at or before ``until_ms``, earliest first, ties by lead id."""
        key = self._keys(partition).due
        found: list[bytes] = await self._call(
            "due",
            lambda: self._client.zrange(key, "-inf", until_ms, byscore=True, offset=0, num=limit),
        )
        return [lead_id.decode() for lead_id in found]

    async def count_due(self, partition: int, until_ms: float) -> int:
        """The number of leads that are due at or before ``until_ms``."""
        key = self._keys(partition).due
        return int(await self._call("count_due", lambda: self._client.zcount(key, "-inf", until_ms)))

    async def next_due(self, partition: int) -> float | None:
        """The earliest due time in the shard, in ms since the epoch."""
        key = self._keys(partition).due
        first = await self._call("next_due", lambda: self._client.zrange(key, 0, 0, withscores=True))
        return float(first[0][1]) if first else None

    async def outbox(self, partition: int, limit: int = 1000) -> list[Entry]:
        """The first waiting entries, in order."""
        key = self._keys(partition).outbox
        raw = await self._call("outbox", lambda: self._client.xrange(key, count=limit))
        return [Entry(int(entry_id.partition(b"-")[0]), message[b"m"]) for entry_id, message in raw]

    async def dirty(self, partition: int) -> list[str]:
        """Leads whose published score is not yet on lead-scores."""
        key = self._keys(partition).dirty
        raw: set[bytes] = await self._call("dirty", lambda: self._client.smembers(key))
        return [lead_id.decode() for lead_id in raw]

    async def top(self, partition: int, scorecard: str, limit: int) -> list[tuple[str, float]]:
        """The leads with the highest places in the ranking, highest first, ties by lead id."""
        if limit <= 0:
            return []
        key = self._keys(partition).ranking(scorecard)
        raw = await self._call("top", lambda: self._client.zrange(key, 0, limit - 1, withscores=True))
        return [(lead_id.decode(), -negated) for lead_id, negated in raw]

    async def ranking_size(self, partition: int, scorecard: str) -> int:
        """The number of leads in the ranking."""
        key = self._keys(partition).ranking(scorecard)
        return int(await self._call("ranking_size", lambda: self._client.zcard(key)))

    async def count_ranked(self, partition: int, scorecard: str, bounds: Sequence[float]) -> list[int]:
        """The number of leads in the ranking at or above each of these places."""
        key, argv = self._keys(partition).ranking(scorecard), [repr(-float(bound)) for bound in bounds]
        return list(await self._read("count_ranked", COUNT, key, argv))

    async def pick_ranked(self, partition: int, scorecard: str, positions: Sequence[int]) -> list[tuple[str, float]]:
        """The leads at these positions, 0 for the highest place; none beyond the last."""
        key = self._keys(partition).ranking(scorecard)
        return places_in(await self._read("pick_ranked", PICK, key, positions))

    async def ranked(
        self,
        partition: int,
        scorecard: str,
        after: tuple[float, str] | None,
        limit: int,
        at_most: float | None = None,
    ) -> list[tuple[str, float]]:
        """The next leads after (place, lead id), in the order of ``top``; none above ``at_most``."""
        if limit <= 0:
            return []
        key = self._keys(partition).ranking(scorecard)
        place = ("", "") if after is None else (repr(-float(after[0])), after[1])
        argv = (*place, limit, "" if at_most is None else repr(-float(at_most)))
        return places_in(await self._read("ranked", PAGE, key, argv))

    async def history(self, partition: int, scorecard: str, lead_ids: Sequence[str]) -> list[bytes]:
        """The score history of these leads; empty for an unknown lead."""
        if not lead_ids:
            return []
        key = self._keys(partition).histories(scorecard)
        found: list[bytes | None] = await self._call("history", lambda: self._client.hmget(key, lead_ids))
        return [history or b"" for history in found]

    async def fired(self, partition: int, days: Iterable[int]) -> Fired:
        """How often each signal counted on these days."""
        key, wanted = self._keys(partition).fired, {b"%d" % day for day in days}
        raw: dict[bytes, bytes] = await self._call("fired", lambda: self._client.hgetall(key))
        found = Fired()
        for name, value in raw.items():
            day, _, rest = name.partition(b" ")
            kind, _, signal = rest.partition(b" ")
            if day in wanted:
                more = (int(value), None) if kind == b"n" else (0, float(value))
                found = joined(found, {signal.decode(): more})
        return found

    async def sales(self, partition: int, since_ms: int, limit: int = -1) -> list[bytes]:
        """The rows for results from an instant on, by time, then by text; all of them if ``limit`` is -1."""
        find = partial(self._client.zrange, byscore=True, offset=0, num=limit)
        key = self._keys(partition).sales
        return list(await self._call("sales", lambda: find(key, since_ms, "+inf")))

    async def scan(self, partition: int) -> AsyncIterator[tuple[str, bytes]]:
        """Every lead of the shard; a lead that changes during the scan may be returned twice."""
        key = self._keys(partition).leads
        cursor = 0
        while True:
            scan_page = partial(self._client.hscan, key, cursor, count=SCAN_COUNT)
            cursor, page = await self._call("scan", scan_page)
            for lead_id, blob in page.items():
                yield lead_id.decode(), blob
            if cursor == 0:
                return

    async def counts(self, partition: int) -> Mapping[str, int]:
        """The sizes of ``leads``, ``due``, ``outbox`` and ``dirty``."""
        keys, client = self._keys(partition), self._client
        leads, due, outbox, dirty = await asyncio.gather(
            self._call("counts", lambda: client.hlen(keys.leads)),
            self._call("counts", lambda: client.zcard(keys.due)),
            self._call("counts", lambda: client.xlen(keys.outbox)),
            self._call("counts", lambda: client.scard(keys.dirty)),
        )
        return {"leads": leads, "due": due, "outbox": outbox, "dirty": dirty}

    async def wipe(self, partition: int) -> None:
        """Remove all data of the shard."""
        keys = self._keys(partition)
        shard = keys.of(await self._rankings(keys))
        await self._call("wipe", lambda: self._client.unlink(*shard))

    async def meta(self, name: str, value: str = "") -> str:
        """The value stored under ``name``, or an empty string. ``value`` is stored first if there is none yet."""
        key = meta_key(self._namespace)
        if value:
            await self._call("meta", lambda: self._client.hsetnx(key, name, value))
        kept: bytes | None = await self._call("meta", lambda: self._client.hget(key, name))
        return (kept or b"").decode()

    async def replace_meta(self, name: str, expected: str, value: str) -> str:
        """Set the value under ``name`` if it is ``expected`` (empty: none); returns the one there afterwards."""
        key = meta_key(self._namespace)
        send = partial(self._client.eval, REPLACE, 1, key, name, expected, value)
        kept: bytes = await self._call("meta", send)
        return kept.decode()

    async def time_ms(self) -> int:
        """The time of the node that holds the settings, in ms since the epoch; by INFO, as TIME needs another right."""
        server: dict[str, Any] = await self._call("time", self._server)
        return int(server["server_time_usec"]) // 1000

    async def _server(self) -> dict[str, Any]:
        """INFO of the node that holds the settings."""
        if not isinstance(self._client, RedisCluster):
            return await self._client.info("server")  # type: ignore[no-any-return]
        await self._client.initialize()
        node = self._client.get_node_from_key(meta_key(self._namespace))
        return await self._client.info("server", target_nodes=node)

    async def close(self) -> None:
        """Finish the calls in progress and close the connections."""
        await self._retries.settle()
        await self._client.aclose()

    async def _read(self, op: str, script: Script, key: str, argv: Sequence[str | int]) -> list[Any]:
        return await self._call(op, lambda: run_read_only(self._client, script, key, argv))

    async def _rankings(self, keys: ShardKeys) -> list[str]:
        """The scorecards that have a ranking."""
        ranked: set[bytes] = await self._call("rankings", lambda: self._client.smembers(keys.rank))
        return [scorecard.decode() for scorecard in ranked]

    def _keys(self, partition: int) -> ShardKeys:
        return shard_keys(self._namespace, partition, self._partitions)

    async def _drop_stale(self) -> None:
        """Close idle connections, so that the host name is resolved again."""
        if isinstance(self._client, Redis):
            await self._client.connection_pool.disconnect(inuse_connections=False)
