"""The event loop of what serves."""

import asyncio
from contextlib import suppress

import pytest

from app.loop import run_long


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(100))
    writer.close()


def test_writing_to_a_connection_that_was_lost_is_said_as_asyncio_says_it() -> None:
    async def scenario() -> int:
        async with await asyncio.start_server(_answer, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.writelines([b"ab", b"c"])
            assert await reader.readexactly(3) == b"abc"
            writer.transport.abort()
            with suppress(OSError):
                await asyncio.wait_for(writer.wait_closed(), 1)
            writer.write(b"d")
            writer.writelines([b"e"])
            with pytest.raises(ConnectionResetError):
                await writer.drain()
        return 7

    assert run_long(scenario()) == 7
