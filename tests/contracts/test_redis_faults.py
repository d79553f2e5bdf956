"""What the Redis store does when Redis is not well. These tests break a server of their own."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from itertools import chain, count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from redis.asyncio import Connection

from app.embedded.server import free_port
from streams.scoring.packed import NOTHING
from streams.store import transaction
from streams.store.base import Commit, Entry, Verdict
from streams.store.checks import (
    AccessDenied,
    CheckRefused,
    ClusterExpected,
    EvictingStore,
    NoCluster,
    PermissionsMissing,
)  # fmt: skip
from streams.store.client import connect
from streams.store.keys import SLOTS, shard_keys, slot, tag
from streams.store.redis import RedisStore
from streams.store.scripts import COMMIT
from streams.store.server_checks import is_new_enough, watch_server
from tests.support.redis_servers import REDIS_RIGHTS, server

BIG = b"\xff" * 1_000_000


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A server with persistence that can be stopped and started again."""
    port = free_port()
    with ExitStack() as stack:

        def start() -> None:
            options = ("--appendonly", "yes", "--appendfsync", "always")
            running.process = stack.enter_context(server(tmp_path / "data", port, *options))

        running = SimpleNamespace(url=f"redis://127.0.0.1:{port}", port=port, start=start)
        start()
        running.admin = stack.enter_context(redis.Redis(port=port))
        yield running


