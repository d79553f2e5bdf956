"""A step that changes many leads, as a transaction: the leads by one ``HSET``, all else by ``commit.lua``.

Lua makes a string of each value that a script writes, and Redis serves nobody else meanwhile: 5,000 leads hold it up
for 8 ms. An ``HSET`` of them takes 2.4 ms, and others are served while it is read.
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
"""What goes over the wire, in parts."""


class _Heads(dict[int, bytes]):
    """The line that Redis wants before a text of so many bytes, with the end of the line before."""

    def __missing__(self, size: int) -> bytes:
        head = self[size] = b"\r\n$%d\r\n" % size
        return head


_head = _Heads().__getitem__


def hset(key: str, values: Mapping[str, bytes], packed: Packed) -> Parts:
    """The command on the wire, in parts. redis-py packs one argument after another, which takes five times as long."""
    names, blobs = list(map(str.encode, values)), values.values()
    parts = zip(map(_head, map(len, names)), names, map(_head, map(len, blobs)), blobs, strict=True)
    name, size = key.encode(), 2 + 2 * (len(values) + len(packed.lead_ids))
    first = (b"*%d\r\n$4\r\nHSET" % size, _head(len(name)), name)
    return [b"".join(chain(first, chain.from_iterable(parts))), packed.wire, b"\r\n"]


async def transact(pool: Any, keys: ShardKeys, commit: Commit, leads: Parts, script: Sequence[Any]) -> Verdict:
    """Take a step, all of it, if the last one is the one that it follows.

    Args:
        pool: connections of redis-py; one of them is used, because Redis watches for a connection.
        keys: of the shard.
        commit: what ``leads`` and ``script`` do together.
        leads: a command as it goes over the wire; it may not fail by what it says.
        script: the words of another; it may fail by an outbox that goes back, which is looked for before.

    Raises:
        ValueError: the outbox goes back; nothing was done.
        redis.exceptions.RedisError: nothing was done; or nobody knows, and the same again is safe.
    """
    connection = await pool.get_connection()
    try:
        while True:
            last, newest = await _watch(connection, keys)
            if last != commit.after:
                await connection.disconnect()  # what is watched ends with it
                return Verdict.DUP if last == commit.step else Verdict.CONFLICT
            require_unused(commit, newest)
            if (taken := await _execute(connection, leads, script)) is not None:
                return Verdict(taken.decode())
    except BaseException:
        await connection.disconnect(nowait=True)  # and with it whatever was watched or begun
        raise
    finally:
        await pool.release(connection)


async def _watch(connection: Any, keys: ShardKeys) -> tuple[str, int]:
    """The last step taken, and the last entry that ever was in the outbox. From here on no other step may be taken."""
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
    """What the script returns; None where nothing was done, because what is watched was written."""
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
