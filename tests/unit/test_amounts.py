"""What counts as an amount, and which values are one to `distinct`."""

from __future__ import annotations

from typing import Any

import pytest

from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from tests.properties.strategies import START_MS, Fact
from tests.support.implementations import AnyScorer

pytestmark = pytest.mark.usefixtures("implementation")

ORDER = Signal("order", ("Ordered",), amount="properties.value")
SEEN = Signal("seen", ("Seen",), distinct="properties.value")
RULES = Rules(Model((ORDER, SEEN), (Scorecard("card", {"order": Points(1.0), "seen": Points(1.0)}, maximum=1e9),)))


def score_of(name: str, *values: Any) -> float:
    scorer = AnyScorer(RULES)
    scorer.put_lead("u", None)
    for i, value in enumerate(values):
        scorer.apply(Fact(name, f"m{i}", START_MS, {"properties.value": value}).event(RULES, START_MS))
    scorer.finish()
    exact: float = scorer.standings(["u"], START_MS)["u"][0].score.exact
    return exact / 1e9


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (12, 12), (12.5, 12.5), ("12", 12), (" 12 ", 12), ("+12.50", 12.5), ("007", 7), (-5, 0), ("-5", 0),
        (10**30, 1e6), ("9" * 30, 1e6), ("9" * 400, None), ("1e9", None), ("1_000", None), ("1,000", None),
        ("Infinity", None), (float("inf"), None), ("NaN", None), ("\u0661\u0662", None), ("12.", None), (".5", None),
        ("", None), ("0x10", None), ("12 EUR", None), (True, None), ([12], None), ({}, None), (None, None),
    ],
)  # fmt: skip
def test_an_amount_is_a_finite_number_or_a_text_that_spells_one(value: Any, amount: float | None) -> None:
    matched = RULES.match("Ordered", tuple(value if path == "properties.value" else None for path in RULES.paths))
    assert [hit.amount for hit in matched.hits] == ([] if amount is None else [amount])
    assert score_of("Ordered", value) == (amount or 0)


@pytest.mark.parametrize(
    ("values", "count"),
    [((3, 3.0), 1), ((3, 3.0, "3"), 2), ((3.5, 3.5), 1), ((1, True), 2), ((0, -0.0), 1), ((3, None), 1)]
)  # fmt: skip
def test_equal_numbers_are_one_value_and_texts_are_others(values: tuple[Any, ...], count: int) -> None:
    assert score_of("Seen", *values) == count
