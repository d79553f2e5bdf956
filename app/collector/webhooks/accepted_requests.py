"""A bounded memory of accepted requests, so that a replayed request has no effect."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

KEPT_S: Final = 10 * 3600
"""How long an id is remembered: longer than any service's signature is valid."""
MAX_IDS: Final = 200_000
"""Beyond it the oldest are forgotten. A repeated request has the same event ids, so it still counts once."""


class AcceptedRequests:
    """The ids of requests whose events Kafka has acknowledged.

    Call ``remember`` after the acknowledgement, never before: a request that got 503 is sent again with the same id,
    and must be accepted then.
    """

    def __init__(self, began_ms: int, most: int = MAX_IDS, kept_s: int = KEPT_S) -> None:
        """Remembers up to ``most`` ids for ``kept_s`` seconds each."""
        self.since_ms = began_ms
        """Requests accepted before this time may be missing, because the memory ends with the process."""
        self._most = most
        self._kept_ms = kept_s * 1000
        self._seen: dict[bytes, int] = {}  # in the order of arrival

    def contains(self, request_id: str, now_ms: int) -> bool:
        """Whether a request was accepted already."""
        kept_at = self._seen.get(_digest(request_id))
        return kept_at is not None and now_ms - kept_at < self._kept_ms

    def remember(self, request_id: str, now_ms: int) -> None:
        """Remember an accepted request."""
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
