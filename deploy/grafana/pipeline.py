"""The dashboard for operations."""

from __future__ import annotations

from deploy.grafana.panels import Dashboard, lines, number, quantile, rate, table

PIPELINE = Dashboard(
    "leadglow-pipeline",
    "Leadglow: pipeline",
    "For operations: rates, latencies, lag and errors first, then each part. docs/runbook.md explains every alert.",
    {
        "At a glance": [
            number(
                "Alerts firing", "count(ALERTS{alertname=~'Leadglow.+',alertstate='firing'}) or vector(0)", red_from=1
            ),
            number("Processes down", "count(up{job=~'leadglow-.+'} == 0) or vector(0)", red_from=1),
            number("Workers", "max(leadglow_board_workers)", green_from=1),
            number("Partitions without a worker", "max(leadglow_board_partitions_unowned)", red_from=1),
            number("Lag", "max(leadglow_board_lag_seconds)", "s", red_from=60),
            number("Timers late", "max(leadglow_board_overdue_seconds)", "s", red_from=60),
            lines(
                "Records per second",
                (rate("leadglow_records_total", "stage"), "{{stage}}"),
                about="Intake forwards events, scoring scores them.",
            ),
            lines(
                "Event to alert",
                *((quantile(q, "leadglow_event_to_handoff_seconds"), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
                unit="s",
            ),
            lines(
                "Lag",
                ("max(leadglow_board_lag_seconds)", "all topics"),
                ("max by (partition) (leadglow_lag_seconds)", "partition {{partition}}"),
                unit="s",
                about="The age of the oldest event that is not scored.",
            ),
            lines(
                "Events that wait",
                ("max(leadglow_board_waiting)", "waiting"),
                ("sum by (topic) (leadglow_source_lag_records)", "{{topic}}"),
            ),
            lines(
                "Errors per second",
                (rate("leadglow_events_rejected_total", "reason"), "rejected: {{reason}}"),
                (rate('leadglow_collector_requests_total{status=~"5.."}'), "collector 5xx"),
                (rate("leadglow_store_errors_total", "operation"), "Redis: {{operation}}"),
            ),
            lines(
                "Error budget burned in an hour",
                ("leadglow:errors:ratio_1h / on(slo) leadglow:error_budget:ratio", "{{slo}}"),
                about="1 uses up the budget exactly in 30 days; 14.4 wakes somebody.",
            ),
        ],
        "Processes": [
            lines("Up", ("up{job=~'leadglow-.+'}", "{{job}} {{instance}}")),
            lines(
                "Ready",
                ("leadglow_ready", "{{job}} {{instance}}"),
                ("leadglow_collector_ready", "{{job}} {{instance}}"),
                ("leadglow_board_ready", "{{job}} {{instance}}"),
                ("leadglow_notify_ready", "{{job}} {{instance}}"),
            ),
            lines(
                "Hours since the start",
                ("(time() - process_start_time_seconds{job=~'leadglow-.+'}) / 3600", "{{job}} {{instance}}"),
            ),
            lines(
                "Processors in use",
                ("rate(process_cpu_seconds_total{job=~'leadglow-.+'}[$__rate_interval])", "{{job}} {{instance}}"),
            ),
            lines(
                "Memory", ("process_resident_memory_bytes{job=~'leadglow-.+'}", "{{job}} {{instance}}"), unit="bytes"
            ),
            lines(
                "Open files",
                ("process_open_fds{job=~'leadglow-.+'} / process_max_fds", "{{job}} {{instance}}"),
                unit="percentunit",
            ),
            table("Versions", "leadglow_build_info", width=12),
            table("Files in use", "leadglow_file_info", "The beginning of the SHA-256 of each file.", width=12),
            number("Files refused", "sum(leadglow_file_refused)", red_from=1),
            number(
                "Certificates end in 14 days",
                "count(leadglow_certificate_expiry_timestamp_seconds - time() < 14 * 86400) or vector(0)",
                red_from=1,
            ),
            lines("Clock ahead of Redis", ("leadglow_clock_offset_seconds", "{{instance}}"), unit="s", negative=True),
        ],
        "Shards": [
            lines("Shards by worker", ("leadglow_shards", "{{instance}}"), stacked=True),
            lines("Records not scored", ("sum by (partition) (leadglow_lag_records)", "{{partition}}"), stacked=True),
            lines("Leads in memory", ("leadglow_leads_cached", "{{instance}}"), stacked=True),
            lines(
                "Step, p50 and p99",
                *(
                    (
                        quantile(q, "leadglow_step_seconds"),
                        f"p{q * 100:g}",
                    )
                    for q in (0.5, 0.99)
                ),
                unit="s",
                about="Decode, score and commit of one batch.",
            ),
            lines(
                "Commits per second",
                (rate("leadglow_commits_total", "verdict"), "{{verdict}}"),
            ),
            lines(
                "Outbox",
                ("sum(leadglow_outbox_entries)", "of the workers"),
                ("max(leadglow_board_outbox_entries)", "in Redis"),
                ("max(leadglow_outbox_oldest_seconds)", "age of the oldest, in s"),
            ),
            lines(
                "Timers",
                ("max(leadglow_board_overdue_leads)", "leads overdue"),
                (
                    quantile(0.99, "leadglow_timer_lateness_seconds"),
                    "p99 late, in s",
                ),
            ),
            lines("Events by outcome", (rate("leadglow_events_total", "outcome"), "{{outcome}}")),
            lines(
                "Scores published per second",
                (rate("leadglow_scores_published_total"), "records"),
            ),
        ],
        "Collector": [
            lines(
                "Requests per second",
                (
                    rate("leadglow_collector_requests_total", "route, status"),
                    "{{route}} {{status}}",
                ),
            ),
            lines(
                "Response, p99",
                (
                    quantile(0.99, "leadglow_collector_request_seconds", "route"),
                    "{{route}}",
                ),
                unit="s",
            ),
            lines(
                "Kafka's acknowledgement, p99",
                (
                    quantile(0.99, "leadglow_collector_publish_seconds"),
                    "batch",
                ),
                unit="s",
            ),
            lines(
                "Refused, dropped, rejected per second",
                (
                    rate("leadglow_collector_requests_refused_total", "code"),
                    "refused: {{code}}",
                ),
                (
                    rate("leadglow_collector_calls_dropped_total", "cause"),
                    "dropped: {{cause}}",
                ),
                (
                    rate("leadglow_collector_calls_rejected_total", "reason"),
                    "rejected: {{reason}}",
                ),
            ),
            lines("Requests in flight", ("leadglow_collector_in_flight_bytes", "{{instance}}"), unit="bytes"),
            lines(
                "Kafka too late",
                (rate("leadglow_collector_publish_late_total"), "requests per second"),
            ),
        ],
        "Redis": [
            lines(
                "Memory",
                ("max by (server) (leadglow_board_redis_memory_bytes)", "{{server}}"),
                ("max by (server) (leadglow_board_redis_memory_limit_bytes)", "{{server}}: limit"),
                unit="bytes",
            ),
            number("May remove leads", "max(leadglow_board_redis_evicting)", red_from=1),
            number("Disk works", "min(leadglow_board_redis_persisting)", green_from=1),
            number(
                "Refused records kept", "sum(leadglow_board_kept_records)", about="In rejected-events and undelivered."
            ),
        ],
        "Board and notifier": [
            lines(
                "Board: requests per second",
                (rate("leadglow_board_requests_total", "status"), "{{status}}"),
            ),
            lines(
                "Board: response, p95",
                (
                    quantile(0.95, "leadglow_board_request_seconds"),
                    "all pages",
                ),
                unit="s",
            ),
            lines(
                "Board: streams and index",
                ("sum(leadglow_board_streams)", "open streams"),
                ("max(leadglow_board_index_waiting)", "leads not indexed"),
            ),
            lines(
                "Notifier: attempts",
                (
                    rate("leadglow_notify_attempts_total", "destination, result"),
                    "{{destination}} {{result}}",
                ),
            ),
            lines(
                "Notifier: first alert that waits",
                ("max by (route) (leadglow_notify_late_seconds)", "{{route}}"),
                unit="s",
            ),
            lines(
                "Notifier: destinations that fail",
                ("max by (destination) (leadglow_notify_breaker_open)", "{{destination}} fails"),
                ("max by (destination) (leadglow_notify_disabled)", "{{destination}} disabled"),
            ),
        ],
    },
    since="now-3h",
)
