"""Compute scores of many table rows at once, and how soon they may change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.accelerator.kernels import score as kernel_reading
from streams.accelerator.layout import NEVER, NOT_SHOWN, Column, Floats
from streams.accelerator.table import Table
from streams.scoring.fit import UNIT
from streams.scoring.rules import UNRANKED
from streams.scoring.score import SEEN_MS, Score, Standing
from streams.scoring.stages import current_stage

Ranks = dict[str, dict[str, float | None]]


def update_scores(table: Table, ranks: Ranks, rows: Column, nows: Column) -> tuple[Column, Floats, Floats, Floats]:
    """Compute the scores of rows, each at its own instant, and add changed places in the ranking to ``ranks``.

    Returns:
        For each row: whether the whole number of a score changed, how long no stage changes and when the next change
        may come (both in ms), and the units that may be added before a stage could be entered.
    """
    _, engagement, calm, change, slack = _read(table, rows, nows)
    scores = table.cards.scores
    applies = ~np.isnan(scores["fit"][rows])
    wholes = (engagement + np.where(applies, scores["fit"][rows], 0.0)).astype(np.int64) // UNIT
    places, known = wholes + table.leads["last_seen"][rows][:, None] / SEEN_MS, scores["shown"][rows]
    places[~applies] = UNRANKED
    scores["shown"][rows] = places
    table.leads["stale"][rows] = 0
    for i, card in enumerate(table.rules.cards):
        moved = np.flatnonzero(places[:, i] != known[:, i])
        if len(moved):
            found = zip(rows[moved].tolist(), places[moved, i].tolist(), strict=True)
            ranks.setdefault(card.name, {}).update(
                (table.ids[row], None if place == UNRANKED else place) for row, place in found
            )
    low, high = table.model.cards["lowest"], table.model.cards["highest"]
    unknown, before, ranked = known == NOT_SHOWN, np.floor(known), known != UNRANKED
    shown = np.where(ranked, before.clip(low, high), 0.0), np.where(applies, wholes.clip(low, high), 0.0)
    unsent = unknown | (shown[0] != shown[1]) | (ranked != applies)
    table.leads["unsent"][rows[unsent.any(axis=1)]] = 1
    return (unknown | (before != np.floor(places))).any(axis=1), calm, change, slack


def standings(table: Table, rows: Sequence[int], at_ms: int) -> dict[str, list[Standing]]:
    """Score and stage of rows on each scorecard, at ``at_ms`` or at their clocks if these are later."""
    places = np.array(rows, np.int64)
    nows = np.maximum(table.leads["clock"][places], at_ms)
    exact, engagement, *_ = _read(table, places, nows)
    fit = table.cards.scores["fit"][places]
    applies = ~np.isnan(fit)
    scores = (exact, engagement, np.where(applies, fit, 0.0))
    readings = zip(
        rows, nows.tolist(), *(column.tolist() for column in scores), _stages(table, rows), applies.tolist(),
        strict=True,
    )  # fmt: skip
    return {
        table.ids[row]: [
            Standing(Score(*score), stage, now_ms, fits) for *score, stage, fits in zip(*columns, strict=True)
        ]
        for row, now_ms, *columns in readings
    }


def after(nows: Column, delays: Floats) -> Column:
    """The first whole ms at least ``delays`` away; NEVER for infinite delays."""
    at = np.full(len(nows), NEVER)
    finite = delays != np.inf
    at[finite] = nows[finite] + np.maximum(np.ceil(delays[finite]), 1).astype(np.int64)
    return at


def idle_in(table: Table, rows: Column, nows: Column) -> Floats:
    """For each row, in how many ms to look whether it is to be forgotten; infinite for never."""
    idle_ms = np.array(table.model.idle_ms)[table.leads["known"][rows]]
    return np.asarray(table.leads["last_seen"][rows] + idle_ms - nows)


def _read(table: Table, rows: Column, nows: Column) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    n, cards = len(rows), len(table.rules.cards)
    exact, engagement = np.zeros((n, cards)), np.zeros((n, cards))
    calm, change, slack = np.zeros(n), np.zeros(n), np.zeros(n)
    kernel_reading.read_leads(
        table.leads, table.slots, table.cards, table.windows, table.model, rows, nows, exact, engagement, calm, change,
        slack,
    )  # fmt: skip
    return exact, engagement, calm, change, slack


def _stages(table: Table, rows: Sequence[int]) -> list[list[str | None]]:
    """The stage of each row on each scorecard."""
    leads = map(table.rare.lead, rows)
    return [[current_stage(card, lead) for card in table.rules.cards] for lead in leads]
