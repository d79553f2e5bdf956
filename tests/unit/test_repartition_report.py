"""What ``leadglow repartition`` prints before it begins or goes on."""

import pytest

from app.cli.repartition import _as_json, _lines
from app.repartition.preview import Preview

MOVES = "alerts of some leads go to other partitions from now on. Let the notifier catch up first"


def preview(step: str = "", workers: int = 0) -> Preview:
    return Preview(12, 24, 12 if step in ("", "copy") else 24, step, workers, 3400, 2 << 20, [MOVES])


@pytest.mark.parametrize("step", ["", "copy"])
def test_before_the_switch_it_names_what_moves_and_what_it_needs(step: str) -> None:
    lines = list(_lines(preview(step)))
    assert lines[0] == "3,400 leads and accounts move from 12 to 24 partitions."
    assert ("A run that ended early goes on: it scores what is left, then copies and compares." in lines) == bool(step)
    assert "Redis needs about 2 MiB more until the end." in lines
    assert lines[-1] == f"Note: {MOVES}."


@pytest.mark.parametrize(
    ("step", "rest"),
    [
        ("clean", "it removes the old keys, and gives the copies their names"),
        ("rename", "it gives the copies their names"),
        ("finish", "it notes the new number on the topic of scorecards"),
    ],
)
def test_after_the_switch_it_names_what_is_left(step: str, rest: str) -> None:
    assert list(_lines(preview(step))) == [
        "3,400 leads and accounts have moved from 12 to 24 partitions.",
        f"A run that ended early goes on: {rest}.",
    ]
    found = _as_json(preview(step))
    assert (found["memory_bytes"], found["warnings"]) == (0, [])


@pytest.mark.parametrize(
    ("workers", "warning"), [(1, "1 worker runs: stop it first"), (3, "3 workers run: stop them first")]
)
def test_workers_that_run_are_a_warning(workers: int, warning: str) -> None:
    assert _as_json(preview(workers=workers))["warnings"] == [warning, MOVES]
    assert f"Note: {warning}." in list(_lines(preview(workers=workers)))
