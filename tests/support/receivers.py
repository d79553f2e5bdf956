"""A receiver of messages that behaves as a test wants, and remembers what it got."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.notify.alerts import Alert, read_alert
from app.notify.trial import example_alert
from streams.clock import now_ms

Writes = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at_ms: int


@dataclass
class Receiver:
    """A server on raw sockets, so that it can lie; ``answers`` are used one after another, the last one for ever."""

    host: str = "127.0.0.1"
    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: list[bytes | Writes] = field(default_factory=lambda: [response(200)])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").strip().split("\r\n")
                method, path, _ = first.split(" ")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.received.append(Received(method, path, headers, body, now_ms()))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def response(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An honest response; write dashes in names of headers as underscores."""
    lines = {"content-length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


@asynccontextmanager
async def receiving(*answers: bytes | Writes, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """Serve until the end of the block, on an address of this machine."""
    receiver = Receiver(host)
    if answers:
        receiver.answers = list(answers)
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):  # the streams of Python 3.11 log it
            await receiver.handle(reader, writer)

    server = await asyncio.start_server(handle, host, 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def alert_of(alert_id: str = "a-1", lead_id: str = "ana", **data: Any) -> Alert:
    """The alert of the documentation with other values in its ``data``."""
    event = orjson.loads(example_alert(alert_id).raw) | {"subject": lead_id}
    event["data"] |= data
    alert = read_alert(orjson.dumps(event))
    assert alert is not None
    return alert
