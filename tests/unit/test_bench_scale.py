"""The pure parts of the benchmark's scale part, and the goals beside the figures."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.benchmarks import goals, scale

END_MS = 1_800_000_000_000


def test_each_lead_gets_one_first_event() -> None:
    found = scale.first_events(500, END_MS)
    assert [event.key for event in found] == [f"u-{n}" for n in range(500)]
    assert all(event.at_ms < END_MS for event in found)


def test_a_backlog_is_recent_and_spread_evenly() -> None:
    found = scale.even_events(20_000, 10, END_MS, seed=1)
    assert all(END_MS - scale.RECENT_MS <= event.at_ms < END_MS for event in found)
    counts = Counter(event.key for event in found)
    assert counts.keys() == {f"u-{n}" for n in range(10)}
    assert min(counts.values()) > 0.9 * max(counts.values())


def test_the_largest_figure_to_the_smallest() -> None:
    assert scale.most_to_least([{"cpu": 5.0}, {"cpu": 4.0}, {"cpu": 4.5}], "cpu") == 1.25
    assert scale.most_to_least([], "cpu") == 1.0


def test_lines_name_every_figure() -> None:
    rows = {"leads": [{"leads": 10_000, "cpu_us_per_event": 4.2}], "workers": [{"workers": 2, "seconds": 1.5}]}
    assert scale.lines(rows) == ["scale, 10,000 leads: cpu_us_per_event 4.2", "scale, 2 workers: seconds 1.5"]


def test_goals_are_shown_beside_the_figures_of_a_run() -> None:
    latency = {"handoff_500_p99_above_raw_loaded": 57.5}
    head, ratio, over_raw = goals.lines({"ratios": {"mixed_cpu_us_per_event_to_scoring": 2.1}, "latency_ms": latency})
    assert head.split() == ["goals", "measured", "at", "most", "stretch"]
    assert ratio.split()[-3:] == ["2.10", "2.5", "1.5"]
    assert over_raw.split()[-4:] == ["57.50", "50", "20", "missed"]


def test_a_backtest_at_less_than_half_the_rate_of_scoring_misses_its_goal() -> None:
    assert goals.lines({"ratios": {"backtest_events_per_second_to_scoring": 0.4}})[1].split()[-4:] == [
        "2.50", "2", "-", "missed",
    ]  # fmt: skip


@pytest.mark.parametrize("results", [{}, {"ratios": {}}])
def test_no_goal_is_shown_without_its_figure(results: goals.Results) -> None:
    assert goals.lines(results) == []
