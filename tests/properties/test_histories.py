"""Histories of joined leads: the scorer agrees with a sequential reference that keeps everything."""

from __future__ import annotations

import pytest

from tests.properties.histories import DELAYS, check

pytestmark = pytest.mark.usefixtures("implementation")


@pytest.mark.parametrize("delay", DELAYS)
def test_scores_stages_and_alerts_are_those_of_a_sequential_reference(delay: float) -> None:
    first = 200 * DELAYS.index(delay)
    assert [line for seed in range(first, first + 70) for line in check(seed, delay)] == []
