"""A scorecard as people read it, with what each signal gave lately. Pure."""

from __future__ import annotations

import math
from typing import Any

from app.board.scorecard_text import describe_fit, describe_signal, format_limit
from streams.scoring.rules import CardRule, Rules
from streams.scoring.scorecard import Scorecard, Signal
from streams.store.base import Fired
from streams.units import format_duration


def describe_scorecard(card: CardRule, rules: Rules, fired: Fired) -> dict[str, Any]:
    """All of a scorecard in words and numbers; what has no bound is None."""
    said = card.card
    return {
        "name": said.name,
        "label": said.label or said.name,
        "version": rules.version,
        "range": [said.minimum, said.maximum],
        "grades": [{"grade": grade, "from": bound} for grade, bound in said.grades],
        "fit_max": _finite(said.fit_max),
        "signals": [_signal(s, said, fired) for s in rules.model.signals if s.name in said.points],
        "categories": [
            {"name": c.name, "signals": list(c.signals), "min": _finite(c.minimum), "max": _finite(c.maximum)}
            for c in said.categories
        ],
        "fit": [{"trait": line.trait, "says": describe_fit(line), "points": line.points} for line in said.fit],
        "stages": [_stage(said, i) for i in range(len(said.stages))],
    }


def _signal(signal: Signal, card: Scorecard, fired: Fired) -> dict[str, Any]:
    worth = card.points[signal.name]
    count, amount = fired.get(signal.name, (0, None))
    category = next((c.name for c in card.categories if signal.name in c.signals), "other")
    return {
        "name": signal.name,
        "says": describe_signal(signal),
        "half_life": format_duration(signal.half_life_ms),
        "limit": format_limit(signal.limit),
        "points": worth.points,
        "cap": _finite(worth.cap),
        "category": category,
        "fired_7d": count,
        "points_7d": round((count if amount is None else amount) * worth.points, 9) + 0.0,
        "never": count == 0,
    }


def _stage(card: Scorecard, i: int) -> dict[str, Any]:
    stage = card.stages[i]
    needs = {"fit": stage.needs_fit, "engagement": stage.needs_engagement}
    return {
        "name": stage.name,
        "enter": stage.enter,
        "leave": stage.leave,
        "needs": {name: points for name, points in needs.items() if points is not None},
        "blocked_by": list(stage.blocked_by),
        "cooldown": format_duration(stage.cooldown_ms) if stage.cooldown_ms else None,
        "handoff": stage.handoff,
    }


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value
