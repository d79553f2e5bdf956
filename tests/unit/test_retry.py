"""Which errors of the Redis client are worth a retry."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop
from redis.asyncio import Redis
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, ResponseError

from streams.store.retry import MAX_CLOSED, UNREACHABLE, RetryPolicy, remedy


@asynccontextmanager
async def answering() -> AsyncIterator[int]:
    """A server that says OK to whatever it is sent; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sent := await reader.read(65536):
            writer.write(b"+OK\r\n" * sent.count(b"*"))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Unlucky(Connection):
    """A connection that is closed once, just before it is written to."""

    close: Callable[["Unlucky"], Coroutine[Any, Any, None]] | None = None

    async def check_health(self) -> None:
        """Called by redis-py between the look whether it is connected and the write."""
        close, Unlucky.close = Unlucky.close, None
        if close is not None:
            await close(self)


async def by_the_peer(connection: Unlucky) -> None:
    connection._writer.transport.abort()  # type: ignore[union-attr]
    with suppress(OSError):
        await asyncio.wait_for(connection._writer.wait_closed(), 1)  # type: ignore[union-attr]


async def by_another_task(connection: Unlucky) -> None:
    await connection.disconnect()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("close", [by_the_peer, by_another_task])
def test_a_connection_that_is_closed_while_it_is_written_to_is_one_that_is_away(
    run: Callable[[Coroutine[Any, Any, object]], object], close: Callable[[Unlucky], Coroutine[Any, Any, None]]
) -> None:
    failed: list[str] = []

    async def scenario() -> object:
        async with answering() as port:
            client = Redis(host="127.0.0.1", port=port, protocol=2, retry=Retry(NoBackoff(), 0))
            client.connection_pool.connection_class = Unlucky
            patience = RetryPolicy(client.connection_pool.disconnect, failed.append)
            await patience.call("look", client.ping)
            Unlucky.close = close
            answer = await patience.call("look", lambda: client.set("a", "b"))
            await client.aclose()
            return answer

    assert run(scenario()) is True
    assert failed == ["look"]


def test_a_write_that_never_works_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.store.retry.MAX_DELAY_S", 0.0)

    async def scenario() -> None:
        async with answering() as port:
            client: Any = Redis(host="127.0.0.1", port=port, protocol=2, retry=Retry(NoBackoff(), 0))

            async def send() -> None:
                connection = await client.connection_pool.get_connection()
                try:
                    await connection.send_packed_command([b"*1\r\n$4\r\nPING\r\n", 7])
                finally:
                    await client.connection_pool.release(connection)

            try:
                await RetryPolicy(client.connection_pool.disconnect, failed.append).call("look", send)
            finally:
                await client.aclose()

    failed: list[str] = []
    with pytest.raises(TypeError):
        asyncio.run(scenario())
    assert len(failed) == MAX_CLOSED


def test_an_attempt_that_fails_after_its_caller_has_given_up_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def nothing() -> None:
        pass

    async def scenario() -> None:
        patience = RetryPolicy(nothing, lambda op: None)
        late = asyncio.Event()

        async def send() -> None:
            await late.wait()
            raise ConnectionError

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await patience.call("look", send)
        late.set()
        await patience.settle()
        gc.collect()

    asyncio.run(scenario())
    assert caplog.records == []


@pytest.mark.parametrize("kind", [AttributeError, RuntimeError, TypeError])
def test_the_same_kind_of_error_from_elsewhere_is_a_fault_of_ours(kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        raise kind
    assert remedy(raised.value) is None


def test_permanent_errors_are_not_retried() -> None:
    assert remedy(ResponseError("WRONGTYPE Operation against a key")) is None


def test_temporary_errors_are_retried() -> None:
    assert remedy(ConnectionError("Connection refused")) == UNREACHABLE
    assert "loading its data" in str(remedy(BusyLoadingError("LOADING Redis is loading the dataset in memory")))
