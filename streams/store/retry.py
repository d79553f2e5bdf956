"""Repeats a call of the Redis client until the store answers, and logs each outage once."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from traceback import walk_tb
from typing import TypeVar

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,
    RedisClusterException,
    RedisError,
    TimeoutError,
)

TROUBLE = (RedisError, RedisClusterException, OSError)
"""What may come out of a client; of it, that which a repetition cannot mend comes out of a store."""
CLOSED = (AttributeError, RuntimeError, TypeError)
"""What redis-py lets out when it writes to a connection that was just closed, by the server or by another task.

uvloop raises the second, asyncio of Python 3.12 and 3.13 the third and the first: redis-py issue 4287.
"""
MOST_CLOSED = 20
"""So often in a row it may be that; then it is a fault of ours."""
WRITE = AbstractConnection.send_packed_command.__code__
logger = logging.getLogger(__name__)
Reply = TypeVar("Reply")

FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 2.0

UNREACHABLE = "check that Redis runs, and its address and TLS settings"
CLUSTER = "a part of the cluster is down: bring its nodes back or fail over to replicas"
REMEDIES = {
    "BUSY": "another client's script blocks Redis: end it with SCRIPT KILL",
    "CLUSTERDOWN": CLUSTER,
    "LOADING": "Redis reads its data from disk: wait",
    "MASTERDOWN": CLUSTER,
    "MISCONF": "Redis cannot write to its disk: make room and look into its log",
    "NOREPLICAS": "too few replicas follow the primary: bring them back (min-replicas-to-write)",
    "OOM": "Redis is out of memory: raise maxmemory or add nodes",
    "READONLY": "this Redis is a replica: finish the failover or correct the address",
    "TRYAGAIN": "slots move between nodes: wait until the move is complete",
}
"""Error code of Redis -> what to do about it. Only these, and a lost connection, are worth a retry."""


def _written(error: Exception) -> bool:
    """Whether redis-py was writing to a connection, whatever the event loop says about it."""
    return any(frame.f_code is WRITE for frame, _ in walk_tb(error.__traceback__))


def remedy(error: Exception) -> str | None:
    """What ends this trouble, or None if repeating the call cannot help."""
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        return None
    if isinstance(error, CLOSED):
        return UNREACHABLE if _written(error) else None
    if isinstance(error, RedisClusterException):
        return remedy(error.__cause__) if isinstance(error.__cause__, RedisError) else CLUSTER
    code = getattr(error, "status_code", None) or str(error).split(" ", 1)[0]
    if code in REMEDIES:
        return REMEDIES[code]
    if "TTL exhausted" in str(error):  # redis-py followed too many redirections
        return REMEDIES["TRYAGAIN"]
    return UNREACHABLE if isinstance(error, (ConnectionError, TimeoutError, OSError)) else None


class RetryPolicy:
    """Sends calls until they are answered; knows whether the store is well."""

    def __init__(self, reset: Callable[[], Awaitable[None]], on_error: Callable[[str], None]) -> None:
        """Take what drops stale connections, and what counts a failed attempt of an operation."""
        self.healthy = True
        self._reset = reset
        self._on_error = on_error
        self._waiting: set[object] = set()
        self._in_flight: set[asyncio.Task[object]] = set()

    async def call(self, op: str, send: Callable[[], Awaitable[Reply]]) -> Reply:
        """Send until answered. A caller that is cancelled does not cut off the attempt in flight."""
        caller = object()
        try:
            return await self._until_answered(op, send, caller)
        finally:
            self._waiting.discard(caller)

    async def _until_answered(self, op: str, send: Callable[[], Awaitable[Reply]], caller: object) -> Reply:
        delay_s, closed = FIRST_DELAY_S, 0
        while True:
            try:
                reply = await self._shielded(send)
            except (*TROUBLE, *CLOSED) as error:
                advice = remedy(error)
                closed = closed + 1 if isinstance(error, CLOSED) else 0
                if advice is None or closed > MOST_CLOSED:
                    raise
                self._failed(op, error, advice)
                self._waiting.add(caller)
            else:
                self._waiting.discard(caller)
                self._worked()
                return reply
            with suppress(RedisError, OSError):
                await self._reset()
            await asyncio.sleep(delay_s * random.uniform(0.5, 1))
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    async def _shielded(self, send: Callable[[], Awaitable[Reply]]) -> Reply:
        task = asyncio.ensure_future(send())
        self._in_flight.add(task)
        task.add_done_callback(self._landed)
        return await asyncio.shield(task)

    def _landed(self, task: asyncio.Task[object]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled():
            task.exception()  # else asyncio logs it, where the caller gave up before

    def _failed(self, op: str, error: Exception, advice: str) -> None:
        self._on_error(op)
        if self.healthy:
            self.healthy = False
            logger.warning(
                "Redis refuses %s (%s: %s); %s. The call is repeated until it works; nothing is lost.",
                op, type(error).__name__, error, advice,
            )  # fmt: skip

    def _worked(self) -> None:
        # Reads may succeed while writes wait, for memory say: well is when nobody waits.
        if not self.healthy and not self._waiting:
            self.healthy = True
            logger.warning("Redis works again.")

    async def settle(self) -> None:
        """Wait for what is still in flight for callers that were cancelled."""
        if self._in_flight:
            await asyncio.wait(self._in_flight)
