"""Checks a Redis server: its version, its policy, and the permissions of the user."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from redis.asyncio import RedisCluster
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    NoScriptError,
    RedisClusterException,
    ResponseError,
)

from streams.store.checks import (
    AccessDenied,
    CheckRefused,
    ClusterExpected,
    EvictingStore,
    NoCluster,
    OldServer,
    PermissionsMissing,
)
from streams.store.reports import SAFE_POLICY

MIN_VERSION: Final = (7, 0)
"""From this version of Redis on, scripts that begin with `#!lua` are refused before they write if memory is short."""
CHECK_S: Final = 30.0
_NO_CLUSTER: Final = "Cluster mode is not enabled"


async def watch_server(verify: Callable[[], Awaitable[None]], every_s: float = CHECK_S) -> None:
    """Check regularly, for ever: somebody may change the policy of a running server.

    Raises:
        StoreRefused: the message has the reason and the remedy.
    """
    while True:
        await asyncio.sleep(every_s)
        await verify()


async def check_server(client: Any, namespace: str, writes: bool = True) -> None:
    """Refuse a Redis that could silently lose leads, that lacks permissions, or that needs another client.

    Who only reads needs fewer permissions, and leaves the policy to who writes.

    Raises:
        StoreRefused: the message has the reason and the remedy.
        RedisError, OSError: Redis does not respond.
    """
    for node, report in (await _ask(client)).items():
        if report.get("cluster_enabled") and not isinstance(client, RedisCluster):
            raise ClusterExpected(node=node)
        if (version := str(report.get("redis_version", "7.0"))) and not is_new_enough(version):
            raise OldServer(node=node, version=version, needed=".".join(map(str, MIN_VERSION)))
        if writes and (policy := report.get("maxmemory_policy")) != SAFE_POLICY:
            raise EvictingStore(node=node, policy=policy)
    if missing := await missing_permissions(client, namespace, writes):
        raise PermissionsMissing(rules=" ".join(missing))


def is_new_enough(version: str) -> bool:
    """Whether a version of Redis is supported."""
    parts = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return tuple(parts) >= MIN_VERSION


async def _ask(client: Any) -> dict[str, Mapping[str, Any]]:
    """Ask each primary for INFO, and translate what cannot be repaired by waiting."""
    try:
        return await read_info(client)
    except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
        raise AccessDenied(error=error) from error
    except ResponseError as error:  # for example, the database does not exist
        raise CheckRefused(error=error) from error
    except RedisClusterException as error:
        if says_no_cluster(error):
            raise NoCluster from error
        raise


def says_no_cluster(error: BaseException) -> bool:
    """Whether a client for a cluster has found a server that is none."""
    return isinstance(error, RedisClusterException) and _NO_CLUSTER in str(error)


async def read_info(client: Any) -> dict[str, Mapping[str, Any]]:
    """INFO of every primary, by its name; CONFIG GET would be enough, but ACLs often forbid it."""
    if not isinstance(client, RedisCluster):
        return {"the configured address": await client.info()}
    await client.initialize()
    return {node.name: await client.info(target_nodes=node) for node in client.get_primaries()}


async def missing_permissions(client: Any, namespace: str, writes: bool = True) -> list[str]:
    """The rules of `ACL SETUSER` that the user lacks, found by commands that change nothing."""
    key = f"{namespace}:meta"
    if await _is_refused(lambda: client.hget(key, "partitions"), "key"):
        return [f"~{namespace}:*"]
    attempts: dict[str, Callable[[], Awaitable[object]]] = {
        "+@read": lambda: client.hget(key, "partitions"),
        "+@scripting": lambda: client.evalsha_ro("0" * 40, 1, key),
    }
    if writes:
        attempts["+@write"] = lambda: client.hdel(key, "")
    if writes and not isinstance(client, RedisCluster):
        attempts["+@transaction"] = lambda: _transact(client)
    return [rule for rule, attempt in attempts.items() if await _is_refused(attempt)]


async def _is_refused(attempt: Callable[[], Awaitable[object]], reason: str = "") -> bool:
    """Whether Redis refuses a command, for a reason."""
    try:
        await attempt()
    except NoScriptError:
        return False
    except NoPermissionError as error:
        return reason in str(error)
    return False


async def _transact(client: Any) -> None:
    pipeline = client.pipeline(transaction=True)
    pipeline.ping()
    await pipeline.execute()
