"""The table of stages of the latency benchmark."""

from __future__ import annotations

import pytest

from tests.benchmarks.stages import STAGES, Note, Notes, Trip, lines, spent_ms, summary


def _noted(stage: str, place: str | int, first: int, last: int, at_s: float) -> Note:
    return stage, place, first, last, at_s


NOTES = Notes(
    [
        _noted("source_fetch", 0, 0, 4, 1.0),
        _noted("source_fetch", 0, 5, 9, 1.004),
        _noted("source_fetch", 1, 5, 9, 9.0),
        _noted("intake", 0, 0, 9, 1.005),
        _noted("lead_events_produce", 0, 0, 9, 1.020),
        _noted("lead_events_fetch", 3, 20, 30, 1.010),
        *(
            _noted(stage, 3, 20, 30, at_s)
            for stage, at_s in (("fetched", 1.012), ("scored", 1.013), ("committed", 1.015))
        ),
        _noted("timed_leads", 0, 0, 3, 1.0),
        _noted("timed_leads", 1, 0, 4, 1.5),
        _noted("timed_leads", 1, 0, 5, 2.5),
        _noted("relay", "lead", 0, 0, 1.018),
    ]
)
TRIP = Trip("lead", 1.0, 1.002, 1.019, source=(0, 7), lead_events=(3, 25))


def test_each_stage_counts_from_the_end_of_the_one_before() -> None:
    spent = spent_ms(NOTES, [TRIP])
    assert {stage: values[0] for stage, values in spent.items()} == pytest.approx(
        {
            "source_produce": 2,
            "source_fetch": 2,
            "intake": 1,
            "lead_events_produce": 5,  # fetched before the acknowledgement arrived
            "lead_events_fetch": 0,
            "fetched": 2,
            "scored": 1,
            "committed": 2,
            "relay": 3,
            "handoff_fetch": 1,
        }
    )


def test_stages_add_up_to_the_whole_trip() -> None:
    assert sum(values[0] for values in spent_ms(NOTES, [TRIP]).values()) == pytest.approx(19)


def test_things_are_counted_within_a_span_of_time() -> None:
    assert NOTES.count("timed_leads", 0.9, 2) == 7


def test_the_table_has_a_row_per_stage_and_two_columns_per_rate() -> None:
    table = lines({500: summary(spent_ms(NOTES, [TRIP])), 5000: summary(spent_ms(NOTES, [TRIP]))})
    assert len(table) == 1 + len(STAGES)
    assert table[0].split()[-6:] == ["500/s", "p50", "p99", "5,000/s", "p50", "p99"]
    assert table[1].split()[-4:] == ["2.0", "2.0", "2.0", "2.0"]
    assert lines({}) == []