@pytest.fixture(params=[1, 10**9], ids=["transaction", "script"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How steps with leads are taken: by transactions, and by the script alone."""
    monkeypatch.setattr("streams.store.redis.MANY", request.param)


@pytest.fixture
def transacting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step with leads is a transaction."""
    monkeypatch.setattr("streams.store.redis.MANY", 1)


def losing_the_first_reply(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same call, of which the first is carried out and not answered."""
    attempts = count(1)

    async def lose(*args: Any) -> Any:
        reply = await call(*args)
        if next(attempts) == 1:
            raise redis.ConnectionError
        return reply

    return lose


@asynccontextmanager
async def opened(url: str, on_error: Callable[[str], None] = lambda op: None) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, "faults", partitions=4, on_error=on_error)
    try:
        yield store
    finally:
        await store.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110  the condition is another process's
            await asyncio.sleep(0.01)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.usefixtures("way")
async def test_a_full_redis_stalls_the_step_whole_until_there_is_room(
    valkey: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[str] = []
    async with opened(valkey.url, failures.append) as store:
        valkey.admin.config_set("maxmemory", 1)
        task = asyncio.create_task(store.commit(0, Commit(0, "", "s", {}, leads={"ann": BIG})))
        await until(lambda: len(failures) >= 3)
        assert not store.healthy
        assert (await store.control(0)).version == 0
        assert not store.healthy, "a read that works does not end the outage of the writes"
        valkey.admin.config_set("maxmemory", 0)
        assert await task is Verdict.OK
        assert store.healthy
        assert set(failures) == {"commit"}
        said = warnings_in(caplog)
        assert len(said) == 2
        assert "raise maxmemory or add nodes" in said[0]
        assert said[1] == "Redis works again"


@pytest.mark.usefixtures("way")
async def test_a_killed_redis_is_waited_for_and_the_step_is_taken_once(valkey: SimpleNamespace) -> None:
    async with opened(valkey.url) as store:
        assert await store.commit(0, Commit(0, "", "s0", {}, leads={"ann": b"1"})) is Verdict.OK
        valkey.process.kill()
        valkey.process.wait()
        task = asyncio.create_task(store.commit(0, Commit(1, "s0", "s1", {}, leads={"ann": b"2"})))
        await until(lambda: not store.healthy)
        valkey.start()
        assert await task is Verdict.OK
        assert await store.load(0, ["ann"]) == [b"2"]
        assert (await store.control(0)).version == 2


async def test_a_step_is_repeated_after_a_lost_reply_and_found_committed(valkey: SimpleNamespace) -> None:
    client = connect(valkey.url)
    await client.script_load(COMMIT)
    client.evalsha = losing_the_first_reply(client.evalsha)  # type: ignore[method-assign]
    store = RedisStore(client, "faults", partitions=4)
    assert await store.commit(0, Commit(0, "", "s", {}, outbox=[Entry(1, b"alert")])) is Verdict.DUP
    assert await store.outbox(0) == [Entry(1, b"alert")]
    await store.close()


@pytest.mark.usefixtures("transacting")
async def test_a_transaction_is_repeated_after_a_lost_reply_and_found_committed(
    valkey: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "_execute", losing_the_first_reply(transaction._execute))
    async with opened(valkey.url) as store:
        once = Commit(0, "", "s", {}, leads={"ann": b"1"}, outbox=[Entry(1, b"alert")])
        assert await store.commit(0, once) is Verdict.DUP
        assert await store.outbox(0) == [Entry(1, b"alert")]


@pytest.mark.usefixtures("transacting")
async def test_of_two_concurrent_transactions_one_is_refused_completely(
    valkey: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, ours, theirs = transaction._watch, Commit(0, "", "a", {}, leads={"a": b"1"}), Commit(0, "", "b", {})
    async with opened(valkey.url) as store, opened(valkey.url) as other:

        async def come_between(*args: Any) -> Any:
            seen = await watch(*args)
            await other.commit(0, theirs)  # it follows the same step
            return seen

        monkeypatch.setattr(transaction, "_watch", come_between)
        assert await store.commit(0, ours) is Verdict.CONFLICT
        assert (await store.control(0)).step == "b"
        assert await store.load(0, ["a"]) == [None]


@pytest.mark.usefixtures("transacting")
async def test_a_redis_that_fills_up_before_the_end_of_a_transaction_takes_nothing_of_it(
    valkey: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Connection.send_packed_command

    async def fill_up(self: Connection, command: Any, check_health: bool = True) -> None:
        if isinstance(command, list) and b"EXEC" in command[-1]:
            await send(self, command[:-1], check_health)
            valkey.admin.config_set("maxmemory", 1)
            command = command[-1:]
        await send(self, command, check_health)

    async with opened(valkey.url) as store:
        await store.control(0)
        monkeypatch.setattr(Connection, "send_packed_command", fill_up)
        task = asyncio.create_task(store.commit(0, Commit(0, "", "s", {}, leads={"ann": BIG})))
        await until(lambda: not store.healthy)
        assert await store.load(0, ["ann"]) == [None]
        monkeypatch.setattr(Connection, "send_packed_command", send)
        valkey.admin.config_set("maxmemory", 0)
        assert await task is Verdict.OK


@pytest.mark.usefixtures("transacting")
@pytest.mark.parametrize("key", ["leads", "ctl", "outbox"])
async def test_a_transaction_that_redis_cannot_take_is_raised(valkey: SimpleNamespace, key: str) -> None:
    valkey.admin.set(getattr(shard_keys("faults", 0, 4), key), "of another program")
    async with opened(valkey.url) as store, asyncio.timeout(15):
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await store.commit(0, Commit(0, "", "s", {}, leads={"ann": b"1"}))
        assert await store.counts(1) == {"leads": 0, "due": 0, "outbox": 0, "dirty": 0}, "the connection is in order"


def test_a_command_is_written_as_redis_py_writes_it() -> None:
    values = {"": b"", "zoë": b"\r\n$1", "long" * 500: bytes(range(256)) * 300}
    client: Any = redis.Connection()  # type: ignore[no-untyped-call]
    packed = client.pack_command("HSET", "a:{0}:leads", *chain.from_iterable(values.items()))
    assert b"".join(transaction.hset("a:{0}:leads", values, NOTHING)) == b"".join(packed)


async def test_an_error_that_repeating_cannot_help_is_raised(valkey: SimpleNamespace) -> None:
    valkey.admin.set(shard_keys("faults", 0, 4).ctl, "of another program")
    async with opened(valkey.url) as store, asyncio.timeout(15):
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await store.control(0)


@pytest.mark.usefixtures("way")
async def test_a_read_only_replica_is_waited_for(valkey: SimpleNamespace) -> None:
    async with opened(valkey.url) as store:
        valkey.admin.config_set("replica-serve-stale-data", "yes")
        valkey.admin.replicaof("127.0.0.1", free_port())
        task = asyncio.create_task(store.commit(0, Commit(0, "", "s", {}, leads={"ann": b"1"})))
        await until(lambda: not store.healthy)
        valkey.admin.replicaof("NO", "ONE")
        assert await task is Verdict.OK


@pytest.mark.usefixtures("way")
async def test_too_few_replicas_are_waited_for(valkey: SimpleNamespace) -> None:
    async with opened(valkey.url) as store:
        valkey.admin.config_set("min-replicas-to-write", 1)
        task = asyncio.create_task(store.commit(0, Commit(0, "", "s", {}, leads={"ann": b"1"})))
        await until(lambda: not store.healthy)
        valkey.admin.config_set("min-replicas-to-write", 0)
        assert await task is Verdict.OK


@pytest.mark.usefixtures("way")
async def test_a_script_that_redis_forgot_is_sent_again(valkey: SimpleNamespace) -> None:
    async with opened(valkey.url) as store:
        for version, after in enumerate(("", "s0", "s1")):
            valkey.admin.script_flush()
            assert await store.commit(0, Commit(version, after, f"s{version}", {}, leads={"ann": b"1"})) is Verdict.OK
        assert store.healthy


async def test_a_cancelled_caller_leaves_the_answers_in_step(valkey: SimpleNamespace) -> None:
    async with opened(valkey.url) as store:
        await store.commit(0, Commit(0, "", "s0", {}, leads={"ann": BIG, "bob": b"bob"}))
        for _ in range(30):
            task = asyncio.create_task(store.load(0, ["ann"]))
            await asyncio.sleep(0)
            task.cancel()
            assert await store.load(0, ["bob"]) == [b"bob"]
            assert task.cancelled()


@pytest.mark.usefixtures("way")
async def test_a_step_cancelled_in_flight_is_a_duplicate_when_repeated(valkey: SimpleNamespace) -> None:
    async with opened(valkey.url) as store:
        await store.control(0)
        again = Commit(0, "", "s0", {}, leads={"ann": BIG})
        task = asyncio.create_task(store.commit(0, again))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: bool(valkey.admin.exists(shard_keys("faults", 0, 4).ctl)))
        assert await store.commit(0, again) is Verdict.DUP


@pytest.mark.parametrize("maxmemory", [0, 100_000_000])
async def test_a_redis_that_may_evict_is_refused_with_the_remedy(valkey: SimpleNamespace, maxmemory: int) -> None:
    async with opened(valkey.url) as store:
        await store.verify()
        valkey.admin.config_set("maxmemory", maxmemory)
        valkey.admin.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(EvictingStore, match=r"allkeys-lru.*Set `maxmemory-policy noeviction`"):
            await store.verify()


async def test_the_check_at_start_needs_no_right_to_read_the_configuration(valkey: SimpleNamespace) -> None:
    port = valkey.port
    valkey.admin.execute_command("ACL", "SETUSER", "w", "on", ">pw", "~faults:*", *REDIS_RIGHTS)
    async with opened(f"redis://w:pw@127.0.0.1:{port}") as store:
        await store.verify()
    valkey.admin.acl_setuser("w", commands=["-info"])
    for url in (f"redis://w:pw@127.0.0.1:{port}", f"redis://w:wrong@127.0.0.1:{port}"):
        async with opened(url) as store:
            with pytest.raises(AccessDenied, match="Correct user and password"):
                await store.verify()


@pytest.mark.parametrize("lacking", ["~faults:*", "+@read", "+@write", "+@scripting", "+@transaction"])
async def test_a_missing_permission_is_named(valkey: SimpleNamespace, lacking: str) -> None:
    allowed = [rule for rule in ("~faults:*", *REDIS_RIGHTS) if rule != lacking]
    valkey.admin.execute_command("ACL", "SETUSER", "w", "on", ">pw", *allowed)
    async with opened(f"redis://w:pw@127.0.0.1:{valkey.port}") as store:
        with pytest.raises(PermissionsMissing, match=f"`ACL SETUSER name {re.escape(lacking)}`"):
            await store.verify()


async def test_a_cluster_client_for_a_server_that_is_no_cluster_is_refused(valkey: SimpleNamespace) -> None:
    async with opened(f"{valkey.url}?cluster=true") as store:
        with pytest.raises(NoCluster, match=r"Remove `cluster=true`"):
            await store.verify()


async def test_a_policy_that_changes_while_running_is_noticed(valkey: SimpleNamespace) -> None:
    async with opened(valkey.url) as store:
        watching = asyncio.create_task(watch_server(store.verify, 0.01))
        valkey.admin.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(EvictingStore):
            await asyncio.wait_for(watching, 10)


def test_redis_before_7_is_too_old() -> None:
    versions = ("6.2.14", "7.0.0", "7.2.4", "10.0.1")
    assert [is_new_enough(version) for version in versions] == [False, True, True, True]


async def test_a_database_that_there_is_not_is_refused(valkey: SimpleNamespace) -> None:
    async with opened(f"{valkey.url}/99") as store:
        with pytest.raises(CheckRefused, match=r"DB index is out of range.*LEADGLOW_REDIS"):
            await store.verify()


@pytest.mark.usefixtures("way")
async def test_the_rights_that_the_settings_name_are_enough_for_a_step(valkey: SimpleNamespace) -> None:
    valkey.admin.execute_command("ACL", "SETUSER", "worker", "on", ">pw", "~faults:*", *REDIS_RIGHTS)
    async with opened(f"redis://worker:pw@127.0.0.1:{valkey.port}") as store, asyncio.timeout(15):
        once = Commit(0, "", "s", {}, leads={"ann": b"1"}, ranks={"card": {"ann": 5.0}}, outbox=[Entry(1, b"x")])
        assert await store.commit(0, once) is Verdict.OK


async def test_a_cluster_is_verified_node_by_node_and_needs_the_cluster_client(cluster_url: str) -> None:
    async with opened(cluster_url) as store:
        await store.verify()
    async with opened(cluster_url.partition("?")[0]) as store:
        with pytest.raises(ClusterExpected, match="cluster=true"):
            await store.verify()


@pytest.mark.parametrize("partitions", [1, 3, 8, 12, 64])
def test_slots_of_partitions_lie_in_equal_segments(partitions: int) -> None:
    for partition in range(partitions):
        keys = shard_keys("ns", partition, partitions)
        assert f":{{{tag(partition, partitions)}}}:" in keys.leads
        found = slot(tag(partition, partitions))
        assert partition * SLOTS <= found * partitions < (partition + 1) * SLOTS


def test_slots_are_those_of_redis() -> None:
    assert slot("123456789") == 0x31C3
    assert slot("user1000") == 3443


@pytest.mark.parametrize("namespace", ["a{b", "a}b"])
def test_a_namespace_may_not_break_the_hash_tag(namespace: str) -> None:
    with pytest.raises(ValueError, match="remove the braces"):
        shard_keys(namespace, 0, 1)
