"""Which records of a partition are finished, as Kafka's commit holds it: an offset, and a bitmap of those after it.

So a restart repeats only what was in flight, although alerts of different leads are finished in any order.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Final

WINDOW: Final = 20_000
"""So many records after the first unfinished one can be finished: their bitmap fits into the metadata of a commit."""
_PREFIX: Final = "1:"
_MAX_BITMAP: Final = WINDOW // 8 + 1


class Progress:
    """The progress on one partition."""

    def __init__(self, offset: int, metadata: str = "") -> None:
        """Go on from a commit."""
        self.next = offset
        """The first unfinished offset."""
        self._read = offset
        self._done = _decode(offset, metadata)

    def note_read(self, offset: int) -> bool:
        """Note that a record was read; returns whether it is unfinished. Offsets left out have no record."""
        if offset > self._read and self.next == self._read:  # the topic begins later now
            self.next = self._read = offset
            self._done = {done for done in self._done if done >= offset}
        if offset >= self._read:
            self._done.update(range(self._read, offset))
            self._read = offset + 1
            self._advance()
        return not self.is_done(offset)

    def finish(self, offset: int) -> None:
        """Note that a record is finished."""
        if offset >= self.next:
            self._done.add(offset)
            self._advance()

    def is_done(self, offset: int) -> bool:
        """Whether a record is finished."""
        return offset < self.next or offset in self._done

    @property
    def full(self) -> bool:
        """Whether nothing more may be read until an earlier record is finished."""
        return self._read - self.next >= WINDOW

    def _advance(self) -> None:
        while self.next in self._done:
            self._done.remove(self.next)
            self.next += 1

    def metadata(self) -> str:
        """The finished offsets after ``next``, for the commit."""
        if not self._done:
            return ""
        bitmap = bytearray(_MAX_BITMAP)
        for offset in self._done:
            place = offset - self.next
            if place < WINDOW:
                bitmap[place // 8] |= 1 << place % 8
        return _PREFIX + base64.b64encode(zlib.compress(bytes(bitmap).rstrip(b"\0"))).decode()


def _decode(offset: int, metadata: str) -> set[int]:
    """The finished offsets of a commit; none if its metadata is not ours."""
    if not metadata.startswith(_PREFIX):
        return set()
    try:
        packed = base64.b64decode(metadata[len(_PREFIX) :], validate=True)
        bitmap = zlib.decompressobj().decompress(packed, _MAX_BITMAP)
    except (binascii.Error, zlib.error, ValueError):
        return set()
    return {
        offset + place * 8 + bit for place, byte in enumerate(bitmap) if byte for bit in range(8) if byte >> bit & 1
    }
