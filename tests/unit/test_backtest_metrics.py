"""The figures of a backtest, each against a small example worked out by hand."""

from __future__ import annotations

import pytest

from app.backtest import metrics
from app.backtest.metrics import Confusion, Group
from streams.units import DAY_MS

MONDAY_MS = 1_767_571_200_000
"""2026-01-05T00:00:00Z."""


def test_a_week_begins_on_monday_in_utc() -> None:
    assert metrics.week_of(MONDAY_MS) == MONDAY_MS
    assert metrics.week_of(MONDAY_MS + 7 * DAY_MS - 1) == MONDAY_MS
    assert metrics.week_of(MONDAY_MS - 1) == MONDAY_MS - 7 * DAY_MS
    assert metrics.week_of(0) == -3 * DAY_MS  # 1970-01-01 was a Thursday


def test_weeks_without_anything_are_counted_too() -> None:
    times = [MONDAY_MS + 1, MONDAY_MS + 2, MONDAY_MS + 15 * DAY_MS]
    weeks = metrics.count_by_week(times, MONDAY_MS, MONDAY_MS + 15 * DAY_MS)
    assert [count for _, count in weeks] == [2, 0, 1]


def test_leads_that_sales_cannot_take_up_wait_for_the_next_week() -> None:
    # capacity 3: 5 leads leave 2 waiting; 4 more make 6, of which 3 wait; none: 3 are worked; 1: worked
    load = metrics.measure_load([5, 4, 0, 1], 3)
    assert load == metrics.Load(most=5, weeks_over=2, longest_queue=3, left_over=0, used=10 / 12)


def test_a_quantile_lies_between_its_neighbours() -> None:
    assert metrics.quantile([4, 1, 2], 0.5) == 2
    assert metrics.quantile([1, 2, 3, 4], 0.5) == 2.5
    assert metrics.quantile([0, 10], 0.9) == 9
    assert metrics.quantile([], 0.5) is None


def test_precision_recall_accuracy_and_kappa() -> None:
    predicted = [True] * 4 + [False] * 6
    won = [True, True, True, False] + [True] + [False] * 5
    found = metrics.confuse(predicted, won)
    assert found == Confusion(right=3, wrong=1, missed=1, spared=5)
    assert (found.precision, found.recall, found.accuracy) == (3 / 4, 3 / 4, 8 / 10)
    # by chance 0.52 would agree, from 0.4 and 0.4 predicted and won, 0.6 and 0.6 not: 0.28 of 0.48 beyond it
    assert found.kappa == pytest.approx(0.58333, abs=1e-5)


def test_shares_of_nothing_are_unknown() -> None:
    nothing, all_won = metrics.confuse([], []), metrics.confuse([True], [True])
    assert (nothing.precision, nothing.recall, nothing.accuracy, nothing.kappa) == (None,) * 4
    assert all_won.kappa is None


def test_deciles_begin_with_the_highest_scores() -> None:
    scores = [float(n) for n in range(20)]
    won = [n >= 18 or n == 0 for n in range(20)]
    groups = metrics.split_deciles(scores, won)
    assert groups[0] == Group(18, 19, 2, 2)
    assert groups[1] == Group(16, 17, 2, 0)
    assert groups[-1] == Group(0, 1, 2, 1)
    assert groups[0].rate == 1.0


def test_equal_scores_are_divided_in_proportion_whatever_their_order() -> None:
    # one lead with 9 that was won, three with 5 of which one was won, in two groups of two
    expected = [Group(5, 9, 2, 1 + 1 / 3), Group(5, 5, 2, 2 / 3)]
    for won in ([True, True, False, False], [True, False, False, True]):
        groups = metrics.split_deciles([9, 5, 5, 5], won, parts=2)
        assert [(g.low, g.high, g.leads) for g in groups] == [(g.low, g.high, g.leads) for g in expected]
        assert [g.won for g in groups] == pytest.approx([g.won for g in expected])


def test_fewer_leads_than_groups_still_make_ten() -> None:
    groups = metrics.split_deciles([1.0, 2.0, 3.0], [False, False, True])
    assert len(groups) == 10
    assert sum(group.won for group in groups) == pytest.approx(1)
    assert groups[0].rate == pytest.approx(1)
    assert metrics.split_deciles([], []) == []


def test_bands_include_their_lower_bound_and_the_last_its_upper_bound() -> None:
    groups = metrics.split_bands([0, 9.9, 10, 20], [True, False, True, True], [0, 10, 20])
    assert groups == [Group(0, 10, 2, 1), Group(10, 20, 2, 2)]


def test_the_area_under_the_curve_counts_pairs_and_ties_half() -> None:
    # won: 5, 3; lost: 3, 1. Pairs: 5>3, 5>1, 3=3 (half), 3>1: 3.5 of 4
    assert metrics.area_under_curve([5, 3, 3, 1], [True, True, False, False]) == 3.5 / 4
    assert metrics.area_under_curve([5, 3], [True, True]) is None


def test_the_overlap_of_two_sets() -> None:
    assert metrics.overlap({"a", "b", "c"}, {"b", "c", "d"}) == 0.5
    assert metrics.overlap(set(), set()) is None


def test_the_rank_correlation_shares_the_ranks_of_ties() -> None:
    assert metrics.rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert metrics.rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    # ranks 0, 1.5, 1.5, 3 and 0, 2, 1, 3: covariance 4.5, spreads 4.5 and 5
    assert metrics.rank_correlation([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
    assert metrics.rank_correlation([1, 1], [1, 2]) is None
