"""Bound how soon decay changes a score. The accelerator compiles these functions as they are."""

from __future__ import annotations

from math import inf, log2
from typing import TYPE_CHECKING, Final

from streams.scoring.fit import UNIT

if TYPE_CHECKING:
    from streams.scoring.rules import CardRule
    from streams.scoring.score import Reading

FAR_MS: Final = 2.0**50
"""35,000 years: a change further away counts as never."""
MARGIN: Final = 1000
"""Units by which rounding the parts may move the score towards a bound, compared with their exact sum."""
BEYOND_MS: Final = 60_000
"""Least time between checks of a lead whose score changes only beyond the range, which moves nothing but its rank."""
CERTAIN: Final = 50
"""Units beyond a whole point at which it has certainly been passed, so that a scheduled lead has really changed."""


def fade_ms(by: float, total: float, rate: float) -> float:
    """Shortest time in ms in which decay takes ``by`` units from a total; infinite if it never does."""
    if by <= 0.0:
        return 0.0
    if by >= total or rate <= 0.0:
        return inf
    left = 1.0 - by / total  # 0 if ``by`` and ``total`` are too close for a float
    fade = -log2(left) * total / rate if left > 0.0 else inf
    return fade if fade < FAR_MS else inf


def recheck_delay_ms(by: float, total: float, rate: float) -> float:
    """Delay in ms until a change by ``by`` units is certain, or may have happened if decay ends before that."""
    if rate <= 0.0:
        return inf
    return fade_ms(by + CERTAIN if by + MARGIN < total else by - MARGIN, total, rate)


def fall_delay_ms(by: float, reading: Reading) -> float:
    """``recheck_delay_ms`` of a fall."""
    return recheck_delay_ms(by, reading.falling, reading.falling_rate) if by < reading.falling else inf


def rise_delay_ms(by: float, reading: Reading) -> float:
    """``recheck_delay_ms`` of a rise."""
    return recheck_delay_ms(by, reading.rising, reading.rising_rate)


def change_delay_ms(card: CardRule, reading: Reading) -> float:
    """Compute the time at which to check the published score and the rank, in ms from the reading."""
    total = reading.engagement + reading.fit
    whole, change = total // UNIT, inf
    if whole > card.lowest:
        change = fall_delay_ms(total - min(whole, card.highest) * UNIT, reading)
    if whole < card.highest:
        change = min(change, rise_delay_ms((max(whole, card.lowest) + 1) * UNIT - total, reading))
    if whole <= card.lowest or whole >= card.highest:
        moved = min(fall_delay_ms(total - whole * UNIT, reading), rise_delay_ms((whole + 1) * UNIT - total, reading))
        change = min(change, max(moved, BEYOND_MS))
    return change
