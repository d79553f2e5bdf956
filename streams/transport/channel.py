"""The shared connection for sending: the producer and topics that relays, publishers and intake use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from streams.metrics import Metrics
from streams.transport.producer import Producer
from streams.transport.topics import Topics

MAX_RECORDS = 20_000
"""The number of records waiting in a lane at which fetching pauses; also the maximum in one step."""
AlreadySent = Callable[[int, int], Awaitable[set[str]]]
"""(partition of handoff, offset) -> the alert ids on the partition from that offset on."""


@dataclass(slots=True)
class Channel:
    """The means by which the lanes of a worker send records."""

    producer: Producer
    topics: Topics
    metrics: Metrics
    already_sent: AlreadySent
    handoff_partitions: int
    score_partitions: int
    reached: Callable[[str], Awaitable[None]]
