"""What leads of the table come to: the scores to be shown of many at once, and the bounds of what may change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.accelerator.kernels import score as kernel_reading
from streams.accelerator.layout import NEVER, Column, Floats
from streams.accelerator.table import Table
from streams.scoring.rules import UNIT
from streams.scoring.score import HALF, Score, Standing

Ranks = dict[str, dict[str, float | None]]


def look(table: Table, ranks: Ranks, rows: Column, nows: Column) -> tuple[Column, Floats, Floats, Floats]:
    """Read rows, each at an instant; scores that are others than were shown go to ``ranks``.

    Returns:
        Which have such a score, and of each how long its stages stand, when it changes at the earliest (both in ms),
        and how many units may be added before a stage could be entered.
    """
    exact, _, calm, change, slack = _read(table, rows, nows)
    scores = (exact.astype(np.int64) + HALF) // UNIT
    new = scores != table.cards.scores["shown"][rows]
    table.cards.scores["shown"][rows] = scores
    table.leads["stale"][rows] = 0
    anyhow = new.any(axis=1)
    table.leads["unsent"][rows[anyhow]] = 1
    for i, card in enumerate(table.rules.cards):
        places = np.flatnonzero(new[:, i])
        if len(places):
            found = zip(rows[places].tolist(), scores[places, i].tolist(), strict=True)
            ranks.setdefault(card.name, {}).update((table.ids[row], score) for row, score in found)
    return anyhow, calm, change, slack


def standings(table: Table, rows: Sequence[int], at_ms: int) -> dict[str, list[Standing]]:
    """What each scorecard says of rows at ``at_ms``, or at their clocks if these are later."""
    places = np.array(rows, np.int64)
    nows = np.maximum(table.leads["clock"][places], at_ms)
    exact, engagement, *_ = _read(table, places, nows)
    fit = table.cards.scores["fit"][places]
    readings = zip(
        rows, nows.tolist(), exact.tolist(), engagement.tolist(), fit.tolist(), table.stages(places), strict=True
    )
    return {
        table.ids[row]: [Standing(Score(*score), stage, now_ms) for *score, stage in zip(*scores, stages, strict=True)]
        for row, now_ms, *scores, stages in readings
    }


def after(nows: Column, delays: Floats) -> Column:
    """The first whole ms that is at least so far away; NEVER for never."""
    at = np.full(len(nows), NEVER)
    finite = delays != np.inf
    at[finite] = nows[finite] + np.maximum(np.ceil(delays[finite]), 1).astype(np.int64)
    return at


def _read(table: Table, rows: Column, nows: Column) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    n, cards = len(rows), len(table.rules.cards)
    exact, engagement = np.zeros((n, cards)), np.zeros((n, cards))
    calm, change, slack = np.zeros(n), np.zeros(n), np.zeros(n)
    kernel_reading.look(
        table.leads, table.slots, table.cards, table.model, rows, nows, exact, engagement, calm, change, slack
    )
    return exact, engagement, calm, change, slack
