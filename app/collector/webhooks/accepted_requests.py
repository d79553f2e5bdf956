"""A bounded memory of requests that were taken already, so that a recorded one does nothing a second time."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

KEPT_S: Final = 10 * 3600
"""How long an id is known: longer than any service's signature is accepted."""
MOST_IDS: Final = 200_000
"""Beyond that the oldest are forgotten; the events of a repeated request have the same ids, so nothing counts twice."""


class AcceptedRequests:
    """The ids of requests whose events are safe in Kafka.

    ``remember`` is called after Kafka's acknowledgement, never before: a request that was answered with 503 comes again
    with the same id, and must be taken then.
    """

    def __init__(self, began_ms: int, most: int = MOST_IDS, kept_s: int = KEPT_S) -> None:
        """``most`` ids for ``kept_s`` seconds each."""
        self.since_ms = began_ms
        """Of requests before, some may be unknown here: the memory is the process's."""
        self._most = most
        self._kept_ms = kept_s * 1000
        self._seen: dict[bytes, int] = {}  # in the order of arrival

    def contains(self, request_id: str, now_ms: int) -> bool:
        """Whether a request was taken already."""
        kept_at = self._seen.get(_digest(request_id))
        return kept_at is not None and now_ms - kept_at < self._kept_ms

    def remember(self, request_id: str, now_ms: int) -> None:
        """Remember a request that was taken."""
        digest = _digest(request_id)
        self._seen.pop(digest, None)
        self._seen[digest] = now_ms
        while self._seen:
            oldest = next(iter(self._seen))
            in_time = now_ms - self._seen[oldest] < self._kept_ms
            if in_time and len(self._seen) <= self._most:
                return
            kept_at = self._seen.pop(oldest)
            if in_time:
                self.since_ms = max(self.since_ms, kept_at)

    def __len__(self) -> int:
        return len(self._seen)


def _digest(request_id: str) -> bytes:
    return blake2b(request_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
