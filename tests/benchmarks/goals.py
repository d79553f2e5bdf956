"""The goals of the figures, and how near the figures of a run are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.latency import RATES

Results = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """A figure that should be at most ``most``."""

    name: str
    figure: Callable[[Results], float]
    """Reads the figure; KeyError if the run did not measure it."""
    most: float
    stretch: float | None = None


def _over_raw(rate: int) -> Callable[[Results], float]:
    return lambda results: float(results["latency_ms"][f"handoff_{rate}_p99_above_raw_loaded"])


GOALS = (
    Goal("scoring to floor, CPU per event", lambda r: r["ratios"]["scoring_cpu_us_per_event_to_floor"], 4),
    Goal("end_to_end to floor, CPU per event", lambda r: r["ratios"]["end_to_end_cpu_us_per_event_to_floor"], 5, 4),
    Goal("windows to limits, CPU per event", lambda r: r["ratios"]["windows_cpu_us_per_event_to_limits"], 1.5),
    Goal(
        "scoring with verdicts to scoring, CPU per event",
        lambda r: r["ratios"]["verdicts_cpu_us_per_event_to_scoring"],
        1.05,
    ),
    Goal("mixed to scoring, CPU per event", lambda r: r["ratios"]["mixed_cpu_us_per_event_to_scoring"], 2.5, 1.5),
    Goal("scoring to backtest, events/s", lambda r: 1 / r["ratios"]["backtest_events_per_second_to_scoring"], 2),
    *(Goal(f"event to handoff at {rate} events/s, p99 over raw_loaded, ms", _over_raw(rate), 50, 20) for rate in RATES),
    Goal("CPU per event by number of leads, most to least", lambda r: r["scale"]["leads_most_to_least"], 1.25),
    Goal("CPU per event by number of workers, most to least", lambda r: r["scale"]["workers_most_to_least"], 1.15),
    Goal("diff of two scorecard files, s per 1,000,000 leads", lambda r: r["diff"]["seconds_per_million"], 60),
    Goal("idle worker, % of a core", lambda r: r["idle"]["worker_percent"], 2),
    Goal("idle worker without Redis, % of a core", lambda r: r["idle"]["worker_without_redis_percent"], 2),
    Goal("idle worker without Kafka, % of a core", lambda r: r["idle"]["worker_without_kafka_percent"], 2),
)


def lines(results: Results) -> list[str]:
    """One line for each goal that the run measured: the figure beside the goal."""
    rows = [f"{goal.name:60}{figure:>10.2f}{_beside(goal, figure)}" for goal, figure in _measured(results)]
    return [f"{'goals':60}{'measured':>10}{'at most':>10}{'stretch':>10}", *rows] if rows else []


def _measured(results: Results) -> list[tuple[Goal, float]]:
    found = []
    for goal in GOALS:
        try:
            found.append((goal, goal.figure(results)))
        except KeyError:
            continue
    return found


def _beside(goal: Goal, figure: float) -> str:
    stretch = "-" if goal.stretch is None else f"{goal.stretch:g}"
    return f"{goal.most:>10g}{stretch:>10}{'' if figure <= goal.most else '  missed'}"
