"""Repeats a call to Redis until it succeeds, and logs each outage once."""

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
"""The errors that a client can raise. A store raises those of them that a repetition cannot fix."""
CLOSED = (AttributeError, RuntimeError, TypeError)
"""The errors that redis-py raises when it writes to a connection that the server or another task has just closed.

uvloop raises the second, asyncio of Python 3.12 and 3.13 the third and the first: redis-py issue 4287.
"""
MAX_CLOSED = 20
"""After this many such errors in a row, the error is considered a bug and raised."""
WRITE = AbstractConnection.send_packed_command.__code__
logger = logging.getLogger(__name__)
Reply = TypeVar("Reply")

FIRST_DELAY_S = 0.05
MAX_DELAY_S = 2.0

UNREACHABLE = "check that Redis runs, and its address and TLS settings"
CLUSTER = "a part of the cluster is down: bring its nodes back or fail over to replicas"
REMEDIES = {
    "BUSY": "another client's script blocks Redis: end it with SCRIPT KILL",
    "CLUSTERDOWN": CLUSTER,
    "LOADING": "Redis is loading its data from disk: wait",
    "MASTERDOWN": CLUSTER,
    "MISCONF": "Redis cannot write to its disk: free some space and read its log",
    "NOREPLICAS": "too few replicas follow the primary: bring them back (min-replicas-to-write)",
    "OOM": "Redis is out of memory: raise maxmemory or add nodes",
    "READONLY": "this Redis is a replica: finish the failover or correct the address",
    "TRYAGAIN": "slots are moving between nodes: wait until the move is complete",
}
"""Error code of Redis -> remedy. Only calls that fail with these codes, or a lost connection, are repeated."""


def _written(error: Exception) -> bool:
    """Whether the error was raised while redis-py was writing to a connection."""
    return any(frame.f_code is WRITE for frame, _ in walk_tb(error.__traceback__))


def remedy(error: Exception) -> str | None:
    """The remedy for an error, or None if it is useless to repeat the call."""
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
    """Repeats calls until they succeed, and records whether the store answers."""

    def __init__(self, reset: Callable[[], Awaitable[None]], on_error: Callable[[str], None]) -> None:
        """``reset`` closes stale connections; ``on_error`` is called with the operation of each failed attempt."""
        self.healthy = True
        self._reset = reset
        self._on_error = on_error
        self._waiting: set[object] = set()
        self._in_flight: set[asyncio.Task[object]] = set()

    async def call(self, op: str, send: Callable[[], Awaitable[Reply]]) -> Reply:
        """Repeat a call until it succeeds. If the caller is cancelled, the attempt in progress still completes."""
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
                if advice is None or closed > MAX_CLOSED:
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
            delay_s = min(2 * delay_s, MAX_DELAY_S)

    async def _shielded(self, send: Callable[[], Awaitable[Reply]]) -> Reply:
        task = asyncio.ensure_future(send())
        self._in_flight.add(task)
        task.add_done_callback(self._landed)
        return await asyncio.shield(task)

    def _landed(self, task: asyncio.Task[object]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled():
            task.exception()  # otherwise asyncio logs the error if the caller was cancelled

    def _failed(self, op: str, error: Exception, advice: str) -> None:
        self._on_error(op)
        if self.healthy:
            self.healthy = False
            logger.warning(
                "the Redis call %s failed (%s: %s): %s; repeating it until it succeeds, nothing is lost",
                op, type(error).__name__, error, advice,
            )  # fmt: skip

    def _worked(self) -> None:
        # Reads may succeed while writes wait, for example for memory: healthy means that no call waits.
        if not self.healthy and not self._waiting:
            self.healthy = True
            logger.warning("Redis works again")

    async def settle(self) -> None:
        """Wait for the attempts in progress whose callers were cancelled."""
        if self._in_flight:
            await asyncio.wait(self._in_flight)
