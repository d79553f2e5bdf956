"""Every metric of the collector: its kind, unit and meaning. Dashboards and alert rules may use only these.

All names start with ``leadglow_collector_``. Labels are sets that the code or the configuration bounds; never a lead,
an address or a key.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one collector, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register everything; a fresh registry unless one is given."""
        r = self.registry = registry or CollectorRegistry()
        self.requests = Counter(
            "leadglow_collector_requests", "Requests answered, by route and status", ["route", "status"], registry=r
        )
        self.request_seconds = Histogram(
            "leadglow_collector_request_seconds",
            "From the head of a request to its answer, by route",
            ["route"],
            buckets=LATENCY_S,
            registry=r,
        )
        self.refused = Counter(
            "leadglow_collector_requests_refused",
            "Requests refused as a whole, by the code in the answer",
            ["code"],
            registry=r,
        )
        self.calls = Counter(
            "leadglow_collector_calls",
            "Events that Kafka acknowledged on a source topic, by route; retractions are in it",
            ["route"],
            registry=r,
        )
        self.rejected = Counter(
            "leadglow_collector_calls_rejected",
            "Events of good requests that were sent to rejected-events, by reason code",
            ["reason"],
            registry=r,
        )
        self.dropped = Counter(
            "leadglow_collector_calls_dropped",
            "Events dropped because the visitor refused: gpc and dnt (headers of the browser), consent (its path)",
            ["cause"],
            registry=r,
        )
        self.automated = Counter(
            "leadglow_collector_calls_automated", "Events marked as a machine's, by reason", ["reason"], registry=r
        )
        self.retractions = Counter(
            "leadglow_collector_retractions", "Events taken back because a later one showed a machine", registry=r
        )
        self.publish_seconds = Histogram(
            "leadglow_collector_publish_seconds",
            "Time of one sending to Kafka, until all of it was acknowledged",
            buckets=LATENCY_S,
            registry=r,
        )
        self.late = Counter(
            "leadglow_collector_publish_late",
            "Requests that were answered 503 because Kafka did not acknowledge in time",
            registry=r,
        )
        self.in_flight = Gauge(
            "leadglow_collector_in_flight_bytes", "Bytes of requests held until they are answered", registry=r
        )
        self.ready = Gauge("leadglow_collector_ready", "1 while Kafka can be reached", registry=r)
        self.keys_errors = Counter(
            "leadglow_collector_keys_reload_errors", "Changed keys files that were refused", registry=r
        )


def names() -> list[tuple[str, str, str]]:
    """(name, kind, meaning) of every metric, for the documentation."""
    return [(m.name, m.type, m.documentation) for m in Metrics().registry.collect()]
