"""The settings and dependencies that all shards of a worker share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from streams.clock import SharedClock
from streams.implementation import Implementation, choose
from streams.metrics import Metrics
from streams.publishing.publications import OneVersion, Publications
from streams.store.base import Store
from streams.store.format import SystemFormat
from streams.tracing import Tracer
from streams.transport.topics import Partitioner, Topics


async def ignore_step(step: str) -> None:
    """The default hook for named steps: does nothing."""


@dataclass(slots=True)
class Environment:
    """The settings and dependencies of a shard."""

    store: Store
    topics: Topics
    partitioner: Partitioner
    metrics: Metrics
    owner: str
    """Identifies this worker in control records, and makes step ids unique."""
    link_base: str = ""
    cache_leads: int = 500_000
    reached: Callable[[str], Awaitable[None]] = ignore_step
    """Called when a named step is reached; fault tests end the process there."""
    rebuild_when_lost: bool = False
    implementation: Implementation = field(default_factory=choose)
    """Creates the scorers and codecs of the shards."""
    clock: SharedClock = field(default_factory=SharedClock)
    publications: Publications = field(default_factory=OneVersion)
    tracer: Tracer | None = None
    """Exports spans; None if no event is traced."""
    format: SystemFormat = field(init=False)
    """Which format is written."""

    def __post_init__(self) -> None:
        """Nothing is read yet."""
        self.format = SystemFormat(self.store)
