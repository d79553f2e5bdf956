"""Bodies of requests: inflates them, and limits the memory that they take together. Pure."""

from __future__ import annotations

import zlib
from typing import Final

from app.collector.inbound import Refusal

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Supported encoding -> zlib's window size for it."""
MAX_MEMBERS: Final = 16
"""Members of one gzip body. Each one costs a copy of the rest, and no SDK sends more than one."""


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before compression, of at most ``limit`` bytes.

    Raises:
        Refusal: 400 if it is damaged, 413 if it is too large, 415 if it is compressed in another way.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body if len(body) <= limit else _refuse_too_large(limit)
    window = _WINDOWS.get(name)
    if window is None:
        raise Refusal(415, "unknown_encoding", f"Content-Encoding {name[:40]!r} is not supported: send gzip, or none.")
    try:
        return _inflate_members(body, window, limit)
    except zlib.error:
        raise Refusal(
            400, "bad_encoding", f"The body is not valid {name}: send it again, or send it uncompressed."
        ) from None


def _inflate_members(body: bytes, window: int, limit: int) -> bytes:
    """Inflate every member; a gzip file may have several."""
    found = b""
    for _ in range(MAX_MEMBERS):
        inflater = zlib.decompressobj(_window_of_deflate(body, window))
        found += inflater.decompress(body, limit + 1 - len(found))
        if len(found) > limit:
            _refuse_too_large(limit)
        if not inflater.eof:
            raise zlib.error
        body = inflater.unused_data
        if not body or window != _WINDOWS["gzip"]:
            return found
    raise zlib.error


def _window_of_deflate(body: bytes, window: int) -> int:
    """The window size for zlib; some senders omit the zlib header in ``deflate``."""
    return -15 if window == 15 and body[:1] and body[0] & 0xF != 8 else window


def _refuse_too_large(limit: int) -> bytes:
    raise too_large(limit)


def too_large(limit: int) -> Refusal:
    """The refusal of a body of more than ``limit`` bytes."""
    return Refusal(413, "too_large", f"The body has more than {limit} bytes when inflated: send smaller batches.")


# Memory in flight -----------------------------------------------------------------------------------------------

BUSY_S: Final = 1
REQUEST_BYTES: Final = 16 * 1024
"""Estimated memory of a request without its body."""
SHARE: Final = 4
"""One address may use one part in four, so that a slow sender cannot block all others."""


class MemoryBudget:
    """Limits the bytes of all requests in flight, and of those from one address."""

    def __init__(self, limit: int) -> None:
        """``limit`` is in bytes."""
        self.limit = limit
        self.limit_of_one = limit // SHARE
        self.reserved = 0
        self.by_remote: dict[str, int] = {}

    def reserve_for(self, remote: str) -> Reservation:
        """Memory for a request from an address, freed at the end of the ``with`` block."""
        return Reservation(self, remote)


class Reservation:
    """The bytes reserved for one request."""

    __slots__ = ("_budget", "_bytes", "remote")

    def __init__(self, budget: MemoryBudget, remote: str) -> None:
        self._budget = budget
        self.remote = remote
        self._bytes = 0

    def reserve(self, size: int) -> None:
        """Reserve more bytes.

        Raises:
            Refusal: 503, the limit is reached.
        """
        if not self.add(size):
            message = "The collector has too much in flight: send the same request again later."
            raise Refusal(503, "too_busy", message, BUSY_S)

    def add(self, size: int) -> bool:
        """Reserve more bytes; returns whether there was room."""
        budget = self._budget
        reserved = budget.reserved + size
        mine = budget.by_remote.get(self.remote, 0) + size
        if reserved > budget.limit or mine > budget.limit_of_one:
            return False
        budget.reserved = reserved
        budget.by_remote[self.remote] = mine
        self._bytes += size
        return True

    def release(self) -> None:
        """Free all bytes."""
        budget = self._budget
        budget.reserved -= self._bytes
        left = budget.by_remote.get(self.remote, 0) - self._bytes
        self._bytes = 0
        if left > 0:
            budget.by_remote[self.remote] = left
        else:
            budget.by_remote.pop(self.remote, None)

    def __enter__(self) -> Reservation:
        self.reserve(REQUEST_BYTES)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
