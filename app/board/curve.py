"""The score of a lead over time: its history, and a forecast without further events. Pure."""

from __future__ import annotations

from typing import Any, Final

from streams.scoring.fit import UNIT
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.score import read
from streams.scoring.scorecard import Scorecard
from streams.scoring.stages import advance
from streams.scoring.terms import end_of_change
from streams.shard.alert import rfc3339
from streams.units import DAY_MS, MINUTE_MS

MAX_FORECAST_MS: Final = 30 * DAY_MS
MIN_FORECAST_MS: Final = MINUTE_MS
SAMPLES: Final = 160
FLAT_UNITS: Final = UNIT // 2
"""A score is flat when decay can change it by half a point at most."""


def build_curve(
    lead_id: str, lead: Lead, card: CardRule, rules: Rules, now_ms: int, past: list[tuple[int, int]]
) -> dict[str, Any]:
    """Past and coming scores, and the coming stage changes; advances ``lead``."""
    end_ms = now_ms + _forecast_length_ms(card, lead, now_ms)
    coming = {at: read(card, lead, at).exact for at in _sample_times(now_ms, end_ms)}
    crossings = [t for t in advance(rules, lead_id, lead, end_ms) if t.card == card.name]
    for crossing in crossings:
        for at in (crossing.at_ms - 1, crossing.at_ms):
            coming[max(at, now_ms)] = read(card, lead, max(at, now_ms)).exact
    return {
        "past": [[at, card.shown(whole)] for at, whole in past if at <= now_ms],
        "coming": [[at, exact / UNIT] for at, exact in sorted(coming.items())],
        "crossings": [{"at": rfc3339(c.at_ms), "stage": c.stage, "kind": c.kind} for c in crossings],
        "bounds": stage_bounds(card.card),
        "range": [card.card.minimum, card.card.maximum],
        "now": now_ms,
    }


def stage_bounds(card: Scorecard) -> list[dict[str, Any]]:
    """The stages, with the scores at which a lead enters and leaves them."""
    return [{"stage": stage.name, "enter": stage.enter, "leave": stage.leave} for stage in card.stages]


def _forecast_length_ms(card: CardRule, lead: Lead, now_ms: int) -> int:
    """The length of the forecast: until the score is flat, from one minute to thirty days."""
    far = end_of_change(card, lead, now_ms) - now_ms
    end = read(card, lead, now_ms + far).exact
    ahead = MIN_FORECAST_MS
    while ahead < min(far, MAX_FORECAST_MS):
        if all(abs(read(card, lead, now_ms + ms).exact - end) <= FLAT_UNITS for ms in (ahead, 2 * ahead, 4 * ahead)):
            break
        ahead = ahead * 5 // 4
    return min(ahead, MAX_FORECAST_MS)


def _sample_times(start_ms: int, end_ms: int) -> list[int]:
    return [start_ms + (end_ms - start_ms) * i // SAMPLES for i in range(SAMPLES + 1)]
