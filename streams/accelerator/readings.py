"""Compute scores of many table rows at once, and how soon they may change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.accelerator.kernels import score as kernel_reading
from streams.accelerator.layout import NEVER, Column, Floats
from streams.accelerator.table import Table
from streams.scoring.rules import UNIT
from streams.scoring.score import Score, Standing

Ranks = dict[str, dict[str, float | None]]


def look(table: Table, ranks: Ranks, rows: Column, nows: Column) -> tuple[Column, Floats, Floats, Floats]:
    """Compute the scores of rows, each at its own instant, and add changed ones to ``ranks``.

    Returns:
        For each row: whether a score changed, how long no stage changes and when the next change may come (both in ms),
        and the units that may be added before a stage could be entered.
    """
    exact, _, calm, change, slack = _read(table, rows, nows)
    scores = exact.astype(np.int64) // UNIT
    new = scores != table.cards.scores["shown"][rows]
    table.cards.scores["shown"][rows] = scores
    table.leads["stale"][rows] = 0
    changed = new.any(axis=1)
    table.leads["unsent"][rows[changed]] = 1
    for i, card in enumerate(table.rules.cards):
        places = np.flatnonzero(new[:, i])
        if len(places):
            found = zip(rows[places].tolist(), scores[places, i].tolist(), strict=True)
            ranks.setdefault(card.name, {}).update((table.ids[row], score) for row, score in found)
    return changed, calm, change, slack


def standings(table: Table, rows: Sequence[int], at_ms: int) -> dict[str, list[Standing]]:
    """Score and stage of rows on each scorecard, at ``at_ms`` or at their clocks if these are later."""
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
    """The first whole ms at least ``delays`` away; NEVER for infinite delays."""
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
