"""Bounds the connections of an HTTP server: their number, and how large and how slow an unfinished head may be.

A process that has no file descriptors left cannot answer `/live`, and aiohttp keeps an unfinished head in memory until
its connection is idle for long.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

from aiohttp import web

HEAD_S: Final = 10.0
"""How long a head may take from its first to its last byte, unless an earlier request is still being answered."""
MAX_HEAD_BYTES: Final = 256 * 1024
RESERVED_FILES: Final = 256
"""File descriptors for everything else: files, Kafka, Redis, and connections that are refused in a moment."""
SHARE: Final = 4
"""One address may have one connection in four."""
SERVER_NAME: Final = "leadglow"
"""The header ``Server``, without versions, which would tell others what to attack."""

Reason = Literal["too_many", "slow_head", "large_head", "memory"]
REASONS: Final[tuple[Reason, ...]] = ("too_many", "slow_head", "large_head", "memory")


class Hold(Protocol):
    """Memory that is reserved for one head."""

    def add(self, size: int) -> bool:
        """Reserve more bytes; returns whether there was room."""

    def release(self) -> None:
        """Free all of them."""


class BoundedServer(web.Server):
    """An HTTP server with bounded connections: at the bound, a new one replaces the longest without a request."""

    def __init__(
        self,
        handler: Any,
        most: int,
        is_proxied: bool = True,
        hold: Callable[[str], Hold] | None = None,
        **options: Any,
    ) -> None:
        """Count from zero.

        Args:
            handler: answers a request.
            most: connections, fewer if the process may not open so many files.
            is_proxied: whether one address may have all of them, as a proxy does; else a quarter.
            hold: reserves memory for heads of an address.
            options: of aiohttp's server.
        """
        super().__init__(handler, **options)
        self.most = files_for(most)
        self.most_of_one = self.most if is_proxied else max(self.most // SHARE, 1)
        self.hold = hold
        self.closed: Counter[Reason] = Counter()
        """Connections that were closed or refused because of a bound."""
        self.idle: dict[_Connection, None] = {}
        """The connections without a whole request, longest first."""
        self.remotes: dict[_Connection, str] = {}
        self._by_remote: Counter[str] = Counter()

    def __call__(self) -> web.RequestHandler:
        """A handler for a new connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)

    def admit(self, connection: _Connection, remote: str) -> bool:
        """Count a new connection; returns whether it may stay."""
        full = len(self.remotes) >= self.most and not self._replace_idle()
        if full or self._by_remote[remote] >= self.most_of_one:
            self.closed["too_many"] += 1
            return False
        self.remotes[connection] = remote
        self._by_remote[remote] += 1
        self.idle[connection] = None
        return True

    def _replace_idle(self) -> bool:
        connection = next(iter(self.idle), None)
        if connection is None:
            return False
        self.forget(connection)
        connection.force_close()
        return True

    def forget(self, connection: _Connection) -> None:
        """Stop counting a connection."""
        self.idle.pop(connection, None)
        remote = self.remotes.pop(connection, None)
        if remote is not None:
            self._by_remote[remote] -= 1
            if not self._by_remote[remote]:
                del self._by_remote[remote]


class BoundedAppRunner(web.AppRunner):
    """Runs an application on a ``BoundedServer``."""

    def __init__(self, application: web.Application, most: int, **options: Any) -> None:
        """``most`` connections; ``options`` are those of aiohttp's runner."""
        super().__init__(application, **options)
        self._most = most
        self._options = {name: value for name, value in options.items() if name != "shutdown_timeout"}

    @property
    def bounded(self) -> BoundedServer:
        """The server, after ``setup``."""
        assert isinstance(self.server, BoundedServer)
        return self.server

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        options = self._options | {"request_factory": made.request_factory}
        return BoundedServer(made.request_handler, self._most, **options)


class _Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("_body", "_bounds", "_head_bytes", "_head_hold", "_head_timer")

    def __init__(self, server: BoundedServer, **options: Any) -> None:
        super().__init__(server, **options)
        self._bounds = server
        self._body: Any = None
        self._head_bytes = 0
        self._head_hold: Hold | None = None
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or refuse it."""
        peer = transport.get_extra_info("peername")
        remote = str(peer[0]) if isinstance(peer, tuple) else ""
        if self._bounds.admit(self, remote):
            if self._bounds.hold is not None:
                self._head_hold = self._bounds.hold(remote)
            super().connection_made(transport)
        else:
            assert isinstance(transport, asyncio.Transport)
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free what the connection held."""
        self._end_head()
        self._bounds.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request; count what belongs to an unfinished head."""
        is_body = self._body is not None and not self._body.is_eof()
        count = self._request_count
        super().data_received(data)
        if self._request_count != count:
            self._bounds.idle.pop(self, None)
            self._end_head()
            self._body = self._messages[-1][1] if self._messages else None
        elif data and not is_body:
            self._grow_head(len(data))

    async def finish_response(self, request: Any, resp: Any, start_time: float | None) -> Any:
        """Send a response; the connection is idle afterwards."""
        if resp is not None and not resp.prepared:
            resp.headers.setdefault("Server", SERVER_NAME)
        done = await super().finish_response(request, resp, start_time)
        if self in self._bounds.remotes and not self._messages:
            self._bounds.idle[self] = None
        return done

    def _grow_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._cut("large_head")
        elif self._head_hold is not None and not self._head_hold.add(size):
            self._cut("memory")
        elif self._head_timer is None:
            self._head_timer = self._loop.call_later(HEAD_S, self._check_head)

    def _check_head(self) -> None:
        if self._current_request is None:
            self._cut("slow_head")
        else:  # its client waits for an earlier response
            self._head_timer = self._loop.call_later(HEAD_S, self._check_head)

    def _end_head(self) -> None:
        if self._head_bytes:
            self._head_bytes = 0
            if self._head_hold is not None:
                self._head_hold.release()
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cut(self, reason: Reason) -> None:
        self._bounds.closed[reason] += 1
        self._end_head()
        self.force_close()


def files_for(connections: int) -> int:
    """How many of so many connections the process may open; raises its limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(min(connections, soft - RESERVED_FILES), soft // 2)
    return connections
