"""Reads and writes large keys of Redis in pages: hashes, sorted sets and sets, by the ids in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from streams.store.keys import ShardKeys

PAGE: Final = 1000
Kind = Literal["hash", "zset", "set"]
Items = dict[bytes, Any]
"""Id -> blob of a hash, score of a sorted set, or 1 for a member of a set."""


@dataclass(frozen=True, slots=True)
class Table:
    """One key of a shard."""

    key: str
    kind: Kind
    by_lead: bool = True
    """Whether its ids are those of leads and accounts; else the key belongs to the shard as a whole."""
    has_states: bool = False
    """Whether it holds the states of leads."""


def tables_of(keys: ShardKeys, scorecards: Iterable[str]) -> list[Table]:
    """All keys of a shard but its control record and its outbox, in the same order for every shard."""
    found = [
        Table(keys.leads, "hash", has_states=True),
        Table(keys.due, "zset"),
        Table(keys.dirty, "set"),
        Table(keys.fired, "hash", by_lead=False),
        Table(keys.sales, "zset", by_lead=False),
        Table(keys.rank, "set", by_lead=False),
    ]
    for card in sorted(scorecards):
        found += [Table(keys.ranking(card), "zset"), Table(keys.histories(card), "hash")]
    return found


async def scan_pages(client: Any, table: Table) -> AsyncIterator[Items]:
    """Everything in a key, in pages; an id may come twice."""
    scan = {"hash": client.hscan, "zset": client.zscan, "set": client.sscan}[table.kind]
    cursor = 0
    while True:
        cursor, page = await scan(table.key, cursor, count=PAGE)
        if page:
            yield dict.fromkeys(page, 1) if table.kind == "set" else dict(page)
        if cursor == 0:
            return


async def count_items(client: Any, table: Table) -> int:
    """The number of ids in a key."""
    count = {"hash": client.hlen, "zset": client.zcard, "set": client.scard}[table.kind]
    return int(await count(table.key))


def put_items(pipeline: Any, table: Table, items: Mapping[bytes, Any]) -> None:
    """Add a command that writes ids to a key."""
    if table.kind == "hash":
        pipeline.hset(table.key, mapping=items)
    elif table.kind == "zset":
        pipeline.zadd(table.key, items)
    else:
        pipeline.sadd(table.key, *items)


async def read_items(client: Any, table: Table, ids: Sequence[bytes]) -> Items:
    """What a key has of these ids."""
    read = {"hash": client.hmget, "zset": client.zmscore, "set": client.smismember}[table.kind]
    found = await read(table.key, ids)
    missing = 0 if table.kind == "set" else None
    return {each: value for each, value in zip(ids, found, strict=True) if value != missing}
