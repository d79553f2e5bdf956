"""Shards in a real Redis become more shards: copied, compared, and put in the place of the old ones."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from streams.scoring.account_ids import ranking_of
from streams.scoring.account_state import Account, Member
from streams.scoring.stored_accounts import decode_account
from streams.store.base import Commit, Entry, Verdict
from streams.store.shard_copier import CopyDiffers
from streams.transport.topics import partition_of
from tests.contracts.moved import CARDS, LEADS, NEW, NEW_STEP, OLD, Moved, ignore


async def test_every_item_is_where_its_lead_belongs_although_every_step_is_repeated(moved: Moved) -> None:
    steps = {shard: f"step {shard}" for shard in range(OLD)}
    assert await moved.copier.replace_plan("", "plan")
    await moved.copier.copy_shard(1, ignore)  # a run that ended early
    for _ in range(2):
        await moved.copy()
        await moved.verify()
    assert await moved.copier.replace_plan("plan", "switched", partitions=str(NEW))
    for _ in range(2):
        await moved.copier.discard_old(steps)
    for _ in range(2):
        await moved.copier.put_in_place(NEW_STEP)
        await moved.copier.discard_old(steps)  # one that was late removes nothing
    assert await moved.copier.replace_plan("switched", "")

    new = moved.new
    for n, lead_id in enumerate(LEADS):
        home = partition_of(lead_id, NEW)
        assert await new.load(home, [lead_id]) == [b"blob of %s" % lead_id.encode()]
        assert {len(each) for card in CARDS for each in await new.history(home, card, [lead_id])} == {6}
        assert (lead_id in await new.dirty(home)) == (n % 3 == 0)
    ranked = {card: dict([item for p in range(NEW) for item in await new.top(p, card, 999)]) for card in CARDS}
    assert ranked == {card: {lead_id: n + 1 / 3 for n, lead_id in enumerate(LEADS)} for card in CARDS}
    due = [lead_id for p in range(NEW) for lead_id in await new.due(p, 10.5, 99)]
    assert sorted(due) == sorted(LEADS[:11])
    assert sum([(await new.fired(p, [20_000])).get("visit", (0,))[0] for p in range(NEW)]) == 1 + 2 + 3 + 4
    assert sorted([row for p in range(NEW) for row in await new.sales(p, 0)]) == [b"row %d" % i for i in range(OLD)]
    assert [(await new.control(p)).fields["ckpt"] for p in range(NEW)] == [b"%d" % p for p in range(NEW)]
    assert (await new.meta("partitions"), await new.meta("repartition")) == (str(NEW), "")


async def test_nothing_is_left_of_old_shards_and_copies(moved: Moved) -> None:
    await moved.copy()
    await moved.copier.discard_old({shard: f"step {shard}" for shard in range(OLD)})
    await moved.copier.put_in_place(NEW_STEP)
    left = {key async for key in moved.client.scan_iter(f"{moved.namespace}:*")}

    for shard in range(NEW):
        await moved.new.wipe(shard)

    assert {key.decode() async for key in moved.client.scan_iter(f"{moved.namespace}:*")} == {f"{moved.namespace}:meta"}
    assert not [key for key in left if b":to-" in key]


async def test_an_account_keeps_instants_and_forgets_offsets(moved: Moved) -> None:
    await moved.copy()
    await moved.copier.discard_old({shard: f"step {shard}" for shard in range(OLD)})
    await moved.copier.put_in_place(NEW_STEP)
    account_id = Account("sales", "Acme").id
    (blob,) = await moved.new.load(partition_of(account_id, NEW), [account_id])

    assert blob is not None
    found = decode_account(blob)
    assert (found.members, found.left) == ({"lead-1": Member(7, (0, 5))}, {b"abcdef": (0, 4)})
    assert await moved.new.top(partition_of(account_id, NEW), ranking_of("sales"), 5) == [(account_id, 7.0)]


async def test_a_copy_that_differs_is_noticed(moved: Moved, redis_url: str) -> None:
    await moved.copy()
    client: Any = Redis.from_url(redis_url)
    key = await moved.copied("leads")
    some = (await client.hkeys(key))[0]
    for value in (b"other", None):
        before = await client.hget(key, some)
        await (client.hdel(key, some) if value is None else client.hset(key, some, value))
        with pytest.raises(CopyDiffers, match=some.decode()):
            await moved.verify()
        await client.hset(key, some, before)
    await client.zadd(await moved.copied("due"), {"nobody": 1})
    with pytest.raises(CopyDiffers, match="301 copies"):
        await moved.verify()
    await client.aclose()


async def test_a_shard_that_was_written_meanwhile_is_not_removed(moved: Moved) -> None:
    await moved.copier.discard_old({0: "an earlier step"})
    assert (await moved.old.control(0)).step == "step 0"


async def test_only_the_expected_copies_are_put_in_place(moved: Moved) -> None:
    every = range(NEW)
    assert await moved.copier.find_missing(every, NEW_STEP) == [*every]
    await moved.copy()
    assert await moved.copier.find_missing(every, NEW_STEP) == []
    assert await moved.copier.find_missing(every, "another") == [*every]
    await moved.copier.put_in_place("another")
    assert await moved.copied("leads")
    await moved.copier.put_in_place(NEW_STEP)
    assert await moved.copier.find_missing(every, NEW_STEP) == []


async def test_a_shard_that_was_written_meanwhile_is_replaced_as_a_whole(moved: Moved) -> None:
    await moved.copy()
    late = Commit(1, "step 0", "late", {"ckpt": b"6"}, outbox=[Entry(9, b"alert")], ranks={"new": {LEADS[0]: 1.0}})
    assert await moved.old.commit(0, late) is Verdict.OK
    await moved.copier.discard_old({shard: f"step {shard}" for shard in range(OLD)})
    await moved.copier.put_in_place(NEW_STEP)

    assert (await moved.new.outbox(0), await moved.new.top(0, "new", 9)) == ([], [])
    after = Commit(1, NEW_STEP, "after", {"ckpt": b"6"}, outbox=[Entry(1, b"alert")])
    assert await moved.new.commit(0, after) is Verdict.OK


async def test_of_two_who_change_the_plan_one_is_refused(moved: Moved) -> None:
    assert await moved.copier.replace_plan("", "mine")
    assert not await moved.copier.replace_plan("", "yours", partitions="9")
    assert [await moved.copier.read_meta(name) for name in ("repartition", "partitions")] == ["mine", str(OLD)]


async def test_cancelled_copies_leave_the_old_shards(moved: Moved) -> None:
    before = {key async for key in moved.client.scan_iter(f"{moved.namespace}:*")}
    await moved.copy()
    await moved.copier.drop_copies()
    assert {key async for key in moved.client.scan_iter(f"{moved.namespace}:*")} == before
