"""The metrics of the engine, with type, unit and meaning. Dashboards and alert rules may use only these.

All names start with ``leadglow_``. The configuration limits the values of a label; none is a lead, an address or a key.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from streams.events.rejects import REASONS
from streams.process_metrics import ProcessMetrics, without_process
from streams.scoring.scorecard import Scorecard
from streams.scoring.verdict_counts import OTHER
from streams.scoring.verdicts import KINDS

LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

MAX_CURRENCIES = 20
CONTACT_S = (60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0, 259_200.0, 604_800.0, 2_592_000.0)
"""From a minute to 30 days."""

OUTCOMES = (
    "duplicates", "limited", "late", "skipped", "forwarded", "misrouted", "erased", "retracted", "retracted_late",
    "joins", "join_conflicts", "erasures", "leads", "forgotten", "unreadable_time", "traits_left_out",
)  # fmt: skip


class Metrics:
    """The metrics of one worker, in their own registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register all metrics, in a new registry if none is given."""
        r = self.registry = registry or CollectorRegistry()
        self.process = ProcessMetrics(r)
        self.records = Counter(
            "leadglow_records", "Records processed, by stage (intake, scoring)", ["stage"], registry=r
        )
        self.rejected = Counter(
            "leadglow_events_rejected", "Records sent to rejected-events, by reason code", ["reason"], registry=r
        )
        self.events = Counter(
            "leadglow_events",
            "Events by outcome other than counted: duplicates, limited (over a limit), late (after its bucket "
            "closed), skipped (a repeated delivery), forwarded (to the lead that its own was joined to), misrouted "
            "(sent on to the right partition), erased (of an erased lead), retracted, retracted_late (too old to "
            "retract), joins, join_conflicts, erasures, leads (new ones), forgotten (idle leads), unreadable_time "
            "(counted at its arrival, because its time cannot be read), traits_left_out (beyond 64 of a lead), "
            "contributions (scores that leads gave to accounts), contributions_known (repeated or older ones)",
            ["outcome"],
            registry=r,
        )
        self.transitions = Counter(
            "leadglow_stage_transitions",
            "Stages entered and left; silenced ones were not published because of a cooldown",
            ["scorecard", "stage", "kind", "silenced"],
            registry=r,
        )
        self._register_sales(r)
        self.alerts = Counter("leadglow_alerts_sent", "Alerts acknowledged on the handoff topic", registry=r)
        self.scores = Counter("leadglow_scores_published", "Records acknowledged on lead-scores", registry=r)
        self.commits = Counter(
            "leadglow_commits",
            "Steps committed, by verdict: OK, DUP (a lost reply), CONFLICT (stays 0 in orderly rebalances)",
            ["verdict"],
            registry=r,
        )
        self.step_seconds = Histogram(
            "leadglow_step_seconds", "Time of one step of a shard, decode to commit", buckets=LATENCY_S, registry=r
        )
        self.handoff_seconds = Histogram(
            "leadglow_event_to_handoff_seconds",
            "Time from the arrival of an event at its source topic to the acknowledgement of its alert",
            buckets=LATENCY_S,
            registry=r,
        )
        self.timer_lateness_seconds = Histogram(
            "leadglow_timer_lateness_seconds",
            "Delay of the timer after a due time, while the shard has caught up",
            buckets=LATENCY_S,
            registry=r,
        )
        self._register_lag(r)
        self.shards = Gauge("leadglow_shards", "Shards that this worker owns", registry=r)
        self.cached = Gauge("leadglow_leads_cached", "Leads held in memory", registry=r)
        self.outbox = Gauge("leadglow_outbox_entries", "Entries waiting to be acknowledged by Kafka", registry=r)
        self.outbox_oldest = Gauge(
            "leadglow_outbox_oldest_seconds", "Age of the oldest outbox entry without acknowledgement", registry=r
        )
        self.store_errors = Counter(
            "leadglow_store_errors", "Failed attempts to reach Redis, by operation", ["operation"], registry=r
        )
        self.clock_offset = Gauge(
            "leadglow_clock_offset_seconds",
            "Seconds by which this machine's clock is ahead of the clock of Redis, which scoring uses",
            registry=r,
        )
        self.ready = Gauge("leadglow_ready", "1 while Kafka and Redis can be reached", registry=r)
        self.scorecards_held = Counter(
            "leadglow_scorecards_held",
            "Changed scorecard files not published, because they would send too many alerts at once",
            registry=r,
        )
        self.model = Info("leadglow_scorecards", "Version of the published scorecards", registry=r)
        self.scorecards = Gauge(
            "leadglow_scorecard_info",
            "1 for each scorecard in use; shadow is true for one that is only tried and sends no alerts",
            ["scorecard", "shadow"],
            registry=r,
        )
        self.implementation = Info(
            "leadglow_implementation",
            "The implementation in use: accelerator, checked accelerator or reference",
            registry=r,
        )
        self.accelerator_differences = Counter(
            "leadglow_accelerator_differences",
            "Steps dropped because accelerator and reference differed; only with LEADGLOW_ACCELERATOR=check",
            registry=r,
        )
        self.telemetry_errors = Counter(
            "leadglow_telemetry_errors", "Failed commits of offsets to Kafka (telemetry only)", registry=r
        )
        self._begin_at_zero()

    def _register_lag(self, r: CollectorRegistry) -> None:
        self.lag = Gauge("leadglow_lag_records", "Records of lead-events not yet scored", ["partition"], registry=r)
        self.lag_s = Gauge(
            "leadglow_lag_seconds",
            "Age of the oldest fetched record of lead-events that is not scored; leadglow_board_lag_seconds covers all "
            "topics, also without a worker",
            ["partition"],
            registry=r,
        )
        self.source_lag = Gauge(
            "leadglow_source_lag_records",
            "Records of a source topic that are not forwarded yet, at the last check (every 3 s)",
            ["topic"],
            registry=r,
        )

    def _register_sales(self, r: CollectorRegistry) -> None:
        self.verdicts = Counter(
            "leadglow_sales_verdicts",
            "Verdicts of sales: contacted, accepted, rejected, recycled, opportunity, won, lost, owner, note",
            ["kind"],
            registry=r,
        )
        self.decisions = Counter(
            "leadglow_sales_decisions",
            "Leads that sales accepted or rejected after an alert, by the stage of the last one; a reason that the "
            "scorecard does not list counts as other",
            ["scorecard", "stage", "verdict", "reason"],
            registry=r,
        )
        self.contact_seconds = Histogram(
            "leadglow_sales_contact_seconds",
            "Time from the last alert about a lead to the first contact after it",
            ["scorecard"],
            buckets=CONTACT_S,
            registry=r,
        )

        self.won_amount = Counter(
            "leadglow_sales_won_amount",
            "Amounts of leads that were won after an alert of the scorecard, by currency: the first "
            f"{MAX_CURRENCIES} that came, else other; empty for amounts without one. An undo does not reduce it",
            ["scorecard", "currency"],
            registry=r,
        )
        self.targets = Gauge(
            "leadglow_sales_target_leads",
            "Leads that sales wants from the scorecard per day, on average: its `target`",
            ["scorecard"],
            registry=r,
        )
        self._currencies: set[str] = set()

    def bounded_currency(self, code: str) -> str:
        """The code of a currency as a label, of which there are few."""
        if len(self._currencies) < MAX_CURRENCIES:
            self._currencies.add(code)
        return code if code in self._currencies else "other"

    def show_scorecards(self, version: str, cards: Iterable[Scorecard]) -> None:
        """Show the version in use and, for each scorecard, whether it is a shadow, its target, and counts of 0."""
        self.model.info({"version": version})
        self.scorecards.clear()
        self.targets.clear()
        for card in cards:
            if card.target:
                self.targets.labels(card.name).set(card.target.per_day)
            self.scorecards.labels(card.name, str(card.shadow).lower()).set(1)
            self.contact_seconds.labels(card.name)
            for stage, kind in product(card.stages, ("entered", "left")):
                self.transitions.labels(card.name, stage.name, kind, "false")
            reasons = (*(card.sales.reasons if card.sales else ()), OTHER)
            rows = [("accepted", ""), *(("rejected", reason) for reason in reasons)]
            for alerting, row in product([stage.name for stage in card.stages if stage.handoff], rows):
                self.decisions.labels(card.name, alerting, *row)

    def _begin_at_zero(self) -> None:
        """Export what is counted before it happens for the first time, so that the first time is an increase."""
        for counter, values in (
            (self.records, ("intake", "scoring")),
            (self.rejected, REASONS),
            (self.events, OUTCOMES),
            (self.verdicts, KINDS.values()),
            (self.commits, ("OK", "DUP", "CONFLICT")),
            (self.store_errors, ("control", "load", "commit", "due", "next_due", "outbox", "dirty", "time")),
        ):
            for value in values:
                counter.labels(value)


def names() -> list[tuple[str, str, str]]:
    """(name, type, meaning) of every metric, for the documentation."""
    return without_process(Metrics().registry.collect())
