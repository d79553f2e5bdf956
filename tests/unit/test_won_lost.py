"""Signals of won and of lost leads."""

from __future__ import annotations

import pytest

from app.scorecards.intervals import difference_interval, wilson_interval
from app.scorecards.won_lost import compare_signals, describe_comparison
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal

NAMES = ("demo", "visit", "jobs", "silent")
RULES = Rules(
    Model(
        tuple(Signal(name, (name,), half_life_ms=1000, label="A visit" if name == "visit" else "") for name in NAMES),
        (Scorecard("main", {name: Points(1.0) for name in NAMES}),),
    )
)


def outcomes(count: int) -> list[tuple[frozenset[str], bool]]:
    """As many won as lost leads: every second one had a visit, all won ones a demo, all lost ones a job page."""
    return [
        (frozenset({"demo" if is_won else "jobs", *(["visit"] if i % 2 else [])}), is_won)
        for is_won in (True, False)
        for i in range(count)
    ]


def test_signals_that_occur_alike_are_marked() -> None:
    found = compare_signals(RULES.cards[0], outcomes(20))
    assert {each["name"]: each["occurs"] for each in found["signals"]} == {
        "demo": "won", "visit": "alike", "jobs": "lost", "silent": "never",
    }  # fmt: skip
    assert (found["signals"][1]["won_share"], found["signals"][1]["lost_share"]) == (0.5, 0.5)
    assert describe_comparison({"won": 20, "lost": 20, "signals": found}) == [
        "signals alike for won and lost leads: A visit", "signals that no won or lost lead had: silent",
    ]  # fmt: skip


def test_too_few_outcomes_are_no_comparison() -> None:
    found = compare_signals(RULES.cards[0], outcomes(19))
    assert not found["enough"]
    assert {each["occurs"] for each in found["signals"]} == {None}
    assert describe_comparison({"won": 19, "lost": 19, "signals": found}) == [
        "signals cannot be compared: 19 won, 19 lost, at least 20 of each are needed"
    ]


def test_the_interval_of_a_difference_is_that_of_the_literature() -> None:
    # Newcombe 1998, table II, example (a): 56/70 and 48/80, method 10
    assert difference_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_the_wilson_interval_of_known_cases() -> None:
    # 8 of 10: Newcombe 1998 gives 0.490 to 0.943
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson_interval(0, 0) == (0.0, 1.0)
