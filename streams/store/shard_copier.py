"""Copies the state of shards in Redis to another number of shards, under other keys until all is verified.

The old keys stay as they are until ``discard_old``. Every method may be repeated, and none needs the one before it to
have finished in the same process. ``docs/storage.md`` has the order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from redis.asyncio import RedisCluster

from streams.scoring.account_ids import is_account
from streams.scoring.stored_accounts import without_offsets
from streams.store.keys import ShardKeys, meta_key, shard_keys
from streams.store.reports import read_report
from streams.store.scripts import load_script
from streams.store.server_checks import read_info
from streams.store.tables import Items, Table, count_items, put_items, read_items, scan_pages, tables_of

DISCARD, PUT_IN_PLACE, PLAN = (load_script(name)[0] for name in ("discard", "put_in_place", "plan"))
SAMPLES = 100
"""Values of a key by which its memory is estimated."""
OnPage = Callable[[int], Awaitable[None]]
"""Called after each page, with the number of its items."""


class CopyDiffers(Exception):
    """A copy differs from what was copied."""


class ShardCopier:
    """The state of ``old`` shards, and its copy as ``new`` shards."""

    def __init__(self, client: Any, namespace: str, old: int, new: int, home: Callable[[bytes], int]) -> None:
        """``client`` is one of redis-py; ``home`` returns the new shard of a lead."""
        self._client = client
        self._namespace = namespace
        self.old, self.new = old, new
        self._home = home

    def _old_keys(self, shard: int) -> ShardKeys:
        return shard_keys(self._namespace, shard, self.old)

    def _new_keys(self, shard: int) -> ShardKeys:
        return shard_keys(self._namespace, shard, self.new)

    def _staged_keys(self, shard: int) -> ShardKeys:
        """The keys of a new shard until it takes its place; on the same node of a cluster as its final keys."""
        return shard_keys(f"{self._namespace}:to-{self.new}", shard, self.new)

    # The plan -------------------------------------------------------------------------------------------------

    async def read_meta(self, name: str) -> str:
        """A value that holds for all shards; empty if there is none."""
        return (await self._client.hget(meta_key(self._namespace), name) or b"").decode()

    async def replace_plan(self, expected: str, plan: str, **fields: str) -> bool:
        """Replace the plan, and set fields, in one write; False if the plan is not the expected one."""
        changed = [text for item in fields.items() for text in item]
        key = meta_key(self._namespace)
        return bool(await self._client.eval(PLAN, 1, key, expected, plan, *changed))

    async def read_controls(self) -> list[dict[str, bytes]]:
        """The control records of the old shards."""
        raw = [await self._client.hgetall(self._old_keys(shard).ctl) for shard in range(self.old)]
        return [{name.decode(): value for name, value in each.items()} for each in raw]

    async def count_waiting(self) -> int:
        """The number of records in all outboxes."""
        return sum([int(await self._client.xlen(self._old_keys(shard).outbox)) for shard in range(self.old)])

    async def count_leads(self) -> int:
        """The number of leads and accounts."""
        return sum([int(await self._client.hlen(self._old_keys(shard).leads)) for shard in range(self.old)])

    async def count_items(self) -> int:
        """The number of items that are copied."""
        cards = await self.scorecards()
        every = [table for shard in range(self.old) for table in tables_of(self._old_keys(shard), cards)]
        return sum([await count_items(self._client, table) for table in every])

    async def estimate_bytes(self) -> int:
        """The memory that the old shards use, and the copies will."""
        cards = await self.scorecards()
        every = [key for shard in range(self.old) for key in self._old_keys(shard).of(cards)]
        return sum([await self._client.memory_usage(key, samples=SAMPLES) or 0 for key in every])

    async def free_bytes(self) -> int | None:
        """What Redis may still use; None without a limit."""
        reports = [read_report(info) for info in (await read_info(self._client)).values()]
        limited = [each.limit_bytes - each.memory_bytes for each in reports if each.limit_bytes]
        return sum(limited) if len(limited) == len(reports) else None

    # Copying --------------------------------------------------------------------------------------------------

    async def copy_shard(self, shard: int, on_page: OnPage) -> None:
        """Copy everything of an old shard to the new shards of its leads."""
        cards = await self._scorecards([self._old_keys(shard)])
        sources = tables_of(self._old_keys(shard), cards)
        targets = [tables_of(self._staged_keys(each), cards) for each in range(self.new)]
        for i, source in enumerate(sources):
            async for page in scan_pages(self._client, source):
                pipeline = self._pipeline()
                for home, items in self._by_home(source, page, shard).items():
                    put_items(pipeline, targets[home][i], items)
                await pipeline.execute()
                await on_page(len(page))

    async def put_control(self, shard: int, fields: Mapping[str, bytes], cards: Iterable[str]) -> None:
        """Write the control record of a new shard, and the names of its rankings."""
        keys = self._staged_keys(shard)
        pipeline = self._pipeline()
        pipeline.delete(keys.ctl)
        pipeline.hset(keys.ctl, mapping=fields)
        if names := sorted(cards):
            pipeline.sadd(keys.rank, *names)
        await pipeline.execute()

    async def scorecards(self) -> set[str]:
        """The names of all rankings of the old shards."""
        return await self._scorecards([self._old_keys(shard) for shard in range(self.old)])

    def _by_home(self, table: Table, page: Items, shard: int) -> dict[int, Items]:
        """Divide a page by the new shards. What belongs to the shard as a whole stays with the one of its number."""
        if not table.by_lead:
            return {shard: page}
        found: dict[int, Items] = {}
        for lead_id, value in page.items():
            kept = without_offsets(value) if table.has_states and is_account(lead_id.decode()) else value
            found.setdefault(self._home(lead_id), {})[lead_id] = kept
        return found

    async def _scorecards(self, shards: Iterable[ShardKeys]) -> set[str]:
        found: set[bytes] = set()
        for keys in shards:
            found |= await self._client.smembers(keys.rank)
        return {name.decode() for name in found}

    # Verifying ------------------------------------------------------------------------------------------------

    async def verify_shard(self, shard: int, on_page: OnPage) -> None:
        """Compare every item of an old shard with its copy.

        Raises:
            CopyDiffers: one differs, or is missing.
        """
        cards = await self._scorecards([self._old_keys(shard)])
        sources = tables_of(self._old_keys(shard), cards)
        targets = [tables_of(self._staged_keys(each), cards) for each in range(self.new)]
        for i, source in enumerate(sources):
            async for page in scan_pages(self._client, source):
                for home, items in self._by_home(source, page, shard).items():
                    copied = await read_items(self._client, targets[home][i], list(items))
                    if copied != items:
                        wrong = next(each for each in items if copied.get(each) != items[each])
                        msg = f"{wrong.decode()!r} in {targets[home][i].key} is not as in {source.key}"
                        raise CopyDiffers(msg)
                await on_page(len(page))

    async def verify_counts(self) -> None:
        """Compare the sizes of all old keys together with those of their copies.

        Raises:
            CopyDiffers: there are fewer, or more.
        """
        cards = await self.scorecards()
        old = [tables_of(self._old_keys(shard), cards) for shard in range(self.old)]
        new = [tables_of(self._staged_keys(shard), cards) for shard in range(self.new)]
        for i, table in enumerate(old[0]):
            if table.kind == "set" and not table.by_lead:
                continue  # each new shard has all names of rankings
            counts = [sum([await count_items(self._client, each[i]) for each in side]) for side in (old, new)]
            if counts[0] != counts[1]:
                msg = f"there are {counts[0]} items like those of {table.key}, but {counts[1]} copies"
                raise CopyDiffers(msg)

    # Switching ------------------------------------------------------------------------------------------------

    async def discard_old(self, steps: Mapping[int, str]) -> None:
        """Remove the old shards that nothing has written since these steps: all that are not replaced already."""
        for shard, step in steps.items():
            keys = self._old_keys(shard)
            every = keys.of(await self._scorecards([keys]))
            await self._client.eval(DISCARD, len(every), *every, step)

    async def find_missing(self, shards: Iterable[int], step: str) -> list[int]:
        """Those of these new shards that have no copy of this step, and none in its place."""
        missing = []
        for shard in shards:
            names = (self._staged_keys(shard).ctl, self._new_keys(shard).ctl)
            if step.encode() not in [await self._client.hget(name, "step") for name in names]:
                missing.append(shard)
        return missing

    async def put_in_place(self, step: str) -> None:
        """Give the new shards their final names: those whose copies are of this step.

        What a worker wrote at the last moment is replaced: the copies begin where it read.
        """
        for shard in range(self.new):
            staged, final = self._staged_keys(shard), self._new_keys(shard)
            cards = await self._scorecards([staged, final])
            pairs = [key for pair in zip(staged.of(cards), final.of(cards), strict=True) for key in pair]
            await self._client.eval(PUT_IN_PLACE, len(pairs), *pairs, step)

    async def drop_copies(self) -> None:
        """Remove everything that was copied."""
        cards = await self.scorecards()
        for shard in range(self.new):
            keys = self._staged_keys(shard)
            await self._client.unlink(*keys.of(cards | await self._scorecards([keys])))

    def _pipeline(self) -> Any:
        is_cluster = isinstance(self._client, RedisCluster)
        return self._client.pipeline() if is_cluster else self._client.pipeline(transaction=False)
