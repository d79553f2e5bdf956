"""Numbers of things, for people."""

import pytest

from streams.counts import count_of


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 events"), (1, "1 event"), (2, "2 events"), (21_000, "21,000 events")]
)
def test_a_single_thing_has_the_singular(number: int, words: str) -> None:
    assert count_of(number, "event") == words


def test_the_number_is_written_as_asked() -> None:
    assert count_of(2000, "alert", "{:.1f}".format) == "2000.0 alerts"
