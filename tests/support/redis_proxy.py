"""A TCP proxy in front of Redis that loses a reply, delays, redirects, or accepts TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Self


class Proxy:
    """Forwards bytes, with faults on request. A connection has one command in progress at a time."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        """``port`` is the local port of the server; ``tls`` is the context for clients."""
        self._tls = tls
        self._lost = asyncio.Event()
        self._upstream = port
        self.delay_s = 0.0
        """The delay of each reply."""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._command = b""
        self._cut = False
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Start to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the server and all connections."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The address for clients."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The URL for Redis clients."""
        return f"redis://127.0.0.1:{self.port}"

    def lose_reply(self, command: bytes, *, cut: bool) -> None:
        """Withhold the next reply to this command; then close the connection, or let the client wait."""
        self._lost.clear()
        self._command, self._cut = command, cut

    async def until_lost(self) -> None:
        """Wait until a reply is withheld, which means that the server has executed the command."""
        await asyncio.wait_for(self._lost.wait(), 20)

    def lead_to(self, port: int) -> None:
        """Forward to another server from now on."""
        self._upstream = port
        self.cut()

    def cut(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.close()
            return
        connection = {writer, to_upstream}
        self._writers |= connection
        marked = asyncio.Event()
        await asyncio.gather(
            self._requests(reader, to_upstream, marked),
            self._replies(upstream, writer, marked),
            return_exceptions=True,  # either end may go away
        )
        self._writers -= connection
        await asyncio.gather(*(each.wait_closed() for each in connection), return_exceptions=True)

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, marked: asyncio.Event
    ) -> None:
        with contextlib.closing(writer):
            while data := await reader.read(1 << 16):
                if self._command and self._command in data:
                    self._command = b""
                    marked.set()
                writer.write(data)
                await writer.drain()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, marked: asyncio.Event) -> None:
        with contextlib.closing(writer):
            while data := await reader.read(1 << 16):
                if not marked.is_set():
                    await asyncio.sleep(self.delay_s)
                    writer.write(data)
                    await writer.drain()
                    continue
                self._lost.set()
                if self._cut:
                    return
