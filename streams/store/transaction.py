"""Commits a step that changes many leads as a transaction: one ``HSET`` for the leads, ``commit.lua`` for the rest.

Lua creates a string for each value that a script writes, and Redis serves no other client meanwhile: 5,000 leads block
it for 8 ms. An ``HSET`` of them takes 2.4 ms, and Redis serves other clients while it reads the command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from redis.exceptions import ExecAbortError, ResponseError

from streams.scoring.packed import Packed
from streams.store.base import Commit, Verdict
from streams.store.checks import require_unused
from streams.store.keys import ShardKeys

Parts = Sequence[bytes | memoryview]
"""An encoded command, in parts."""


class _Heads(dict[int, bytes]):
    """Length in bytes -> the header of an argument in the Redis protocol, preceded by a line end."""

    def __missing__(self, size: int) -> bytes:
        head = self[size] = b"\r\n$%d\r\n" % size
        return head


_head = _Heads().__getitem__


def hset(key: str, values: Mapping[str, bytes], packed: Packed) -> Parts:
    """Encode an HSET command. redis-py encodes each argument separately, which takes five times as long."""
    names, blobs = list(map(str.encode, values)), values.values()
    parts = zip(map(_head, map(len, names)), names, map(_head, map(len, blobs)), blobs, strict=True)
    name, size = key.encode(), 2 + 2 * (len(values) + len(packed.lead_ids))
    first = (b"*%d\r\n$4\r\nHSET" % size, _head(len(name)), name)
    return [b"".join(chain(first, chain.from_iterable(parts))), packed.wire, b"\r\n"]


async def transact(pool: Any, keys: ShardKeys, commit: Commit, leads: Parts, script: Sequence[Any]) -> Verdict:
    """Apply a whole step if the last step is the expected one.

    Args:
        pool: a connection pool of redis-py; one connection is used, because WATCH applies to a connection.
        keys: the keys of the shard.
        commit: the step that ``leads`` and ``script`` apply together.
        leads: an encoded command, which must be valid.
        script: the arguments of a second command. It fails for outbox numbers used before; that is checked first.

    Raises:
        ValueError: an outbox number was used before; nothing was written.
        redis.exceptions.RedisError: nothing was written, or it is not known; it is safe to repeat the call.
    """
    connection = await pool.get_connection()
    try:
        while True:
            last, newest = await _watch(connection, keys)
            if last != commit.after:
                await connection.disconnect()  # ends WATCH
                return Verdict.DUP if last == commit.step else Verdict.CONFLICT
            require_unused(commit, newest)
            if (taken := await _execute(connection, leads, script)) is not None:
                return Verdict(taken.decode())
    except BaseException:
        await connection.disconnect(nowait=True)  # ends WATCH and MULTI
        raise
    finally:
        await pool.release(connection)


async def _watch(connection: Any, keys: ShardKeys) -> tuple[str, int]:
    """The last step, and the highest outbox number ever used. From here on, any other step makes EXEC fail."""
    questions = (("WATCH", keys.ctl), ("HGET", keys.ctl, "step"), ("XINFO", "STREAM", keys.outbox))
    await connection.send_packed_command(connection.pack_commands(questions))
    await connection.read_response()
    last: bytes | None = await connection.read_response()
    try:
        outbox: list[Any] = await connection.read_response()
    except ResponseError as error:
        if "no such key" not in str(error):
            raise
        return (last or b"").decode(), 0
    newest: bytes = outbox[outbox.index(b"last-generated-id") + 1]
    return (last or b"").decode(), int(newest.partition(b"-")[0])


async def _execute(connection: Any, leads: Parts, script: Sequence[Any]) -> bytes | None:
    """The reply of the script; None if nothing was written because a watched key has changed."""
    pack = connection.pack_command
    await connection.send_packed_command([*pack("MULTI"), *leads, *pack(*script), *pack("EXEC")])
    refusals: list[ResponseError] = []
    for _ in ("MULTI", "HSET", "EVAL"):
        try:
            await connection.read_response()
        except ResponseError as error:
            refusals.append(error)
    try:
        replies: list[Any] | None = await connection.read_response()
    except ExecAbortError as error:
        why = ResponseError(str(error).rpartition("because of: ")[2])
        raise (refusals[0] if refusals else why) from error
    if replies is None:
        return None
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    taken: bytes = replies[-1]
    return taken
