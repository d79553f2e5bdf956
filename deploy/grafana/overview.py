"""The dashboard for the business."""

from __future__ import annotations

from deploy.grafana.panels import Dashboard, bars, increase, lines, number, quantile, rate

ENTERED = 'leadglow_stage_transitions_total{kind="entered",silenced="false"}'

OVERVIEW = Dashboard(
    "leadglow-overview",
    "Leadglow: overview",
    "For sales and marketing: how many leads, how hot, how fast, and what became of them.",
    {
        "Now": [
            number("Leads", "max(leadglow_board_leads)", about="People and visitors that have a score."),
            number("New leads, 24 h", increase('leadglow_events_total{outcome="leads"}')),
            number("Alerts, 24 h", increase("leadglow_alerts_sent_total")),
            number(
                "Scores are behind",
                "max(leadglow_board_lag_seconds)",
                "s",
                "The age of the oldest event that no score includes.",
                red_from=60,
            ),
            number(
                "Event to alert, p95",
                quantile(0.95, "leadglow_event_to_handoff_seconds", over="24h"),
                "s",
                "Within 24 hours, 95 % of alerts took at most so long.",
                red_from=10,
            ),
            number(
                "Alerts given up, 24 h",
                increase('leadglow_notify_alerts_total{outcome="undelivered"}'),
                about="Receivers refused them, or did not respond for too long.",
                red_from=1,
            ),
        ],
        "Demand": [
            lines(
                "Events per minute",
                (rate("leadglow_collector_calls_total", "route", per=60), "{{route}}"),
                about="Events that the collector received, by the way they came.",
                stacked=True,
            ),
            lines(
                "Leads that entered a stage, per hour",
                (rate(ENTERED, "scorecard, stage", per=3600), "{{scorecard}} {{stage}}"),
            ),
            lines(
                "New leads per hour",
                (rate('leadglow_events_total{outcome="leads"}', per=3600), "new leads"),
            ),
            bars(
                "Leads at or above a stage's bound",
                "max by (scorecard, stage) (leadglow_board_leads_above)",
                "{{scorecard}} {{stage}}",
            ),
            lines(
                "Minutes since the last event of a source",
                ("(time() - max by (topic) (leadglow_board_source_last_event_timestamp_seconds)) / 60", "{{topic}}"),
                unit="m",
            ),
            lines(
                "Events that nobody could read",
                (rate("leadglow_events_rejected_total", "reason", per=60), "{{reason}}"),
                about="Per minute, by reason.",
            ),
        ],
        "Sales": [
            bars("What sales did, 24 h", increase("leadglow_sales_verdicts_total", "kind"), "{{kind}}"),
            bars(
                "Accepted and rejected, 24 h",
                increase("leadglow_sales_decisions_total", "scorecard, stage, verdict"),
                "{{scorecard}} {{stage}} {{verdict}}",
            ),
            lines(
                "Time to the first contact",
                (
                    quantile(0.5, "leadglow_sales_contact_seconds", over="1h"),
                    "half of the leads",
                ),
                (
                    quantile(0.9, "leadglow_sales_contact_seconds", over="1h"),
                    "nine of ten",
                ),
                unit="s",
                about="From the last alert about a lead.",
            ),
            lines(
                "Alerts delivered per hour",
                (
                    rate("leadglow_notify_alerts_total", "route, outcome", per=3600),
                    "{{route}} {{outcome}}",
                ),
            ),
            lines(
                "Alert to delivery, p95",
                (
                    quantile(0.95, "leadglow_notify_delivery_seconds", "route", over="1h"),
                    "{{route}}",
                ),
                unit="s",
            ),
            lines("Alerts wait", ("sum by (route) (leadglow_notify_waiting_alerts)", "{{route}}")),
        ],
    },
    since="now-24h",
)
