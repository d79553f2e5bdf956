"""The history of a lead's whole score before the range clamps it, with fewer points the older they are.

It keeps every change of the last seconds, one every few minutes of the last hours, one every few days of the last
weeks, and at most MAX_POINTS points. A point has six bytes: four for seconds since the epoch, two for the score.
``commit.lua`` implements the same algorithm.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

POINT: Final = Struct(">Ih")
MAX_POINTS: Final = 112
"""The maximum number of points; a longer history is thinned to about 100 at most."""
SHARE: Final = 7
OLDEST_S: Final = 90 * 86_400
MIN_SCORE, MAX_SCORE = -(2**15), 2**15 - 1


def add(history: bytes, at_s: int, score: float) -> bytes:
    """Add a score to a history. An earlier time than the last one is raised to it; an unchanged score adds no point."""
    value = int(min(max(score // 1, MIN_SCORE), MAX_SCORE))
    if history:
        last_s, last = POINT.unpack_from(history, len(history) - POINT.size)
        if last == value:
            return history
        at_s = max(at_s, last_s)
        if at_s == last_s:
            history = history[: -POINT.size]
    history += POINT.pack(at_s, value)
    if len(history) > MAX_POINTS * POINT.size or at_s - POINT.unpack_from(history)[0] > OLDEST_S:
        return _thinned(history)
    return history


def _thinned(history: bytes) -> bytes:
    """Remove points that are too close together for their age, or too old."""
    points = list(POINT.iter_unpack(history))
    newest_s = next_s = points[-1][0]
    kept = [points[-1]]
    for point in reversed(points[:-1]):
        age_s = newest_s - point[0]
        if age_s <= OLDEST_S and (next_s - point[0]) * SHARE >= age_s:
            kept.append(point)
            next_s = point[0]
    return b"".join(POINT.pack(*point) for point in reversed(kept))


def points(history: bytes) -> list[tuple[int, int]]:
    """Decode to (seconds since the epoch, score from then on), the oldest first."""
    return [(at_s, score) for at_s, score in POINT.iter_unpack(history)]
