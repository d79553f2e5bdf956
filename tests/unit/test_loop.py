"""The event loop of what serves."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from app.loop import run_long
from tests.support.certificates import make_certificates


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(100))
    writer.close()


def test_writing_to_a_lost_connection_is_logged_as_by_asyncio() -> None:
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


def test_a_connection_may_go_on_with_tls(tmp_path: Path) -> None:
    """As aiohttp's does behind a proxy."""
    certificates = make_certificates(tmp_path)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(certificates.server)
    ours = ssl.create_default_context(cafile=str(certificates.authority))

    async def scenario() -> int:
        async with await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=theirs) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await writer.start_tls(ours, server_hostname="127.0.0.1")
            writer.write(b"abc")
            said = await asyncio.wait_for(reader.read(100), 5)
            writer.close()
        return len(said)

    assert run_long(scenario()) == 3
