"""Confidence intervals of shares and of their differences. Pure."""

from __future__ import annotations

from math import hypot, sqrt
from typing import Final

Z95: Final = 1.959964
"""The normal distribution has 95 % of its values within so many standard deviations."""


def wilson_interval(won: float, leads: float) -> tuple[float, float]:
    """The 95 % confidence interval of a share (Wilson 1927)."""
    if not leads:
        return 0.0, 1.0
    share, z2 = won / leads, Z95**2
    middle = (share + z2 / (2 * leads)) / (1 + z2 / leads)
    half = Z95 / (1 + z2 / leads) * sqrt(share * (1 - share) / leads + z2 / (4 * leads**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def difference_interval(won: int, all_won: int, lost: int, all_lost: int) -> tuple[float, float]:
    """The 95 % confidence interval of the difference of two shares (Newcombe 1998, method 10)."""
    a, b = won / all_won, lost / all_lost
    (a_low, a_high), (b_low, b_high) = wilson_interval(won, all_won), wilson_interval(lost, all_lost)
    return a - b - hypot(a - a_low, b_high - b), a - b + hypot(a_high - a, b - b_low)
