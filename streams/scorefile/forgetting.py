"""Reads how long nothing is heard of leads and of visitors before they are forgotten."""

from __future__ import annotations

import math
from typing import Final

from streams.scoring.scorecard import USUAL_FORGETTING, Forgetting
from streams.units import DAY_MS
from streams.yamlfile.containers import struct_of
from streams.yamlfile.kinds import DURATION_PATTERN, Field, Struct, duration_ms, require, text_of
from streams.yamlfile.repairs import guess_duration

MIN_IDLE_DAYS: Final = 7
"""Shorter times would forget people between two visits, and leads while their events are late."""
_NEVER: Final = "never"


def _idle_ms(text: str) -> float:
    if text == _NEVER:
        return math.inf
    ms = duration_ms(text)
    require(ms >= MIN_IDLE_DAYS * DAY_MS)
    return float(round(ms))


_IDLE: Final = text_of(
    f"a duration such as 90d, at least {MIN_IDLE_DAYS}d, or `{_NEVER}`",
    "400d",
    rf"{DURATION_PATTERN}|^{_NEVER}$",
    _idle_ms,
    guess_duration,
    lambda text: f"write at least `{MIN_IDLE_DAYS}d`, or `{_NEVER}`",
)
FORGET_WORDS: Final = {
    "leads": Field(
        _IDLE,
        "How long nothing is heard of a lead before it is forgotten: no event, no join, no change of a stage. A lead "
        "inside a stage, or with sales, is not forgotten.",
        default="`400d`",
    ),
    "visitors": Field(
        _IDLE,
        "The same for visitors that never became known: without `userId`, email address and joined ids.",
        example="60d",
        default="60 days, or that of `leads` if it is shorter",
    ),
}
FORGET: Final = struct_of("when leads are forgotten", FORGET_WORDS, "{leads: 400d, visitors: 60d}")


def forgetting_of(words: Struct | None) -> Forgetting:
    """Build it; a file may leave out both times, or one."""
    if words is None:
        return USUAL_FORGETTING
    leads_ms = words.get("leads", USUAL_FORGETTING.leads_ms)
    return Forgetting(leads_ms, min(words.get("visitors", USUAL_FORGETTING.visitors_ms), leads_ms))
