"""The weight of each column for the outcome, by regularised logistic regression (scikit-learn). Pure.

The columns are divided by their standard deviation; the penalty is that of a normal prior with variance 1 on their
weights. Intervals are those of Wald, from the inverse of the information matrix with the penalty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from app.backtest.metrics import area_under_curve
from app.scorecards.intervals import Z95

NEEDED: Final = 20
"""Won leads and lost leads that a calibration needs at least."""
NEEDED_PER_COLUMN: Final = 10
"""Won leads and lost leads for each column that occurs (Peduzzi et al. 1996)."""
FOLDS: Final = 5
Array = Any


class TooFewOutcomes(Exception):
    """There are not enough won or lost leads to propose anything."""

    def __init__(self, won: int, lost: int, needed: int) -> None:
        super().__init__(f"{won:,} won and {lost:,} lost leads are too few: at least {needed:,} of each are needed")


@dataclass(frozen=True, slots=True)
class Weight:
    """The change of the log-odds of a win for each unit of a column, with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def is_proven(self) -> bool:
        """Whether the sign is beyond chance."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Regression:
    """The weights of the columns; None for one that is the same for every lead."""

    weights: Sequence[Weight | None]
    ranking: float | None
    """The share of pairs of a won and a lost lead that the weights of other leads rank right."""


def fit_weights(rows: Sequence[Sequence[float]], won: Sequence[bool]) -> Regression:
    """The weights by which the columns foretell the outcome.

    Raises:
        TooFewOutcomes: there are too few leads for the number of columns that occur.
    """
    wins = sum(won)
    if min(wins, len(won) - wins) < NEEDED:
        raise TooFewOutcomes(wins, len(won) - wins, NEEDED)
    values, outcomes = np.array(rows, dtype=float), np.array(won, dtype=bool)
    spread = values.std(axis=0)
    used = np.flatnonzero(spread > 0)
    if min(wins, len(won) - wins) < (needed := NEEDED_PER_COLUMN * len(used)):
        raise TooFewOutcomes(wins, len(won) - wins, needed)
    scaled = values[:, used] / spread[used]
    weights: list[Weight | None] = [None] * values.shape[1]
    for i, value, error in zip(used, *_solve(scaled, outcomes), strict=True):
        found = (value, value - Z95 * error, value + Z95 * error)
        weights[i] = Weight(*(float(each / spread[i]) for each in found))
    return Regression(weights, _cross_validate(scaled, outcomes))


def _solve(scaled: Array, outcomes: Array) -> tuple[Array, Array]:
    """The weights of scaled columns, and their standard errors."""
    model = _model().fit(scaled, outcomes)
    chances = model.predict_proba(scaled)[:, 1]
    design = np.column_stack([np.ones(len(scaled)), scaled])
    information = design.T @ (design * (chances * (1 - chances))[:, None])
    information[1:, 1:] += np.eye(scaled.shape[1])
    return model.coef_[0], np.sqrt(np.diag(np.linalg.inv(information)))[1:]


def _cross_validate(scaled: Array, outcomes: Array) -> float | None:
    scores = cross_val_predict(_model(), scaled, outcomes, cv=FOLDS, method="decision_function")
    return area_under_curve(scores.tolist(), outcomes.tolist())


def _model() -> Any:
    return LogisticRegression(C=1.0, max_iter=1000)
