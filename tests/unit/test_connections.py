"""Connections of our HTTP servers are bounded: in number, and in the size and time of unfinished heads."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from app.http.connection_metrics import ConnectionMetrics
from streams import connections, probes
from streams.connections import BoundedServer, files_for
from tests.support.waiting import until

HEAD = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Memory:
    """What heads hold."""

    limit: int = 1_000
    held: int = 0
    size: int = 0

    def hold(self, remote: str) -> Memory:
        assert remote == "127.0.0.1"
        return self

    def add(self, size: int) -> bool:
        if self.held + size > self.limit:
            return False
        self.held += size
        return True

    def release(self) -> None:
        self.held = 0


@dataclass
class Running:
    server: BoundedServer
    port: int
    release: asyncio.Event = field(default_factory=asyncio.Event)
    peers: list[Peer] = field(default_factory=list)

    async def connect(self, sent: bytes = b"") -> Peer:
        peer = await asyncio.open_connection("127.0.0.1", self.port)
        peer[1].write(sent)
        self.peers.append(peer)
        return peer

    async def ask(self) -> bytes:
        """The head of the response to a request."""
        reader, _ = await self.connect(HEAD)
        async with asyncio.timeout(5):
            return await reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def serving(most: int = 4, is_proxied: bool = True, memory: Memory | None = None) -> AsyncIterator[Running]:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/slow":
            await running.release.wait()
        return web.Response(text="yes")

    server = BoundedServer(answer, most, is_proxied, memory.hold if memory is not None else None, access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running = Running(server, runner.addresses[0][1])
    try:
        yield running
    finally:
        running.release.set()
        for _, writer in running.peers:
            writer.close()
        await runner.cleanup()


async def closed(peer: Peer) -> bool:
    """Whether the server has closed the connection, without a response."""
    async with asyncio.timeout(5):
        try:
            return await peer[0].read() == b""
        except ConnectionResetError:
            return True


@pytest.mark.parametrize("sent", [b"", HEAD[:10], HEAD + HEAD[:10]])
async def test_a_new_connection_replaces_the_one_that_has_no_request_for_longest(sent: bytes) -> None:
    async with serving(most=3) as running:
        first = await running.connect(sent)
        await until(lambda: len(running.server.remotes) == 1)
        await running.connect()
        await running.ask()

        assert b" 200 " in await running.ask()
        async with asyncio.timeout(5):
            assert (await first[0].read()).count(b" 200 ") == sent.count(HEAD)
        assert len(running.server.remotes) == 3


async def test_a_connection_beyond_the_bound_is_refused_while_all_others_work() -> None:
    async with serving(most=2) as running:
        for _ in range(2):
            await running.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: len(running.server.remotes) == 2 and not running.server.idle)

        assert await closed(await running.connect(HEAD))
        assert running.server.closed["too_many"] == 1
        running.release.set()
        await until(lambda: len(running.server.idle) == 2)
        assert b" 200 " in await running.ask()


async def test_one_address_has_a_quarter_unless_it_is_a_proxy() -> None:
    async with serving(most=8, is_proxied=False) as running:
        await running.ask()
        await running.ask()

        assert await closed(await running.connect(HEAD))


async def test_an_unfinished_head_is_left_after_a_time_however_often_a_byte_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 1.0)
    memory = Memory()
    async with serving(memory=memory) as running:
        slow = await running.connect(HEAD[:20])
        after = await running.connect(HEAD + HEAD[:10])
        for each in HEAD[10:14]:
            await asyncio.sleep(0.01)
            after[1].write(bytes([each]))
        assert memory.held > 20

        assert await closed(slow)
        async with asyncio.timeout(5):
            assert (await after[0].read()).count(b" 200 ") == 1
        assert running.server.closed["slow_head"] == 2
        assert memory.held == 0


async def test_a_head_in_parts_is_answered_and_frees_what_it_held() -> None:
    memory = Memory()
    async with serving(memory=memory) as running:
        reader, writer = await running.connect(HEAD[:20])
        await until(lambda: memory.held == 20)
        writer.write(HEAD[20:])

        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        assert memory.held == 0


async def test_a_body_is_no_head() -> None:
    memory = Memory(limit=10)
    async with serving(memory=memory) as running:
        reader, writer = await running.connect(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        for _ in range(2):
            await writer.drain()
            writer.write(b"x" * 50)
        running.release.set()

        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        assert memory.held == 0


@pytest.mark.parametrize(("limit", "bound", "reason"), [(50, 1_000, "memory"), (1_000, 50, "large_head")])
async def test_heads_take_no_more_memory_than_there_is(
    limit: int, bound: int, reason: connections.Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_HEAD_BYTES", bound)
    memory = Memory(limit)
    async with serving(memory=memory) as running:
        assert await closed(await running.connect(b"GET / HTTP/1.1\r\nX: " + b"y" * 100))
        assert running.server.closed == {reason: 1}
        assert memory.held == 0


async def test_no_response_names_a_version_not_even_to_what_is_not_http() -> None:
    runner = await probes.serve("127.0.0.1", 0, CollectorRegistry(), lambda: True)
    port = runner.addresses[0][1]
    running = Running(BoundedServer(None, 1), port)
    said = [await running.ask()]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/none") as answer:
        said.append(str(answer.headers).encode())
    reader, _ = await running.connect(b"nonsense\r\n\r\n")
    said.append(await reader.read())
    for _, writer in running.peers:
        writer.close()
        await writer.wait_closed()
    await runner.cleanup()

    for each in said:
        assert b"leadglow" in each
        assert b"aiohttp" not in each
        assert b"Python" not in each


async def test_the_metrics_of_a_server_exist_before_it_listens() -> None:
    registry = CollectorRegistry()
    metrics = ConnectionMetrics("x", registry)
    assert registry.get_sample_value("x_connections_closed_total", {"reason": "too_many"}) == 0
    async with serving() as running:
        metrics.watch(running.server)
        await running.ask()

        assert registry.get_sample_value("x_connections") == 1


def test_connections_leave_files_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(1_024, 4_096)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda which, new: limits.append(new))

    assert files_for(500) == 500
    assert files_for(10_000) == 4_096 - 256
    assert limits == [(1_024, 4_096), (4_096, 4_096)]
