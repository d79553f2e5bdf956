"""Every metric of the notifier, with kind, unit and meaning.

All names start with ``leadglow_notify_``. The values of labels are names in the routes file.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.notify.outcomes import Result
from streams.process_metrics import ProcessMetrics, without_process

DELIVERY_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0)


class Metrics:
    """The metrics of one notifier, in their own registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register all metrics, by default in a new registry."""
        r = self.registry = registry or CollectorRegistry()
        self.process = ProcessMetrics(r)
        self.alerts = Counter(
            "leadglow_notify_alerts",
            "Alerts of a route that are finished, by outcome: delivered or undelivered (a dead letter)",
            ["route", "outcome"],
            registry=r,
        )
        self.attempts = Counter(
            "leadglow_notify_attempts",
            "Messages sent to a destination, by result: delivered, retry, slow_down, refused, gone",
            ["destination", "result"],
            registry=r,
        )
        self.delivery_seconds = Histogram(
            "leadglow_notify_delivery_seconds",
            "Time from the record of an alert to its delivery, by route",
            ["route"],
            buckets=DELIVERY_S,
            registry=r,
        )
        self.waiting = Gauge(
            "leadglow_notify_waiting_alerts", "Alerts in memory that are not delivered yet", ["route"], registry=r
        )
        self.waiting_bytes = Gauge("leadglow_notify_waiting_bytes", "Their size, in bytes", ["route"], registry=r)
        self.late = Gauge(
            "leadglow_notify_late_seconds",
            "How long the first alert waits that could be sent; 0 during quiet hours, and until a digest is due",
            ["route"],
            registry=r,
        )
        self.breaker = Gauge(
            "leadglow_notify_breaker_open",
            "1 while a destination fails, so that only one attempt is made at a time",
            ["destination"],
            registry=r,
        )
        self.disabled = Gauge(
            "leadglow_notify_disabled",
            "1 after a destination answered 410: nothing is sent until the routes file changes or a restart",
            ["destination"],
            registry=r,
        )
        self.commit_errors = Counter(
            "leadglow_notify_commit_errors", "Commits that failed, and were tried again", ["route"], registry=r
        )
        self.ready = Gauge("leadglow_notify_ready", "1 while all routes read from Kafka", registry=r)

    def begin_at_zero(self, route: str, destination: str) -> None:
        """Export what is counted for a route before it happens for the first time."""
        for outcome in ("delivered", "undelivered"):
            self.alerts.labels(route, outcome)
        for result in Result:
            self.attempts.labels(destination, result)
        for by_route in (self.delivery_seconds, self.waiting, self.waiting_bytes, self.commit_errors):
            by_route.labels(route)
        for by_destination in (self.breaker, self.disabled):
            by_destination.labels(destination)


def names() -> list[tuple[str, str, str]]:
    """(name, kind, meaning) of every metric, for the documentation."""
    return without_process(Metrics().registry.collect())
