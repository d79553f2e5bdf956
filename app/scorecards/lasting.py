"""Warns of signals that last longer than Kafka keeps events, so that a rebuild could not count them all. Pure."""

from __future__ import annotations

from math import ceil, inf, isinf
from typing import Final

from app.scorecards.values import format_value
from app.settings import variable
from streams.scoring.scorecard import Model, Signal
from streams.units import DAY_MS

SHOWN: Final = 5
"""Signals that a warning names."""


def lasting_signals(model: Model, kept_ms: float) -> dict[str, float]:
    """The signals of which more than half is left after ``kept_ms``, with their half-life or window in ms."""
    lasting = {signal.name: _lasts_ms(signal) for signal in model.signals}
    return {name: ms for name, ms in lasting.items() if ms > kept_ms}


def _lasts_ms(signal: Signal) -> float:
    return signal.window_ms or max(signal.half_life_ms, *(ms for _, ms in signal.while_half_lives), 0)


def describe_lasting(model: Model, topic: str, kept_ms: float) -> str:
    """One sentence with the remedy; empty if a rebuild could count everything that matters.

    ``kept_ms``: how long the topic of events keeps a record; negative for ever.
    """
    found = lasting_signals(model, inf if kept_ms < 0 else kept_ms)
    if not found:
        return ""
    names = [f"{name} ({format_value(ms, 'half_life_ms')})" for name, ms in list(found.items())[:SHOWN]]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    days = ceil(max((ms for ms in found.values() if not isinf(ms)), default=kept_ms) / DAY_MS)
    least = f"{days} days at least" if inf not in found.values() else "as long as the oldest event must count"
    return (
        f"{topic} keeps events for {kept_ms / DAY_MS:g} days, and signals last longer: {', '.join(names)}{more}. After "
        f"`leadglow rebuild`, older events would be missing: keep them for {least} ({variable('retention_days')}, then "
        "`leadglow topics create --update`), and snapshots of Redis, which know them."
    )
