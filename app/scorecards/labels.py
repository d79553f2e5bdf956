"""Finds what people read instead of the names in scorecard files. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.scorecards.text import describe_fit
from streams.scoring.scorecard import Model

Key = tuple[str, str, str]
"""Subject, scorecard and name, as in a ``Difference``."""


def list_labels(*models: Model) -> dict[Key, str]:
    """The labels of all parts that have one; those of the last file count."""
    return {key: label for model in models for key, label in _labels_of(model) if label}


def _labels_of(model: Model) -> Iterator[tuple[Key, str]]:
    for signal in model.signals:
        yield ("signal", "", signal.name), signal.label
    for card in model.scorecards:
        yield ("scorecard", card.name, card.name), card.label
        for signal in model.signals:
            yield ("points", card.name, signal.name), signal.label
        for category in card.categories:
            yield ("category", card.name, category.name), category.label
        for stage in card.stages:
            yield ("stage", card.name, stage.name), stage.label
        for line in card.fit:
            yield ("fit", card.name, describe_fit(line)), line.label
