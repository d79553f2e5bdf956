"""The event loop of what serves: uvloop where there is one, for its shorter tails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

try:
    import uvloop
except ImportError:  # there is none for Windows
    uvloop = None  # type: ignore[assignment]


def run_long(work: Coroutine[Any, Any, int]) -> int:
    """Run what serves until it is stopped; returns the exit status."""
    if uvloop is None:
        return asyncio.run(work)
    return uvloop.run(work, loop_factory=Loop)


class _Transport:
    """A transport of uvloop that, once closed, drops what is written, as asyncio's do; all else is uvloop's.

    That raises RuntimeError, which neither aiokafka (its issue 1038) nor redis-py takes for a lost connection; that
    the connection is lost, both are told by their reading side.
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
        """uvloop's, with such connections."""

        async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
            """As asyncio's: (transport, protocol)."""
            transport, protocol = await super().create_connection(*args, **kwargs)
            return _Transport(transport), protocol

        async def start_tls(self, transport: Any, *args: Any, **kwargs: Any) -> Any:
            """As asyncio's: the transport to go on with."""
            inner = transport._inner if isinstance(transport, _Transport) else transport
            return await super().start_tls(inner, *args, **kwargs)
