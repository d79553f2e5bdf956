"""Compiling everything, or fetching it from where it was kept, before the first event waits for it."""

from __future__ import annotations

import numpy as np

from streams.scoring.batch import Batch
from streams.scoring.event import LeadEvent
from streams.scoring.fast import FastScorer
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model, Points, Scorecard, Signal, Stage


def warm_up() -> None:
    """Score a lead of no scorecard in use, in every way."""
    signal = Signal("visit", ("page",))
    card = Scorecard("card", {"visit": Points(1.0)}, stages=(Stage("stage", 2.0, 1.0),))
    scorer = FastScorer(Rules(Model((signal,), (card,))))
    event = LeadEvent("lead", "page", (None,), "event", 0, 0)
    moments = np.zeros(1, np.int64)
    for message in range(3):
        digests = np.full(1, message, np.uint64)
        known = np.zeros(1, np.uint8)
        batch = Batch([0], ["lead"], ["page"], [(None,)], digests, moments, moments, known, lambda i: event)
        for lead_id in scorer.missing(batch):
            scorer.put(lead_id, None)
        scorer.run(batch)
    scorer.finish()
    scorer.show(["lead"])
    scorer.tick(["lead"], 1)
    scorer.finish()
