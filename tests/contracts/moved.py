"""Shards with leads in a real Redis, and what moves them to more shards."""

from __future__ import annotations

from typing import Any

from streams.scoring.account_ids import ranking_of
from streams.scoring.account_state import Account, Member
from streams.scoring.stored_accounts import encode_account
from streams.store.base import Commit
from streams.store.client import connect
from streams.store.redis import RedisStore
from streams.store.shard_copier import ShardCopier
from streams.transport.topics import partition_of

OLD, NEW = 4, 6
LEADS = [f"lead-{i}" for i in range(300)]
CARDS = ("sales", "hiring")
NEW_STEP = "new"


async def ignore(count: int) -> None:
    """Called after each page."""


class Moved:
    """Old shards with leads, and what moves them."""

    def __init__(self, url: str, namespace: str) -> None:
        self.client: Any = connect(url)
        self.namespace = namespace
        self.old = RedisStore(url, namespace, partitions=OLD)
        self.new = RedisStore(url, namespace, partitions=NEW)
        self.copier = ShardCopier(self.client, namespace, OLD, NEW, lambda lead_id: partition_of(lead_id.decode(), NEW))

    async def fill(self) -> None:
        """Leads of every kind of state, and an account."""
        await self.old.meta("partitions", str(OLD))
        account = Account("sales", "Acme")
        account.members, account.left = {"lead-1": Member(7, (90, 5))}, {b"abcdef": (80, 4)}
        for shard in range(OLD):
            own = {i: n for n, i in enumerate(LEADS) if partition_of(i, OLD) == shard}
            commit = Commit(0, "", f"step {shard}", {"ckpt": b"5"}, {i: b"blob of %s" % i.encode() for i in own})
            commit.due = {i: 0.1 + n for i, n in own.items()}
            commit.ranks = {card: {i: n + 1 / 3 for i, n in own.items()} for card in CARDS}
            commit.dirty, commit.second = [i for i in own if own[i] % 3 == 0], 1_700_000_000
            commit.day, commit.fired, commit.sales = (
                20_000,
                {"visit": (shard + 1, 0.5)},
                [(1_728_000_000_000, f"row {shard}")],
            )
            if partition_of(account.id, OLD) == shard:
                commit.leads[account.id] = encode_account(account)
                commit.ranks[ranking_of("sales")] = {account.id: 7.0}
            await self.old.commit(shard, commit)

    async def copy(self) -> None:
        for shard in range(OLD):
            await self.copier.copy_shard(shard, ignore)
        for shard in range(NEW):
            fields = {"version": b"1", "step": NEW_STEP.encode(), "ckpt": b"%d" % shard}
            await self.copier.put_control(shard, fields, await self.copier.scorecards())

    async def verify(self) -> None:
        for shard in range(OLD):
            await self.copier.verify_shard(shard, ignore)
        await self.copier.verify_counts()

    async def copied(self, part: str) -> str:
        """A key of a copy."""
        found = [key async for key in self.client.scan_iter(f"{self.namespace}:to-{NEW}:*:{part}")]
        return bytes(sorted(found)[0]).decode()
