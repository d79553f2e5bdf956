"""The history of a score is bounded, sorted, and ends with the last change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.store.history import MAX_POINTS, OLDEST_S, POINT, SHARE, add, points

MAX_BYTES = 680
NOW_S = 1_795_000_000
STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(-5, 120), st.integers(0, 200_000), st.integers(0, 9_000_000)), st.integers(-50, 150)
    ),
    max_size=400,
)


def played(steps: list[tuple[int, int]]) -> tuple[bytes, list[tuple[int, int]]]:
    """A history after these (seconds later, score) steps, and the list of all changes added."""
    changes: list[tuple[int, int]] = []
    history, at_s = b"", NOW_S
    for later, score in steps:
        at_s = max(at_s + later, 0)
        history = add(history, at_s, score)
        if not changes or changes[-1][1] != score:
            changes.append((max(at_s, changes[-1][0]) if changes else at_s, score))
    return history, changes


@given(STEPS)
def test_a_history_is_bounded_and_sorted_with_at_most_one_point_a_second(steps: list[tuple[int, int]]) -> None:
    history, _ = played(steps)
    seconds = [at_s for at_s, _ in points(history)]
    assert len(history) <= min(MAX_POINTS * POINT.size, MAX_BYTES)
    assert seconds == sorted(set(seconds))
    assert not seconds or seconds[-1] - seconds[0] <= OLDEST_S


@given(STEPS)
def test_the_last_point_is_the_last_change(steps: list[tuple[int, int]]) -> None:
    history, changes = played(steps)
    assert points(history)[-1:] == changes[-1:]


@given(STEPS)
def test_every_point_was_a_change(steps: list[tuple[int, int]]) -> None:
    history, changes = played(steps)
    assert set(points(history)) <= set(changes)


@given(STEPS)
def test_gaps_between_points_are_small_for_their_age(steps: list[tuple[int, int]]) -> None:
    """A dropped change has a kept point within two sevenths of its age."""
    history, changes = played(steps)
    kept = [at_s for at_s, _ in points(history)]
    for at_s, _ in changes:
        age = changes[-1][0] - at_s
        if age <= OLDEST_S * (1 - 2 / SHARE):
            assert any(abs(at_s - point) * SHARE <= 2 * age for point in kept)


def test_a_score_that_changes_constantly_does_not_exceed_the_bound() -> None:
    history = b""
    for second in range(0, 200 * 86_400, 600):
        history = add(history, NOW_S + second, second // 600 % 100)
    assert 40 * POINT.size <= len(history) <= MAX_POINTS * POINT.size


def test_scores_beyond_two_bytes_are_clamped() -> None:
    assert points(add(add(b"", NOW_S, 1e9), NOW_S + 1, -1e9)) == [(NOW_S, 32767), (NOW_S + 1, -32768)]
