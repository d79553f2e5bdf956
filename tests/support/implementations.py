"""Drives the implementation of scoring that the fixture ``implementation`` has chosen, with plain inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from streams.implementation import REFERENCE, Implementation, choose
from streams.scoring.event import Control, LeadEvent
from streams.scoring.interface import Batch, PlainBatch
from streams.scoring.outcome import Outcome
from streams.scoring.rules import Rules
from streams.scoring.rules_change import RulesChange

Input = LeadEvent | Control
INSTALLED = all(find_spec(name) for name in ("numba", "numpy", "llvmlite"))
"""Whether the accelerator is installed."""
_in_use = [REFERENCE]


@contextmanager
def used(name: str) -> Iterator[Implementation]:
    """Make ``scorer_of`` create scorers of the implementation with this name."""
    _in_use.append(choose("on") if name == "accelerator" else REFERENCE)
    try:
        yield _in_use[-1]
    finally:
        _in_use.pop()


def in_use() -> Implementation:
    """The implementation that the fixture chose."""
    return _in_use[-1]


class AnyScorer:
    """A scorer of the implementation in use that accepts inputs one by one, or many at once."""

    def __init__(self, rules: Rules, at_home: Callable[[str], bool] = lambda lead_id: True) -> None:
        """Start with no lead loaded."""
        self._scorer = in_use().scorer(rules, at_home)
        self.rules = rules

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def change_rules(self, rules: Rules, at_ms: int) -> None:
        """Use new rules from an instant on."""
        change = RulesChange(self.rules, rules, at_ms)
        self.rules = rules
        self._scorer.change_rules(change)

    def apply(self, *inputs: Input, blobs: dict[str, bytes] | None = None) -> None:
        """Apply inputs; leads that are not in memory are loaded from their stored form."""
        batch = make_batch(self.rules, inputs)
        for lead_id in self._scorer.missing(batch):
            self._scorer.put_lead(lead_id, (blobs or {}).get(lead_id))
        self._scorer.apply_batch(batch)

    def finish(self) -> Outcome:
        """End the step and return its changes, with all blobs in one dictionary."""
        outcome = self._scorer.finish()
        outcome.blobs = outcome.all_blobs()
        return outcome


def make_batch(rules: Rules, inputs: Sequence[Input], first: int = 0) -> Batch:
    """Build a batch for the implementation in use, with offsets from ``first`` on."""
    if in_use().name != "accelerator":
        return PlainBatch(list(enumerate(inputs, first)))
    from tests.accelerator.columns import batch_of

    return batch_of(rules, inputs, first)
