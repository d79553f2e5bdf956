"""The metrics of a server's connections."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.connections import REASONS, BoundedServer


class ConnectionMetrics(Collector):
    """Reads the connections of a server when Prometheus asks."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        """``prefix`` begins the names, for example with the name of the process."""
        self._prefix = prefix
        self._server: BoundedServer | None = None
        registry.register(self)

    def watch(self, server: BoundedServer) -> None:
        """Export the connections of this server from now on."""
        self._server = server

    def collect(self) -> Iterable[Metric]:
        """The metrics with the values of now."""
        server = self._server
        yield GaugeMetricFamily(
            f"{self._prefix}_connections", "Open connections", value=len(server.remotes) if server is not None else 0
        )
        closed = CounterMetricFamily(
            f"{self._prefix}_connections_closed",
            "Connections closed or refused because of a bound: too_many connections, slow_head and large_head of a "
            "request, memory of unfinished heads",
            labels=["reason"],
        )
        for reason in REASONS:
            closed.add_metric([reason], server.closed[reason] if server is not None else 0)
        yield closed
