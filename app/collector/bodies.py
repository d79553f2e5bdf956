"""Bodies of requests: inflating them, and how many bytes of them are held at a time. Pure."""

from __future__ import annotations

import zlib
from typing import Final

from app.collector.inbound import Refusal

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's name for each format that is read."""
MOST_MEMBERS: Final = 16
"""Of one gzip body: each further one costs a copy of what is left, and no SDK sends more than one."""


def inflate(body: bytes, encoding: str, most: int) -> bytes:
    """The body as it was before compression, of at most ``most`` bytes.

    Raises:
        Refusal: 400 if it is damaged, 413 if it is too large, 415 if it is compressed in another way.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body if len(body) <= most else _too_large(most)
    window = _WINDOWS.get(name)
    if window is None:
        raise Refusal(415, "unknown_encoding", f"Content-Encoding {name[:40]!r} is not read: send gzip, or none.")
    try:
        return _all_members(body, window, most)
    except zlib.error:
        raise Refusal(400, "bad_encoding", f"The body is not valid {name}: send it again, or uncompressed.") from None


def _all_members(body: bytes, window: int, most: int) -> bytes:
    """Inflate one member after another; a gzip file may have several."""
    found = b""
    for _ in range(MOST_MEMBERS):
        inflater = zlib.decompressobj(_raw_if_headless(body, window))
        found += inflater.decompress(body, most + 1 - len(found))
        if len(found) > most:
            _too_large(most)
        if not inflater.eof:
            raise zlib.error
        body = inflater.unused_data
        if not body or window != _WINDOWS["gzip"]:
            return found
    raise zlib.error


def _raw_if_headless(body: bytes, window: int) -> int:
    """Some senders take ``deflate`` to mean the data without zlib's header."""
    return -15 if window == 15 and body[:1] and body[0] & 0xF != 8 else window


def _too_large(most: int) -> bytes:
    raise too_large(most)


def too_large(most: int) -> Refusal:
    """What a body of more than ``most`` bytes gets."""
    return Refusal(413, "too_large", f"The body has more than {most} bytes when inflated: send smaller batches.")


# How much is held ------------------------------------------------------------------------------------------------

BUSY_S: Final = 1
REQUEST_BYTES: Final = 16 * 1024
"""What a request costs beside its body."""
SHARE: Final = 4
"""One address may hold one part in so many: who sends slowly from one place leaves room for others."""


class Room:
    """How many bytes the requests in flight may hold together, and those of one address."""

    def __init__(self, most: int) -> None:
        """``most`` bytes."""
        self.most = most
        self.most_of_one = most // SHARE
        self.held = 0
        self.by_remote: dict[str, int] = {}

    def request(self, remote: str) -> Held:
        """What one request of an address holds, for as long as the block runs."""
        return Held(self, remote)


class Held:
    """The bytes that one request holds."""

    __slots__ = ("_bytes", "_room", "remote")

    def __init__(self, room: Room, remote: str) -> None:
        self._room = room
        self.remote = remote
        self._bytes = 0

    def add(self, size: int) -> None:
        """Hold that many bytes more.

        Raises:
            Refusal: 503, there is no room.
        """
        room = self._room
        held = room.held + size
        mine = room.by_remote.get(self.remote, 0) + size
        if held > room.most or mine > room.most_of_one:
            message = "The collector has all that it can hold: send the same request again later."
            raise Refusal(503, "too_busy", message, BUSY_S)
        room.held = held
        room.by_remote[self.remote] = mine
        self._bytes += size

    def __enter__(self) -> Held:
        self.add(REQUEST_BYTES)
        return self

    def __exit__(self, *_: object) -> None:
        room = self._room
        room.held -= self._bytes
        left = room.by_remote[self.remote] - self._bytes
        if left > 0:
            room.by_remote[self.remote] = left
        else:
            del room.by_remote[self.remote]
