"""Every metric of the board: its kind, unit and meaning. Dashboards and alert rules may use only these.

All names start with ``leadglow_board_``. Labels are sets that the code or the configuration bounds; never a lead, a
person or an address.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from app.http.connection_metrics import ConnectionMetrics
from streams.process_metrics import ProcessMetrics, without_process

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


STATUSES = (200, 500, 503)
"""Statuses of every route that are exported before the first request, so that the first error is an increase."""


class Metrics:
    """The metrics of one board, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register everything; a fresh registry unless one is given."""
        r = self.registry = registry or CollectorRegistry()
        self.process = ProcessMetrics(r)
        self.requests = Counter(
            "leadglow_board_requests", "Responses, by route and status", ["route", "status"], registry=r
        )
        self.request_seconds = Histogram(
            "leadglow_board_request_seconds",
            "Time from the head of a request to its response, by route; without streams and exports",
            ["route"],
            buckets=LATENCY_S,
            registry=r,
        )
        self.refused = Counter(
            "leadglow_board_requests_refused", "Refused requests, by the code in the response", ["code"], registry=r
        )
        self.connections = ConnectionMetrics("leadglow_board", r)
        self.streams = Gauge("leadglow_board_streams", "Open streams of server-sent events", registry=r)
        self.lost = Counter(
            "leadglow_board_streams_lost", "Streams that ended because their client was too slow", registry=r
        )
        self.records = Counter(
            "leadglow_board_records", "Records read from handoff, lead-scores and rejected-events, by topic",
            ["topic"], registry=r,
        )  # fmt: skip
        self.following = Gauge("leadglow_board_following", "1 while the topics of Kafka are followed", registry=r)
        self.ready = Gauge("leadglow_board_ready", "1 while leads can be shown, as /ready reports", registry=r)
        self.scored_until = Gauge(
            "leadglow_board_scored_until_seconds",
            "Until when all events that arrived are scored, in seconds since the epoch; the start of the board while "
            "that is unknown",
            registry=r,
        )
        self.lag = Gauge(
            "leadglow_board_lag_seconds",
            "Age of the oldest event that is not scored, 0 without any; grows while workers, Kafka or Redis are down",
            registry=r,
        )
        self.waiting = Gauge("leadglow_board_waiting", "Events that have arrived and are not scored", registry=r)
        self.workers = Gauge(
            "leadglow_board_workers", "Members of the workers' consumer group; NaN while unknown", registry=r
        )
        self.unowned = Gauge(
            "leadglow_board_partitions_unowned",
            "Partitions of lead-events that no worker owns; for some seconds also while workers come or go, NaN while "
            "unknown",
            registry=r,
        )
        self._register_state(r)
        self._register_scoring(r)
        self.index_leads = Gauge(
            "leadglow_board_index_leads",
            "Leads in the search index, as counted every LEADGLOW_BOARD_COMPARE_MINUTES",
            registry=r,
        )
        self.index_building = Gauge(
            "leadglow_board_index_building", "1 while the search index does not have all leads yet", registry=r
        )
        self.index_waiting = Gauge(
            "leadglow_board_index_waiting", "Changed leads that the search index does not have yet", registry=r
        )
        self.index_bytes = Gauge("leadglow_board_index_bytes", "Size of the search index on disk", registry=r)
        self.store_errors = Counter(
            "leadglow_board_store_errors", "Failed attempts to read from Redis, by operation", ["operation"], registry=r
        )
        self.model = Info(
            "leadglow_board_scorecards", "Version of the published scorecards, which the board shows", registry=r
        )
        self.unreadable_scorecards = Counter(
            "leadglow_board_unreadable_scorecards",
            "Failed attempts to read the published scorecards, as this version of Leadglow does not know their form",
            registry=r,
        )

    def begin_at_zero(self, route: str) -> None:
        """Export a route before its first request."""
        for status in STATUSES:
            self.requests.labels(route, status)

    def _register_state(self, r: CollectorRegistry) -> None:
        self.leads = Gauge("leadglow_board_leads", "Leads in Redis, with their other ids", registry=r)
        self.outbox = Gauge(
            "leadglow_board_outbox_entries",
            "Entries in Redis that wait to be acknowledged by Kafka, such as alerts, whether a worker runs or not",
            registry=r,
        )
        self.overdue = Gauge("leadglow_board_overdue_leads", "Leads whose timer is due for more than 10 s", registry=r)
        self.overdue_s = Gauge(
            "leadglow_board_overdue_seconds",
            "How long the first lead is due; timers also wait while scores are behind",
            registry=r,
        )
        self.of_servers = [
            Gauge(f"leadglow_board_redis_{name}", meaning, ["server"], registry=r)
            for name, meaning in (
                ("memory_bytes", "Memory that Redis uses"),
                ("memory_limit_bytes", "The most that Redis may use (`maxmemory`); 0 without a limit"),
                (
                    "evicting",
                    "1 if Redis may remove leads when memory is short: its `maxmemory-policy` is not noeviction",
                ),
                ("persisting", "0 if the last write of Redis to its disk failed"),
            )
        ]
        self.kept = Gauge(
            "leadglow_board_kept_records",
            "Records that rejected-events and undelivered still have",
            ["topic"],
            registry=r,
        )
        self.first_event = Gauge(
            "leadglow_board_source_first_event_timestamp_seconds",
            "Arrival of the first event that a source topic still has",
            ["topic"],
            registry=r,
        )
        self.last_event = Gauge(
            "leadglow_board_source_last_event_timestamp_seconds",
            "Arrival of the last event of a source topic, to some seconds",
            ["topic"],
            registry=r,
        )

    def _register_scoring(self, r: CollectorRegistry) -> None:
        self.by_score = Gauge(
            "leadglow_board_leads_by_score",
            "Leads of a scorecard with a score from this one up to the next row, counted every 15 s",
            ["scorecard", "from"],
            registry=r,
        )
        self.above = Gauge(
            "leadglow_board_leads_above",
            "Leads of a scorecard with a score at or above the bound of a stage; signals may still block the stage",
            ["scorecard", "stage"],
            registry=r,
        )
        self.fired = Gauge(
            "leadglow_board_signal_events",
            "How often a signal counted in the last seven days, today included, in UTC",
            ["signal"],
            registry=r,
        )


def names() -> list[tuple[str, str, str]]:
    """(name, kind, meaning) of every metric, for the documentation."""
    return without_process(Metrics().registry.collect())
