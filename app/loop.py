"""The event loop of workers and servers, uvloop if it is installed for its lower tail latency; slow work beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

try:
    import uvloop
except ImportError:  # not available for Windows
    uvloop = None  # type: ignore[assignment]

T = TypeVar("T")
_background: list[Future[Any]] = []


def run_long(work: Coroutine[Any, Any, int]) -> int:
    """Run a worker or server until it is stopped; returns the exit status."""
    if uvloop is None:
        return asyncio.run(work)
    return uvloop.run(work, loop_factory=Loop)


async def run_in_background(work: Callable[[], T]) -> T:
    """Run blocking work in a thread that the end of the process does not wait for."""
    future: Future[T] = Future()

    def run() -> None:
        future.set_running_or_notify_cancel()
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    _background.append(future)
    Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(future)


def is_busy_in_background() -> bool:
    """Whether such work goes on. While it compiles, only ``os._exit`` ends the process safely."""
    return not all(future.done() for future in _background)


class _Transport:
    """A transport of uvloop that discards writes once it is closed, as the transports of asyncio do.

    uvloop raises RuntimeError instead, which neither aiokafka (its issue 1038) nor redis-py treats as a lost
    connection; both detect the lost connection by reading.
    """

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, data: bytes) -> None:
        """Send, unless closed."""
        if not self._inner.is_closing():
            self._inner.write(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """Send all of them, unless closed."""
        if not self._inner.is_closing():
            self._inner.writelines(lines)


if uvloop is not None:

    class Loop(uvloop.Loop):
        """uvloop's loop with these transports."""

        async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
            """As in asyncio; returns (transport, protocol)."""
            transport, protocol = await super().create_connection(*args, **kwargs)
            return _Transport(transport), protocol

        async def start_tls(self, transport: Any, *args: Any, **kwargs: Any) -> Any:
            """As in asyncio; returns the new transport."""
            inner = transport._inner if isinstance(transport, _Transport) else transport
            return await super().start_tls(inner, *args, **kwargs)
