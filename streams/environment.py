"""The dependencies that all shards of a worker share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from streams.clock import SharedClock
from streams.implementation import Implementation, choose
from streams.metrics import Metrics
from streams.store.base import Store
from streams.transport.topics import Partitioner, Topics


async def nothing(step: str) -> None:
    """Do nothing when a step is reached."""


@dataclass(slots=True)
class Environment:
    """What a shard works with."""

    store: Store
    topics: Topics
    partitioner: Partitioner
    metrics: Metrics
    owner: str
    """Names this worker in control records; also makes step ids unique."""
    link_base: str = ""
    cache_leads: int = 200_000
    reached: Callable[[str], Awaitable[None]] = nothing
    """Called at the named steps; the fault tests end the process there."""
    rebuild_when_lost: bool = False
    implementation: Implementation = field(default_factory=choose)
    """What shards are made of."""
    clock: SharedClock = field(default_factory=SharedClock)
