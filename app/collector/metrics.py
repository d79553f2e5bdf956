"""Every metric of the collector, with kind, unit and meaning. Dashboards and alert rules use only these.

All names start with ``leadglow_collector_``. The values of labels are bounded by code or configuration, and are never a
lead, an address or a key; a key's name is one.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.collector.vocabulary import REASONS as MACHINES
from app.http.connection_metrics import ConnectionMetrics
from streams.events.rejects import REASONS
from streams.process_metrics import ProcessMetrics, without_process

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


COUNTED = ("segment", "snowplow", "cloudevents", "pixel", "links", "webhooks")
"""Routes with events."""
STATUSES = (200, 500, 503)
"""Statuses of every route that are exported before the first request, so that the first error is an increase."""


class Metrics:
    """The metrics of one collector, in their own registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register all metrics, by default in a new registry."""
        r = self.registry = registry or CollectorRegistry()
        self.process = ProcessMetrics(r)
        self.requests = Counter(
            "leadglow_collector_requests", "Responses, by route and status", ["route", "status"], registry=r
        )
        self.request_seconds = Histogram(
            "leadglow_collector_request_seconds",
            "Time from the head of a request to its response, by route",
            ["route"],
            buckets=LATENCY_S,
            registry=r,
        )
        self.refused = Counter(
            "leadglow_collector_requests_refused",
            "Requests refused as a whole, by the code in the response",
            ["code"],
            registry=r,
        )
        self.calls = Counter(
            "leadglow_collector_calls",
            "Events that Kafka acknowledged on a source topic, by route, including retractions",
            ["route"],
            registry=r,
        )
        self.rejected = Counter(
            "leadglow_collector_calls_rejected",
            "Events of accepted requests that went to rejected-events, by reason code",
            ["reason"],
            registry=r,
        )
        self.dropped = Counter(
            "leadglow_collector_calls_dropped",
            "Events dropped because the visitor refused: gpc and dnt (browser headers), consent (value at its path)",
            ["cause"],
            registry=r,
        )
        self.new_ids = Counter(
            "leadglow_collector_new_ids",
            "Ids of leads in events of a key with a bound, each counted once a day, by the name of the key",
            ["key"],
            registry=r,
        )
        self.new_traits = Counter(
            "leadglow_collector_new_traits",
            "Sets of traits in events of a key with a bound, each counted once a day, by the name of the key",
            ["key"],
            registry=r,
        )
        self.automated = Counter(
            "leadglow_collector_calls_automated",
            "Events marked as made by a machine, by reason",
            ["reason"],
            registry=r,
        )
        self.retractions = Counter(
            "leadglow_collector_retractions", "Events retracted because a later event exposed a machine", registry=r
        )
        self.publish_seconds = Histogram(
            "leadglow_collector_publish_seconds",
            "Time from sending one batch to Kafka to its acknowledgement",
            buckets=LATENCY_S,
            registry=r,
        )
        self.late = Counter(
            "leadglow_collector_publish_late",
            "Requests that got 503 because Kafka did not acknowledge in time",
            registry=r,
        )
        self.in_flight = Gauge(
            "leadglow_collector_in_flight_bytes", "Memory of the requests in flight, in bytes", registry=r
        )
        self.connections = ConnectionMetrics("leadglow_collector", r)
        self.ready = Gauge("leadglow_collector_ready", "1 while Kafka can be reached", registry=r)

        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Export what is counted before it happens for the first time."""
        for counter, values in (
            (self.calls, COUNTED),
            (self.rejected, REASONS),
            (self.dropped, ("gpc", "dnt", "consent")),
            (self.automated, sorted(MACHINES)),
        ):
            for value in values:
                counter.labels(value)


def names() -> list[tuple[str, str, str]]:
    """(name, kind, meaning) of every metric, for the documentation."""
    return without_process(Metrics().registry.collect())
