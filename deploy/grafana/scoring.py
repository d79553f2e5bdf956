"""The dashboard for whoever owns the scorecards."""

from __future__ import annotations

from deploy.grafana.panels import Dashboard, bars, increase, lines, number, quantile, rate, table

LESS = ("duplicates", "limited", "late", "retracted", "retracted_late", "unreadable_time")
CARD = 'scorecard=~"$scorecard"'
SCORING = Dashboard(
    "leadglow-scoring",
    "Leadglow: scoring",
    "For whoever owns the scorecards: which are in use, how leads are spread, what moves them, and what sales thinks.",
    {
        "In use": [
            table(
                "Versions in use",
                "max by (job, instance, version) (leadglow_scorecards_info or leadglow_board_scorecards_info)",
                width=9,
                height=5,
            ),
            table(
                "Scorecards",
                f"leadglow_scorecard_info{{{CARD}}}",
                "A shadow is tried and sends no alerts.",
                width=7,
                height=5,
            ),
            number(
                "Changes held back, 24 h",
                increase("leadglow_scorecards_held_total"),
                red_from=1,
                width=4,
                height=5,
            ),
            number("File refused", 'max(leadglow_file_refused{file="scorecards"})', red_from=1, width=4, height=5),
        ],
        "Leads": [
            bars(
                "Leads by score",
                f"max by (scorecard, from) (leadglow_board_leads_by_score{{{CARD}}})",
                "{{scorecard}} {{from}}",
                "From which score on.",
                width=12,
                height=12,
                order="from",
            ),
            bars(
                "Leads at or above a bound",
                f"max by (scorecard, stage) (leadglow_board_leads_above{{{CARD}}})",
                "{{scorecard}} {{stage}}",
                width=12,
                height=12,
            ),
            lines(
                "At or above a bound, over time",
                (f"max by (scorecard, stage) (leadglow_board_leads_above{{{CARD}}})", "{{scorecard}} {{stage}}"),
                width=12,
            ),
            lines("Leads", ("max(leadglow_board_leads)", "all"), width=12),
        ],
        "Signals and stages": [
            bars(
                "Signals, seven days",
                "sort_desc(max by (signal) (leadglow_board_signal_events))",
                "{{signal}}",
                "How often each counted. One that never does is misspelt, or not sent.",
                width=8,
                height=12,
            ),
            lines(
                "Entered per hour",
                (
                    rate(f"leadglow_stage_transitions_total{{{CARD},kind='entered'}}", "scorecard, stage", per=3600),
                    "{{scorecard}} {{stage}}",
                ),
                height=12,
            ),
            lines(
                "Left per hour",
                (
                    rate(f"leadglow_stage_transitions_total{{{CARD},kind='left'}}", "scorecard, stage", per=3600),
                    "{{scorecard}} {{stage}}",
                ),
                height=12,
            ),
            lines(
                "Events that did not count fully",
                (
                    rate(f"leadglow_events_total{{outcome=~'{'|'.join(LESS)}'}}", "outcome"),
                    "{{outcome}}",
                ),
                about="Per second. Limited: over the limit of a signal. Late: after its bucket closed.",
            ),
            lines(
                "Machines",
                (rate("leadglow_collector_retractions_total"), "retracted"),
                (rate("leadglow_collector_calls_automated_total", "reason"), "{{reason}}"),
                about="Events per second that a machine made.",
            ),
            lines(
                "Compiled scoring",
                ("leadglow_implementation_info", "{{instance}}: {{name}}"),
                ("sum(increase(leadglow_accelerator_differences_total[$__rate_interval]))", "differences"),
            ),
        ],
        "Feedback": [
            lines(
                "Share that sales accepted",
                (
                    increase(
                        f"leadglow_sales_decisions_total{{{CARD},verdict='accepted'}}", "scorecard, stage", over="7d"
                    )
                    + " / "
                    + increase(f"leadglow_sales_decisions_total{{{CARD}}}", "scorecard, stage", over="7d"),
                    "{{scorecard}} {{stage}}",
                ),
                unit="percentunit",
                about="Of the leads of seven days that sales accepted or rejected after an alert.",
            ),
            bars(
                "Why sales rejected, seven days",
                increase(
                    f"leadglow_sales_decisions_total{{{CARD},verdict='rejected'}}", "scorecard, reason", over="7d"
                ),
                "{{scorecard}}: {{reason}}",
            ),
            lines(
                "Time to the first contact",
                (
                    quantile(0.5, f"leadglow_sales_contact_seconds{{{CARD}}}", "scorecard", over="1h"),
                    "{{scorecard}}",
                ),
                unit="s",
            ),
        ],
    },
    {"scorecard": "label_values(leadglow_scorecard_info, scorecard)"},
    since="now-7d",
)
