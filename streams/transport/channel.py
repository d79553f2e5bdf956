"""The producer that relays, publishers and intake share, and the limits on waiting records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from streams.metrics import Metrics
from streams.transport.producer import Producer
from streams.transport.topics import Topics

MOST_RECORDS = 20_000
"""Records waiting in a lane at which fetching pauses; also the most in one step."""
AlreadySent = Callable[[int, int], Awaitable[set[str]]]
"""(partition of handoff, offset) -> the alert ids that stand there from that offset on."""


@dataclass(slots=True)
class Channel:
    """Whom the lanes of a worker send through."""

    producer: Producer
    topics: Topics
    metrics: Metrics
    already_sent: AlreadySent
    handoff_partitions: int
    score_partitions: int
    reached: Callable[[str], Awaitable[None]]
